package core

import "context"

// NewOwned returns a pending future whose owner decides what a cancel does. The first one
// calls cancel with its cause, and nothing else: the future stays pending until the
// owner finishes it, so that whoever waits for its end after a cancel waits until the work has
// really stopped. With a value or an error of its own it ends as if there had
// been no cancel; with Fail of an error that is context.Canceled it is canceled, with the
// cause that cancel was given. An owner that never finishes it leaves those that wait waiting.
//
// The function runs on the goroutine of whoever cancels, with no lock held, and before those of
// OnCancel. It must not wait: that goroutine may be a loop.
func NewOwned[T any](cancel func(cause error)) *Future[T] {
	if cancel == nil {
		panic("core: NewOwned without a function")
	}
	f := NewFuture[T]()
	f.link(&watcher{kind: owner, told: cancel})
	return f
}

// OnCancel makes fn run when somebody asks for the end of the future while it is pending, so
// that its owner can stop the work: at once if that was before, never if it ends without. The
// functions run once, in the order in which they were added, on the goroutine of whoever cancels,
// with no lock held; each runs even if one before it panics. One that is added while they run
// does so at once, inside the call of OnCancel, and not behind those that were there before. They
// must not wait: that goroutine may be a loop.
//
// When they have returned, the future is finished as canceled, if it is still pending: a
// function may complete it with what is there. To keep it pending until the work has ended, use
// [NewOwned].
//
// It is for the owner, as Complete is. On the future of a task it panics: a task
// hears of a cancel from its ctx, see context.AfterFunc.
func (f *promise) OnCancel(fn func()) {
	if fn == nil {
		panic("core: OnCancel of nil")
	}
	if f.task != nil {
		panic("core: OnCancel of the future of a task, which hears of a cancel from its ctx")
	}
	f.mu.Lock()
	switch {
	case f.asked.Load():
		f.mu.Unlock()
		fn()
		return
	case !f.Finished():
		f.link(&watcher{kind: canceler, told: func(error) { fn() }})
	}
	f.mu.Unlock()
}

// Cancel is CancelCause with context.Canceled.
func (f *promise) Cancel() bool { return f.CancelCause(context.Canceled) }

// CancelCause asks for the end of the future, and reports whether it could: false
// means that it is finished. Only the first cause counts.
//
//   - The future of a task ends when the task does, whose ctx is canceled with this
//     cause. It is completed all the same if the task returns without an error.
//   - One that was made by [NewOwned] ends when its owner finishes it.
//   - Any other is finished as canceled before the call returns, after the functions of
//     OnCancel have run, unless another cancel is running them just then: that one finishes it
//     when they have returned. What its owner completes it with later has no effect.
func (f *promise) CancelCause(cause error) bool {
	if cause == nil {
		cause = context.Canceled
	}
	if t := f.task; t != nil {
		if f.Finished() {
			return false
		}
		t.end(canceledBy(cause))
		return !f.Finished()
	}
	f.mu.Lock()
	if f.Finished() {
		f.mu.Unlock()
		return false
	}
	if f.asked.Load() {
		f.mu.Unlock()
		return true // whoever asked first goes on with it
	}
	f.err = &CanceledError{cause}
	f.asked.Store(true)
	if fns, owned := f.takeCancelers(); len(fns) > 0 {
		f.mu.Unlock()
		f.tell(fns, cause, owned)
		return true
	}
	f.finish(StateCanceled, f.err)
	return true
}

// tell runs the functions of OnCancel, and finishes the future if it has no owner to do so.
func (p *promise) tell(fns []func(error), cause error, owned bool) {
	if !owned {
		defer p.cancelNow()
	}
	for i := len(fns) - 1; i >= 0; i-- {
		defer fns[i](cause) // so that each runs even if one panics
	}
}

// cancelNow finishes the future as canceled if it is pending.
func (p *promise) cancelNow() {
	p.mu.Lock()
	if p.Finished() {
		p.mu.Unlock()
		return
	}
	p.finish(StateCanceled, p.err)
}

// takeCancelers takes what is to run at a cancel out of the list, and reports whether the owner
// is among them. The mutex is held.
func (p *promise) takeCancelers() (fns []func(error), owned bool) {
	for w := p.watch; w != nil; {
		next := w.next
		if w.kind == owner || w.kind == canceler {
			owned = owned || w.kind == owner
			fns = append(fns, w.told)
			p.unlink(w)
		}
		w = next
	}
	return fns, owned
}

// CancelAndWait cancels the future and waits for its end. It returns nil then, however that
// was: the outcome is in State and Err, and a value that was there first is not lost. If ctx ends
// first, it returns ctx.Err(), and the request stays; a task that cancels itself so gets ErrSelf,
// and is canceled.
func (f *promise) CancelAndWait(ctx context.Context) error {
	f.Cancel()
	if !f.Finished() {
		if err := f.wait(ctx); err != nil {
			return err
		}
	}
	f.looked()
	return nil
}
