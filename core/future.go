package core

import (
	"context"
	"errors"
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
// it, see [Async], or whoever called [NewFuture] completes it, from any goroutine. The zero
// value is a pending future that is completed by its owner. It must not be copied.
//
// A future can be awaited any number of times, by any number of tasks and
// goroutines; those that wait are woken in the order they came in. Awaiting a finished
// future does not wait, and gives no other task a turn.
//
// What the owner did before Complete or Fail, or a task before its end, happens before the
// return of an Await that returns its outcome.
type Future[T any] struct {
	promise
	val T // written before state
}

// Waitable is anything that ends: a *[Future] of any type, or a *[Task].
type Waitable interface {
	// Finished reports whether it has ended.
	Finished() bool

	ended() *promise
}

// promise is what futures of all types have in common.
type promise struct {
	mu      sync.Mutex
	state   atomic.Uint32 // a State, written under mu
	err     error         // written before state
	waiters park.Queue[struct{}]
	watch   *watcher      // combinators that look on
	done    chan struct{} // made by the first call of Done
	task    *task         // that makes the value, else nil
}

// watcher is a function that runs when a promise is finished.
type watcher struct {
	fn         func()
	next, prev *watcher
	gone       bool
}

// NewFuture returns a pending future.
func NewFuture[T any]() *Future[T] { return new(Future[T]) }

// Completed returns a future that is completed with v.
func Completed[T any](v T) *Future[T] {
	f := &Future[T]{val: v}
	f.state.Store(uint32(StateCompleted))
	return f
}

// Failed returns a future that has failed with err.
func Failed[T any](err error) *Future[T] {
	f := new(Future[T])
	f.finish(StateFailed, f.val, check(err))
	return f
}

func check(err error) error {
	if err == nil {
		panic("core: a future cannot fail with a nil error")
	}
	return err
}

// Complete finishes the future with v. On a future that was canceled it does
// nothing; on one that is finished otherwise, or belongs to a task, it panics.
func (f *Future[T]) Complete(v T) {
	f.own()
	if !f.finish(StateCompleted, v, nil) {
		f.twice("Complete")
	}
}

// Fail finishes the future with err, which must not be nil. It does nothing, or panics, where
// Complete does.
func (f *Future[T]) Fail(err error) {
	f.own()
	var zero T
	if !f.finish(StateFailed, zero, check(err)) {
		f.twice("Fail")
	}
}

// TryComplete is Complete that reports whether it was this call that finished the
// future, where Complete would panic over one that is finished.
func (f *Future[T]) TryComplete(v T) bool {
	f.own()
	return f.finish(StateCompleted, v, nil)
}

// TryFail is Fail that reports whether it was this call that finished the future.
func (f *Future[T]) TryFail(err error) bool {
	f.own()
	var zero T
	return f.finish(StateFailed, zero, check(err))
}

func (p *promise) own() {
	if p.task != nil {
		panic("core: the future of a task is finished by the task")
	}
}

// twice panics, unless the future was canceled.
func (p *promise) twice(call string) {
	if s := p.State(); s != StateCanceled {
		_, file, line, _ := runtime.Caller(2)
		panic(fmt.Sprintf("core: %s of a future that is %s already, at %s:%d", call, s, file, line))
	}
}

// finish ends the future if it is pending.
func (f *Future[T]) finish(s State, v T, err error) bool {
	f.mu.Lock()
	if f.State() != StatePending {
		f.mu.Unlock()
		return false
	}
	f.val = v
	f.promise.finish(s, err)
	return true
}

// finish is the second half of Future.finish: the mutex is held at the call and free at
// the return.
func (p *promise) finish(s State, err error) {
	p.err = err
	p.state.Store(uint32(s))
	p.waiters.GrantN(-1)
	if p.done != nil {
		close(p.done)
	}
	first := p.watch
	p.watch = nil
	for w := first; w != nil; w = w.next {
		w.gone = true
	}
	p.mu.Unlock()
	for w := first; w != nil; w = w.next {
		w.fn()
	}
}

// settle finishes the future of a task with what its function has returned, which is in val
// and err already.
func (f *Future[T]) settle() {
	s, err := StateCompleted, f.err
	if err != nil {
		s = StateFailed
		if e := f.task.over.Load(); e != nil && e != errEnded && errors.Is(err, context.Canceled) {
			s, err = StateCanceled, &CanceledError{e.cause}
		}
	}
	f.mu.Lock()
	f.promise.finish(s, err)
}

// State returns the state.
func (p *promise) State() State { return State(p.state.Load()) }

// Finished reports whether the state is final.
func (p *promise) Finished() bool { return p.State() != StatePending }

// Failed reports whether the future has failed; a canceled one has not.
func (p *promise) Failed() bool { return p.State() == StateFailed }

// Canceled reports whether the future was canceled.
func (p *promise) Canceled() bool { return p.State() == StateCanceled }

// Err returns the error of a future that has failed or was canceled, else nil.
func (p *promise) Err() error {
	if !p.Finished() {
		return nil
	}
	return p.err
}

func (p *promise) ended() *promise { return p }

// Read returns the outcome of a finished future, and ErrPending if it is not.
func (f *Future[T]) Read() (T, error) {
	if !f.Finished() {
		var zero T
		return zero, ErrPending
	}
	return f.val, f.err
}

// Done returns a channel that is closed when the future is finished, for select.
func (p *promise) Done() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done == nil {
		p.done = make(chan struct{})
		if p.Finished() {
			close(p.done)
		}
	}
	return p.done
}

// Await waits until the future is finished and returns its outcome. If ctx ends first, it
// returns ctx.Err(), and the future is not touched: it is not Finished then. A future that is
// finished already returns its outcome even if ctx is done. A task that awaits
// its own end gets ErrSelf.
func (f *Future[T]) Await(ctx context.Context) (T, error) {
	if !f.Finished() {
		if err := f.wait(ctx); err != nil {
			var zero T
			return zero, err
		}
	}
	return f.val, f.err
}

// AwaitOrCancel is Await that takes the future along: if ctx ends first, it cancels the
// future, with the cause of ctx, and waits for its end. It returns the outcome even then if
// that is a value or an error of the future's own, and ctx.Err() if the future was canceled.
func (f *Future[T]) AwaitOrCancel(ctx context.Context) (T, error) {
	var zero T
	if !f.Finished() {
		if err := f.wait(ctx); err != nil {
			if err == ErrSelf {
				return zero, err
			}
			f.CancelCause(context.Cause(ctx))
			if self := f.wait(context.Background()); self != nil {
				return zero, self
			}
			if f.Canceled() {
				return zero, err
			}
		}
	}
	return f.val, f.err
}

// wait waits until p is finished. An error is that of the wait.
func (p *promise) wait(ctx context.Context) error {
	if p.task != nil && p.task.gid.Load() != 0 && currentOf(ctx) == p.task {
		return ErrSelf
	}
	_, err := p.waiters.Wait(ctx, &p.mu, struct{}{}, p.take)
	if err != nil && p.Finished() {
		return nil // ctx was late
	}
	return err
}

func (p *promise) take(*struct{}) (bool, error) { return p.Finished(), nil }

// Cancel is CancelCause with context.Canceled.
func (p *promise) Cancel() bool { return p.CancelCause(context.Canceled) }

// CancelCause asks for the end of the future, and reports whether it could: false
// means that it is finished. The future of a task ends when the task does, whose ctx is canceled with
// this cause; it is completed all the same if the task returns without an error. One
// that belongs to nobody is canceled at once.
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
	p.finish(StateCanceled, &CanceledError{cause})
	return true
}

// CancelAndWait cancels the future and waits for its end. It returns nil then, however that
// was; the outcome is in Err. If
// ctx ends first, it returns ctx.Err(); a task that cancels itself so gets
// ErrSelf, and is canceled.
func (p *promise) CancelAndWait(ctx context.Context) error {
	p.Cancel()
	if p.Finished() {
		return nil
	}
	return p.wait(ctx)
}

// look makes fn run when p is finished, on the goroutine that finishes it, with no
// lock held. It reports false, and does nothing, if p is finished already.
func (p *promise) look(w *watcher) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.Finished() {
		return false
	}
	w.next = p.watch
	if p.watch != nil {
		p.watch.prev = w
	}
	p.watch = w
	return true
}

// forget takes back what look has done.
func (p *promise) forget(w *watcher) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.gone {
		return
	}
	w.gone = true
	if w.prev == nil {
		p.watch = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	}
}
