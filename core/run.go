package core

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/gid"
	"github.com/seed-1e54c410/turnstile/internal/park"
	"github.com/seed-1e54c410/turnstile/internal/timer"
)

// Run makes a dispatcher, runs main on it as its first task, and returns the error of
// main. When main returns all other tasks of the dispatcher are canceled, with ErrMainReturned as
// the cause, and waited for as Close of the dispatcher does; an error of that is joined to
// the one of main. A task that was started on another dispatcher, or on a goroutine, is not
// touched: cancel the ctx that it was started with, or start it in a [WithGroup].
//
// If main panics, so does Run, with a *[PanicError], once everything has ended. If it
// calls runtime.Goexit, as t.FailNow does, so does Run. If ctx is done at the call, Run returns
// ctx.Err() and does not call main. In a task or callback it returns
// dispatch.ErrRunning. A nil main panics.
func Run(ctx context.Context, main func(ctx context.Context) error) error {
	if main == nil {
		panic("core: Run of nil")
	}
	if park.Current() != nil {
		return dispatch.ErrRunning
	}
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		return err
	}
	r := &mainTask{main: main, closes: true}
	closed := false
	defer func() {
		if !closed { // a panic is on its way
			_ = d.Close()
		}
	}()
	err = r.run(ctx, d)
	closed = true
	if closed := d.Close(); closed != nil {
		err = errors.Join(err, closed)
	}
	return r.result(err)
}

// RunOn is [Run] on a dispatcher that exists and stays open, and that nobody else is
// turning. When main returns those tasks are canceled and waited for that main and
// its descendants have started on d, detached ones included. Those that are left after
// dispatch.Config.CloseTimeout are named in a *dispatch.CloseError.
//
// If the dispatcher is closed before main returns, main is canceled with
// dispatch.ErrClosed as the cause, like all its tasks. A nil main panics, and so does a nil d.
func RunOn(ctx context.Context, d *dispatch.Dispatcher, main func(ctx context.Context) error) error {
	if main == nil {
		panic("core: RunOn of nil")
	}
	if d == nil {
		panic("core: RunOn on a nil dispatcher")
	}
	r := &mainTask{main: main}
	return r.result(r.run(ctx, d))
}

// mainTask is a main function and its task.
type mainTask struct {
	task
	main     func(ctx context.Context) error
	closes   bool // the dispatcher closes after main: that takes care of the other tasks
	phase    phase
	limit    timer.Timer // of the wait for the other tasks
	late     bool        // the limit is over
	err      error
	finished bool
	died     bool // main has not returned: err says what ended it
}

// phase is how far a mainTask is.
type phase uint8

const (
	starting phase = iota // main has not begun
	working               // main runs
	cleaning              // main has returned, and other tasks are canceled
)

// run turns the loop until main and its tasks have ended. Its error is not that of
// main.
func (r *mainTask) run(ctx context.Context, d *dispatch.Dispatcher) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s := schedFor(d)
	err := s.loop.RunUntil(func() bool { return r.step(ctx, s) })
	s.loop.Disarm(&r.limit)
	if err != nil {
		return err
	}
	if r.phase == cleaning && !r.closes && r.tree.live.Load() > 0 {
		return &dispatch.CloseError{Tasks: s.left(r.tree)}
	}
	return nil
}

// step is asked between turns whether all is done.
func (r *mainTask) step(ctx context.Context, s *sched) bool {
	if r.phase == starting {
		r.phase = working
		r.startMain(ctx, s, r)
	}
	if r.phase == working {
		if !r.finished {
			return false
		}
		r.phase = cleaning
		if r.closes {
			s.cancelTree(r.tree, &ending{context.Canceled, ErrMainReturned})
			return true
		}
		s.cancelTree(r.tree, &ending{context.Canceled, ErrMainReturned})
		s.loop.Arm((*limit)(r), s.loop.After(s.loop.Settings().CloseTimeout))
	}
	return r.late || r.tree.live.Load() == 0 && s.burials == 0 && r.tree.reports.Load() == 0
}

// result gives what the caller gets, once everything has ended. The error is that of run.
func (r *mainTask) result(err error) error {
	p, panicked := r.err.(*PanicError)
	switch {
	case r.phase == starting:
		return err
	case r.died && panicked:
		panic(p)
	case r.died && r.err == ErrGoexit:
		runtime.Goexit()
	case r.finished && errors.Is(err, dispatch.ErrClosed):
		return r.err
	case err == nil:
		return r.err
	}
	return errors.Join(r.err, err)
}

func (r *mainTask) exec(ctx context.Context) { r.err = r.main(ctx) }
func (r *mainTask) done()                    { r.finished = true }
func (r *mainTask) fail(err error)           { r.err, r.died, r.finished = err, true, true }
func (r *mainTask) place() string            { return placeOf(r.main) }

// limit is a mainTask as the timers see it.
type limit mainTask

func (l *limit) Timer() *timer.Timer { return &l.limit }
func (l *limit) RunReady()           { l.late = true }

// Blocking runs fn, which may block its thread, on a goroutine of its own, and waits
// for it. It always waits for the end of fn, whatever becomes of ctx, and returns its outcome; fn gets ctx
// and should heed it. If ctx ends before fn has begun, Blocking returns ctx.Err() and
// fn does not run.
//
// At most dispatch.Config.MaxBlocking functions run at the same time for one
// dispatcher; others wait their turn in order. A panic of fn goes on in the caller, as a
// *[PanicError]; a Goexit of fn becomes the error ErrGoexit. On an ordinary goroutine
// fn runs inside the call, and its panic is not wrapped. A nil fn panics.
//
// Only when the dispatcher has closed, and its time for tasks that do not end is over, does
// Blocking return before fn, with dispatch.ErrClosed.
func Blocking[T any](ctx context.Context, fn func(ctx context.Context) (T, error)) (T, error) {
	if fn == nil {
		panic("core: Blocking of nil")
	}
	var zero T
	if err := ctx.Err(); err != nil {
		return zero, park.Failed(err)
	}
	t := currentOf(ctx)
	if t == nil {
		return fn(ctx)
	}
	if t.sched.sim.Closed() {
		return inline(ctx, fn)
	}
	if err := t.sched.enterBlocking(ctx); err != nil {
		return zero, err
	}
	f := NewFuture[T]()
	go func() {
		defer t.sched.leaveBlocking()
		var v T
		err := ErrGoexit
		defer func() {
			if p := recover(); p != nil {
				err = &thrown{newPanicError(p)}
			}
			if err != nil {
				f.Fail(err)
				return
			}
			f.Complete(v)
		}()
		if e := ctx.Err(); e != nil {
			err = e // since the place was granted
			return
		}
		v, err = fn(ctx)
	}()
	v, err := f.Await(context.Background())
	if p, ok := err.(*thrown); ok {
		panic(p.PanicError)
	}
	return v, err
}

// inline is Blocking in a simulation that lets nothing happen beside it.
func inline[T any](ctx context.Context, fn func(ctx context.Context) (T, error)) (T, error) {
	defer func() {
		if p := recover(); p != nil {
			panic(newPanicError(p))
		}
	}()
	return fn(ctx)
}

// thrown is a panic in a function of Blocking, which may as well return a *PanicError.
type thrown struct{ *PanicError }

func (s *sched) enterBlocking(ctx context.Context) error {
	b := &s.blocking
	_, err := b.queue.Wait(ctx, &b.mu, struct{}{}, func(*struct{}) (bool, error) {
		if b.n >= s.loop.Settings().MaxBlocking {
			return false, nil
		}
		b.n++
		return true, nil
	})
	return err
}

func (s *sched) leaveBlocking() {
	b := &s.blocking
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.queue.Grant() { // hands the place on
		b.n--
	}
}

// Sleep waits until d has passed, on the clock of the dispatcher in a task. For d ≤ 0 it
// does not wait, but gives way to others as Yield does. If ctx ends first, or is done at the
// call, it returns ctx.Err().
func Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return park.Failed(err)
	}
	t := currentOf(ctx)
	switch {
	case d <= 0:
		return Yield(ctx)
	case t != nil:
		return t.sleep(ctx, t.sched.loop.After(d))
	}
	return sleepOutside(ctx, d)
}

// sleepOutside is Sleep on an ordinary goroutine. It stands by itself so that a task that sleeps has
// no more on its stack than it needs.
func sleepOutside(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Yield lets everything else run that is ready, and then goes on. If ctx ends meanwhile, or is done
// at the call, it returns ctx.Err(). On an ordinary goroutine it is runtime.Gosched.
func Yield(ctx context.Context) error {
	if s, ok := ctx.(*scope); ok && s.task != nil && s.task.gid.Load() == gid.Current() {
		if t := s.task; !s.special.Load() && t.sched.sim == nil && !t.sched.abandoned {
			t.yielded = true
			t.sched.loop.ReadyHere(t)
			t.co.yield(struct{}{})
			return s.Err()
		}
	}
	return yieldSlow(ctx)
}

func yieldSlow(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return park.Failed(err)
	}
	t := currentOf(ctx)
	switch {
	case t == nil:
		runtime.Gosched()
	case t.sched.abandoned:
		t.Failed()
		return dispatch.ErrClosed
	default:
		t.giveWay()
		if t.sched.sim != nil && t.Err() != nil {
			t.Failed()
		}
	}
	return ctx.Err()
}
