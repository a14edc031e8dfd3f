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
// with no lock held; each runs even if one before it panics. They must not wait: that goroutine
// may be a loop.
//
// When they have returned, the future is finished as canceled, if it is still pending: a
// function may complete it with what is there. To keep it pending until the work has ended, use
// [NewOwned].
//
// It is for the owner, as Complete is. On the future of a task it panics: a task
// hears of a cancel from its ctx, see context.AfterFunc.
func (p *promise) OnCancel(fn func()) {
	if p.task != nil {
		panic("core: OnCancel of the future of a task, which hears of a cancel from its ctx")
	}
	p.mu.Lock()
	switch {
	case p.asked.Load():
		p.mu.Unlock()
		fn()
		return
	case !p.Finished():
		p.link(&watcher{kind: canceler, told: func(error) { fn() }})
	}
	p.mu.Unlock()
}

// Cancel is CancelCause with context.Canceled.
func (p *promise) Cancel() bool { return p.CancelCause(context.Canceled) }

// CancelCause asks for the end of the future, and reports whether it could: false
// means that it is finished. Only the first cause counts.
//
//   - The future of a task ends when the task does, whose ctx is canceled with this
//     cause. It is completed all the same if the task returns without an error.
//   - One that was made by [NewOwned] ends when its owner finishes it.
//   - Any other is finished as canceled before the call returns, after the functions of
//     OnCancel have run. What its owner completes it with later has no effect.
func (p *promise) CancelCause(cause error) bool {
	if cause == nil {
		cause = context.Canceled
	}
	if t := p.task; t != nil {
		if p.Finished() {
			return false
		}
		t.end(&ending{context.Canceled, cause})
		return !p.Finished()
	}
	p.mu.Lock()
	if p.Finished() {
		p.mu.Unlock()
		return false
	}
	if p.asked.Load() {
		p.mu.Unlock()
		return true // whoever asked first goes on with it
	}
	p.err = &CanceledError{cause}
	p.asked.Store(true)
	if fns, owned := p.takeCancelers(); len(fns) > 0 {
		p.mu.Unlock()
		p.tell(fns, cause, owned)
		return true
	}
	p.finish(StateCanceled, p.err)
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
func (p *promise) CancelAndWait(ctx context.Context) error {
	p.Cancel()
	if !p.Finished() {
		if err := p.wait(ctx); err != nil {
			return err
		}
	}
	p.looked()
	return nil
}
