package core

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/seed-1e54c410/turnstile/internal/park"
)

// State is the state of a future.
type State uint8

// The states of a future. The last three are final.
const (
	// StatePending: not finished yet.
	StatePending State = iota
	// StateCompleted: finished with a value.
	StateCompleted
	// StateFailed: finished with an error.
	StateFailed
	// StateCanceled: canceled, finished with a *CanceledError.
	StateCanceled
)

// String returns the name of the state in lower case.
func (s State) String() string {
	switch s {
	case StatePending:
		return "pending"
	case StateCompleted:
		return "completed"
	case StateFailed:
		return "failed"
	case StateCanceled:
		return "canceled"
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// Future is a value that will be there later, or an error. Either a task makes
// it, see [Async], or whoever called [NewFuture] or [NewOwned] completes it, from any goroutine. The
// zero value is a pending future that is completed by its owner. It must not be copied, which go
// vet finds.
//
// A future can be awaited any number of times, by any number of tasks and
// goroutines; those that wait are woken in the order they came in. Awaiting a finished
// future does not wait, and gives no other task a turn. Code without a task of its own hears of the
// end by [Future.AddCallback], a select by [Future.Done]; [Check] reports a failure that nobody
// may be waiting for.
//
// What the owner did before Complete or Fail, or a task before its end, happens before the
// return of an Await that returns its outcome.
type Future[T any] struct {
	val T // written before state; first, where an empty one takes no space
	promise
}

// Waitable is anything that ends: a *[Future] of any type, or a *[Task].
type Waitable interface {
	// Finished reports whether it has ended.
	Finished() bool

	ended() *promise // nil for a nil pointer
}

// promiseOf returns the promise of w, and panics in the name of a call that was given nil: nothing would ever
// finish that.
func promiseOf(call string, w Waitable) *promise {
	if w != nil {
		if p := w.ended(); p != nil {
			return p
		}
	}
	panic("core: " + call + " of nil")
}

// promise is what futures of all types have in common.
type promise struct {
	mu      sync.Mutex
	state   atomic.Uint32 // a State and isTracked, written under mu
	asked   atomic.Bool   // a cancel was asked for, written under mu; not of a task
	err     error         // written before state; while pending and asked, a *CanceledError
	waiters park.Queue[struct{}]
	watch   *watcher      // the first of a list, see watch.go
	done    chan struct{} // made by the first call of Done
	task    *task         // that makes the value, else nil
}

// isTracked is set in promise.state, from the start on, if tracking was on then. It is there since
// another field would cost a size class of the allocator.
const isTracked uint32 = 1 << 8

// NewFuture returns a pending future. A cancel finishes it at once, see [Future.CancelCause].
func NewFuture[T any]() *Future[T] {
	f := new(Future[T])
	if t := tracker.Load(); t != nil {
		t.future(&f.promise)
	}
	return f
}

// Completed returns a future that is completed with v.
func Completed[T any](v T) *Future[T] {
	f := &Future[T]{val: v}
	f.state.Store(uint32(StateCompleted))
	return f
}

// Failed returns a future that has failed with err, which must not be nil: that panics.
func Failed[T any](err error) *Future[T] {
	f := new(Future[T])
	f.err = notNil(err)
	f.state.Store(uint32(StateFailed))
	return f
}

func notNil(err error) error {
	if err == nil {
		panic("core: a future cannot fail with a nil error")
	}
	return err
}

// Complete finishes the future with v. On a future that was canceled it does
// nothing; on one that is finished otherwise, or belongs to a task, it panics, and
// tells where it was called.
func (f *Future[T]) Complete(v T) {
	f.own()
	if !f.finish(StateCompleted, v, nil) {
		f.twice("Complete")
	}
}

// Fail finishes the future with err. It does nothing, or panics, where Complete does; a nil err
// panics, too.
func (f *Future[T]) Fail(err error) {
	f.own()
	if !f.fail(notNil(err)) {
		f.twice("Fail")
	}
}

// TryComplete is Complete that reports whether it was this call that finished the
// future, where Complete would panic over one that is finished.
func (f *Future[T]) TryComplete(v T) bool {
	f.own()
	return f.finish(StateCompleted, v, nil)
}

// TryFail is Fail that reports whether it was this call that finished the future. A nil err panics.
func (f *Future[T]) TryFail(err error) bool {
	f.own()
	return f.fail(notNil(err))
}

// fail finishes the future with an error of its owner.
func (f *Future[T]) fail(err error) bool {
	var zero T
	if f.asked.Load() && saysOnly(err, context.Canceled) {
		return f.finish(StateCanceled, zero, err)
	}
	return f.finish(StateFailed, zero, err)
}

func (p *promise) own() {
	if p.task != nil {
		panic("core: the future of a task is finished by the task")
	}
}

// twice panics, unless the future was canceled.
func (p *promise) twice(call string) {
	if s := p.State(); s != StateCanceled {
		text := fmt.Sprintf("core: %s of a future that is %s already, at %s", call, s, callerPlace(2))
		if t := tracker.Load(); t != nil {
			if first := t.finishedAt(p); first != "" {
				text += "; it was finished at " + first
			}
		}
		panic(text)
	}
}

// callerPlace tells where the function was called that is skip calls above this one's caller.
func callerPlace(skip int) string {
	pc, file, line, _ := runtime.Caller(skip + 1)
	place := fmt.Sprintf("%s:%d", file, line)
	if f := runtime.FuncForPC(pc); f != nil {
		place += " " + f.Name()
	}
	return place
}

// finish ends the future if it is pending.
func (f *Future[T]) finish(s State, v T, err error) bool {
	f.mu.Lock()
	if f.State() != StatePending {
		f.mu.Unlock()
		return false
	}
	f.val = v
	if s == StateCanceled {
		err = f.err // says why
	}
	f.promise.finish(s, err)
	return true
}

// finish is the second half of Future.finish: the mutex is held at the call and free at
// the return.
func (p *promise) finish(s State, err error) {
	p.err = err
	p.state.Store(p.state.Load()&isTracked | uint32(s))
	heard := p.waiters.GrantN(-1) > 0
	if t := tracker.Load(); t != nil {
		t.ended(p, heard)
	}
	if p.done != nil {
		close(p.done)
	}
	var onlookers *watcher
	if p.watch != nil {
		onlookers = p.notify()
	}
	p.mu.Unlock()
	for w := onlookers; w != nil; w = w.next {
		w.fn()
	}
}

// settle finishes the future of a task with what its function has returned, which is in val
// and err already.
func (f *Future[T]) settle() {
	s, err := StateCompleted, f.err
	if err != nil {
		s = StateFailed
		if e := f.task.over.Load(); e != nil && e != errEnded && saysOnly(err, context.Canceled) {
			s, err = StateCanceled, &CanceledError{e.cause}
		}
	}
	f.mu.Lock()
	f.promise.finish(s, err)
}

// String names the future and its state, such as core.Future(pending). Without it fmt would read the
// fields, which others write.
func (f *Future[T]) String() string { return "core.Future(" + f.State().String() + ")" }

// State returns the state.
func (f *promise) State() State { return State(f.state.Load()) } // without isTracked

// Finished reports whether the state is final.
func (f *promise) Finished() bool { return f.State() != StatePending }

// Failed reports whether the future has failed; a canceled one has not.
func (f *promise) Failed() bool {
	failed := f.State() == StateFailed
	if failed {
		f.looked()
	}
	return failed
}

// Canceled reports whether the future was canceled.
func (f *promise) Canceled() bool { return f.State() == StateCanceled }

// Err returns the error of a future that has failed or was canceled, else nil.
func (f *promise) Err() error {
	if !f.Finished() {
		return nil
	}
	f.looked()
	return f.err
}

func (f *Future[T]) ended() *promise {
	if f == nil {
		return nil
	}
	return &f.promise
}

// promiseIn is promiseOf without an interface in between.
func (f *Future[T]) promiseIn(call string) *promise {
	if f == nil {
		panic("core: " + call + " of nil")
	}
	return &f.promise
}

// outcome is Err for a simulation, which does not count as somebody who looks at it.
func (p *promise) outcome() error {
	if !p.Finished() {
		return nil
	}
	return p.err
}

func (p *promise) tracked() bool { return p.state.Load()&isTracked != 0 }

// looked notes that somebody looks at p.
func (p *promise) looked() {
	if p.tracked() {
		lookedAt(p)
	}
}

// Read returns the outcome of a finished future, and ErrPending if it is not.
func (f *Future[T]) Read() (T, error) {
	if !f.Finished() {
		var zero T
		return zero, ErrPending
	}
	f.looked()
	return f.val, f.err
}

// Done returns a channel that is closed when the future is finished, for select.
func (f *promise) Done() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.done == nil {
		f.done = make(chan struct{})
		if f.Finished() {
			close(f.done)
		}
	}
	return f.done
}

// Await waits until the future is finished and returns its outcome. If ctx ends first, it
// returns ctx.Err(), and the future is not touched: it is not Finished then. A future that is
// finished already returns its outcome even if ctx is done. A task that awaits
// its own end gets ErrSelf.
//
// Tasks that wait go on in the order in which they came, before the callbacks of the
// future that run on the same dispatcher. A nil future panics: nothing would ever finish it.
func (f *Future[T]) Await(ctx context.Context) (T, error) {
	if f == nil {
		panic("core: Await of a nil future")
	}
	s := f.state.Load()
	if State(s) == StatePending {
		if err := f.wait(ctx); err != nil {
			var zero T
			return zero, err
		}
	}
	if s&isTracked != 0 {
		lookedAt(&f.promise)
	}
	return f.val, f.err
}

// AwaitOrCancel is Await that takes the future along: if ctx ends first, it cancels the
// future, with the cause of ctx, and waits for its end. It returns the outcome even then if
// that is a value or an error of the future's own, and ctx.Err() if the future was canceled. A ctx
// that is done at the call cancels a pending future, too. If somebody else cancels it first, the
// error is its *[CanceledError].
func (f *Future[T]) AwaitOrCancel(ctx context.Context) (T, error) {
	if f == nil {
		panic("core: AwaitOrCancel of a nil future")
	}
	var zero T
	if !f.Finished() {
		if err := f.wait(ctx); err != nil {
			if err == ErrSelf {
				return zero, err
			}
			f.CancelCause(context.Cause(ctx))
			if err := f.wait(context.Background()); err != nil {
				return zero, err // the dispatcher has closed, and no task can wait any more
			}
			if f.Canceled() {
				return zero, err
			}
		}
	}
	f.looked()
	return f.val, f.err
}

// wait waits until p is finished. An error is that of the wait.
func (p *promise) wait(ctx context.Context) error {
	if p.isSelf() {
		return ErrSelf
	}
	if err := ctx.Err(); err != nil {
		if p.Finished() {
			return nil
		}
		return park.Failed(err)
	}
	p.mu.Lock()
	if p.Finished() {
		p.mu.Unlock()
		return nil
	}
	// The queue never has to ask who may go: finish lets all go at once.
	var err error
	if p.tracked() {
		aim(p)
	}
	if s, ok := ctx.(*scope); ok && s.owner != nil && s.owner.Here() {
		// The usual case. It allocates nothing, and keeps the stack of a task that waits small.
		err = p.waiters.WaitIn(&s.owner.co.seat, s.owner, &p.mu)
	} else {
		_, err = p.waiters.WaitLocked(ctx, &p.mu, struct{}{}, nil)
		p.forgetPlaces()
	}
	if p.tracked() {
		aim(nil)
	}
	if err != nil && p.Finished() {
		return nil // ctx was late
	}
	return err
}

// forgetPlaces drops what the queue keeps for those that wait next, if nobody will.
func (p *promise) forgetPlaces() {
	if p.Finished() {
		p.mu.Lock()
		p.waiters = park.Queue[struct{}]{}
		p.mu.Unlock()
	}
}
