package core

import (
	"context"
	"log"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

// Async runs fn at once, inside the call, up to its first wait: hold no lock that fn takes.
// It returns the future of what fn returns.
//
// That is so when it is called on the loop of ctx's dispatcher, in a task or a callback, and fn then
// runs as a task of that dispatcher. Called from elsewhere, or deep inside other
// calls of Async, it queues the task behind what is ready. Where ctx belongs to no
// dispatcher, fn runs on a goroutine of its own; see [On].
//
// The ctx that fn gets is the task's own. It is canceled when ctx is, or the future; it ends with
// the task, with ErrTaskEnded as its cause. Tasks that were started with it, or with a ctx
// that this package has derived from it, go on then, under the ctx above. What the standard
// library has derived from it ends, and so do tasks that were started with that.
//
// A function always runs, even if ctx is done already: what it was handed is in its
// care. Only on a dispatcher that closes it does not: the future fails with
// dispatch.ErrClosed. It does so, too, when fn has begun and its dispatcher leaves it suspended for
// ever, see dispatch.Dispatcher.Close: then it says that fn will never go on, not that it has ended.
//
// If fn panics the future fails with a *[PanicError]; if it calls runtime.Goexit,
// with ErrGoexit. If the task was canceled and fn returns an error that is
// context.Canceled, the future is canceled, with a *[CanceledError]. What fn returns
// otherwise is the outcome; an error that joins others to a cancel, as errors.Join does, is one
// that has failed.
//
// fn must not wait between runtime.LockOSThread and UnlockOSThread, nor in a callback from
// C: use [Blocking] there. A nil fn panics.
func Async[T any](ctx context.Context, fn func(ctx context.Context) (T, error)) *Future[T] {
	if fn == nil {
		panic("core: Async of nil")
	}
	a := &async[T]{fn: fn}
	a.future.task = &a.task
	a.start(ctx, a)
	return &a.future
}

// async is a task with its future, in one piece of memory.
type async[T any] struct {
	task
	future Future[T]
	fn     func(ctx context.Context) (T, error)
}

// exec leaves the outcome in the future, where nobody reads it before done says so.
func (a *async[T]) exec(ctx context.Context) { a.future.val, a.future.err = a.fn(ctx) }

func (a *async[T]) done() {
	a.fn = nil
	a.future.settle()
}

func (a *async[T]) fail(err error) {
	var zero T
	a.fn = nil
	a.future.finish(StateFailed, zero, err)
}

// Outcome implements seam.Outcome.
func (a *async[T]) Outcome() error { return a.future.outcome() }

func (a *async[T]) place() string { return placeOf(a.fn) }

func (a *async[T]) promised() *promise { return &a.future.promise }

// Task is a function that runs on a dispatcher, or on a goroutine of its own. It
// is made by [Start].
type Task struct {
	future Future[struct{}]
}

// Start is [Async] for a function without a value. A nil fn panics.
func Start(ctx context.Context, fn func(ctx context.Context) error) *Task {
	if fn == nil {
		panic("core: Start of nil")
	}
	s := &started{fn: fn}
	s.handle.future.task = &s.task
	s.start(ctx, s)
	return &s.handle
}

// started is async for Start.
type started struct {
	task
	handle Task
	fn     func(ctx context.Context) error
}

func (s *started) exec(ctx context.Context) { s.handle.future.err = s.fn(ctx) }

func (s *started) done() {
	s.fn = nil
	s.handle.future.settle()
}

func (s *started) fail(err error) {
	s.fn = nil
	s.handle.future.finish(StateFailed, struct{}{}, err)
}

// Outcome implements seam.Outcome.
func (s *started) Outcome() error { return s.handle.future.outcome() }

func (s *started) place() string { return placeOf(s.fn) }

func (s *started) promised() *promise { return &s.handle.future.promise }

// Wait waits for the end of the task and returns its error, as [Future.Await] does.
func (t *Task) Wait(ctx context.Context) error {
	if t == nil {
		panic("core: Wait for a nil task")
	}
	_, err := t.future.Await(ctx)
	return err
}

// WaitOrCancel is Wait that cancels the task if ctx ends first, and waits for its end, as
// [Future.AwaitOrCancel] does.
func (t *Task) WaitOrCancel(ctx context.Context) error {
	if t == nil {
		panic("core: WaitOrCancel for a nil task")
	}
	_, err := t.future.AwaitOrCancel(ctx)
	return err
}

// Cancel asks for the end of the task, see [Future.CancelCause].
func (t *Task) Cancel() bool { return t.future.Cancel() }

// CancelCause asks for the end of the task, see [Future.CancelCause].
func (t *Task) CancelCause(cause error) bool { return t.future.CancelCause(cause) }

// CancelAndWait cancels the task and waits for its end, see [Future.CancelAndWait].
func (t *Task) CancelAndWait(ctx context.Context) error { return t.future.CancelAndWait(ctx) }

// String names the task and its state, as [Future.String] does.
func (t *Task) String() string { return "core.Task(" + t.State().String() + ")" }

// State returns the state of the task, which is that of its future.
func (t *Task) State() State { return t.future.State() }

// Finished reports whether the task has ended.
func (t *Task) Finished() bool { return t.future.Finished() }

// Failed reports whether the task has ended with an error; one that was canceled has not.
func (t *Task) Failed() bool { return t.future.Failed() }

// Canceled reports whether the task has ended because it was canceled: with an error that says so,
// see [Async].
func (t *Task) Canceled() bool { return t.future.Canceled() }

// Err returns the error of a task that has ended with one, else nil.
func (t *Task) Err() error { return t.future.Err() }

// Done returns a channel that is closed when the task has ended, for select.
func (t *Task) Done() <-chan struct{} { return t.future.Done() }

// AddCallback makes fn run on the loop of d when the task has ended, see [Future.AddCallback].
func (t *Task) AddCallback(d *dispatch.Dispatcher, fn func(*Task)) (stop func() bool) {
	if fn == nil {
		panic("core: nil callback")
	}
	return t.future.addCallback(d, func() { fn(t) })
}

// ClearCallbacks takes out what AddCallback has added, see [Future.ClearCallbacks].
func (t *Task) ClearCallbacks() int { return t.future.ClearCallbacks() }

func (t *Task) ended() *promise {
	if t == nil {
		return nil
	}
	return &t.future.promise
}

// Spawn is [Start] for a task that nobody waits for. Its error goes to
// dispatch.Config.Unhandled, unless it only says that the task was canceled: an error that is
// Canceled, DeadlineExceeded or dispatch.ErrClosed after ctx has ended. Of a panic it gets the
// *[PanicError], and the loop goes on. Where Unhandled is nil the error is logged, with the
// place of fn, and a panic leaves the call that runs the loop, as a *[PanicError].
//
// The task is canceled when ctx is; see [Detach] for one that is not. On a dispatcher that
// closes fn does not run, and nobody is told: use Start where that matters. A nil fn panics.
func Spawn(ctx context.Context, fn func(ctx context.Context) error) {
	if fn == nil {
		panic("core: Spawn of nil")
	}
	s := &spawned{fn: fn}
	s.start(ctx, s)
}

type spawned struct {
	task
	fn  func(ctx context.Context) error
	err error
}

func (s *spawned) exec(ctx context.Context) { s.err = s.fn(ctx) }

func (s *spawned) done() {
	if s.err != nil {
		s.fail(s.err)
	}
	s.fn, s.err = nil, nil
}

func (s *spawned) fail(err error) {
	if s.meantToEnd(err) {
		return
	}
	u := &unhandled{err: err, what: "task " + s.place()}
	if s.sched == nil {
		u.RunReady()
		return
	}
	u.tree, u.report = s.tree, s.sched.loop.Settings().Unhandled
	u.count(1)
	s.sched.loop.Ready(u)
}

func (s *spawned) place() string { return placeOf(s.fn) }

// meantToEnd reports whether err only says that the task was canceled.
func (t *task) meantToEnd(err error) bool {
	e := t.over.Load()
	return e != nil && e != errEnded && saysCanceled(err)
}

// saysCanceled reports whether err only says that its task was canceled. An error whose own
// methods panic says something else, and must not take the loop along.
func saysCanceled(err error) (yes bool) {
	defer func() {
		if recover() != nil {
			yes = false
		}
	}()
	return saysOnly(err, context.Canceled, context.DeadlineExceeded, dispatch.ErrClosed)
}

// unhandled is an error that nobody waits for.
type unhandled struct {
	err    error
	what   string // has failed
	report func(error)
	tree   *tree // that counts the report, if any
}

// count adds n to the reports that a RunOn waits for.
func (u *unhandled) count(n int64) {
	if u.tree != nil {
		u.tree.reports.Add(n)
	}
}

func (u *unhandled) RunReady() {
	u.count(-1)
	panicked := isPanic(u.err)
	switch {
	case u.report != nil:
		u.report(u.err)
	case panicked:
		panic(u.err)
	default:
		log.Printf("core: %s: %v", u.what, u.err)
	}
}

// On returns a ctx with which Async, Start and Spawn start their tasks on d, from any
// goroutine. A nil d panics.
func On(ctx context.Context, d *dispatch.Dispatcher) context.Context {
	if d == nil {
		panic("core: On of a nil dispatcher")
	}
	return onCtx{ctx, schedFor(d)}
}

type onCtx struct {
	context.Context
	sched *sched
}

// Value answers for the dispatcher.
func (c onCtx) Value(key any) any {
	if key == (schedKey{}) {
		return c.sched
	}
	return c.Context.Value(key)
}

// DispatcherOf returns the dispatcher that Async would start a task of ctx on,
// nil if that would be a goroutine.
func DispatcherOf(ctx context.Context) *dispatch.Dispatcher {
	s := schedOf(ctx)
	if s == nil {
		return nil
	}
	return s.loop.Dispatcher().(*dispatch.Dispatcher)
}

// Detach returns a ctx with the values and the dispatcher of ctx that does not end when ctx
// does, for a task that is to outlive those that started it: it is canceled when
// the main function of Run returns, or the dispatcher closes.
func Detach(ctx context.Context) context.Context { return shielded(ctx) }

// Shield returns a ctx with the values and the dispatcher of ctx, but without its end and
// deadline, for cleaning up in a task that was canceled.
func Shield(ctx context.Context) context.Context { return shielded(ctx) }

func shielded(ctx context.Context) context.Context {
	if scopeOf(ctx) == nil {
		return context.WithoutCancel(ctx)
	}
	s := &scope{}
	s.place(ctx, schedOf(ctx))
	s.deadline, s.cut = nil, true
	return s
}
