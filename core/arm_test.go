package core_test

import (
	"context"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
)

// waiting is a ctx whose Err waits once.
type waiting struct {
	context.Context
	wait func()
}

func (w *waiting) Err() error {
	if wait := w.wait; wait != nil {
		w.wait = nil
		wait()
	}
	return w.Context.Err()
}

// outers and inners are waits that may be nested.
var outers = map[string]func(ctx context.Context, f *core.Future[int]) error{
	"await": func(ctx context.Context, f *core.Future[int]) error { _, err := f.Await(ctx); return err },
	"race":  func(ctx context.Context, f *core.Future[int]) error { _, err := core.Race(ctx, f); return err },
	"sleep": func(ctx context.Context, _ *core.Future[int]) error { return core.Sleep(ctx, time.Second) },
}

var inners = map[string]func(ctx context.Context) error{
	"await": func(ctx context.Context) error {
		f := core.NewFuture[int]()
		core.Spawn(ctx, func(ctx context.Context) error { _ = core.Yield(ctx); f.Complete(1); return nil })
		_, err := f.Await(ctx)
		return err
	},
	"short sleep": func(ctx context.Context) error { return core.Sleep(ctx, time.Millisecond) },
	"long sleep":  func(ctx context.Context) error { return core.Sleep(ctx, time.Minute) },
}

// A wait inside the Err that another wait asks leaves that as it was: it is ended by what it
// waits for, and by its ctx, and both leave no trace.
func TestWaitInsideAWait(t *testing.T) {
	for oname, outer := range outers {
		for iname, inner := range inners {
			for _, cancels := range []bool{false, true} {
				name := oname + ", " + iname
				if cancels {
					name += ", canceled"
				}
				t.Run(name, func(t *testing.T) {
					run(t, func(t *testing.T, ctx context.Context) {
						a, cancelA := core.WithCancel(ctx)
						b, cancelB := core.WithCancel(ctx)
						defer cancelB()
						f := core.NewFuture[int]()
						task := core.Start(ctx, func(ctx context.Context) error {
							w := &waiting{Context: context.WithValue(a, ballastKey{}, 1)}
							calls := 0
							w.wait = func() { // not the first call, when nothing is armed yet
								if calls++; calls == 1 {
									w.wait = func() { wantErr(t, "inner", inner(b), nil) }
								}
							}
							return outer(w, f)
						})
						if !cancels {
							_ = core.Sleep(ctx, 2*time.Minute)
							f.Complete(1)
							wantErr(t, "outer", task.Wait(ctx), nil)
						} else {
							_ = core.Steps(ctx, 1)
							cancelA()
							_ = core.Sleep(ctx, 2*time.Minute)
							if err := task.Wait(ctx); err != context.Canceled && (oname != "sleep" || err != nil) {
								t.Errorf("outer: error %v", err)
							}
						}
						if n := core.Armed(a) + core.Armed(b); n != 0 {
							t.Errorf("%d are armed", n)
						}
						cancelA()
					})
				})
			}
		}
	}
}

// A cancel that comes while a wait is inside another one ends the outer one, whose ctx it is, also
// if that has asked before.
func TestCancelOfTheOuterWait(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		a, cancel := core.WithCancel(ctx)
		inside := core.NewFuture[int]()
		late := &lateErr{Context: context.WithValue(a, ballastKey{}, 1)}
		late.wait = func() { _, _ = inside.Await(ctx) }
		task := core.Start(ctx, func(context.Context) error {
			_, err := core.NewFuture[int]().Await(late)
			return err
		})
		_ = core.Steps(ctx, 2)
		cancel()
		inside.Complete(1)
		_ = core.Steps(ctx, 4)
		if !task.Finished() {
			t.Error("the cancel was lost")
			task.Cancel()
		}
		wantErr(t, "outer", task.Wait(ctx), context.Canceled)
	})
}

// lateErr is a ctx whose second Err asks first and waits then.
type lateErr struct {
	context.Context
	wait  func()
	calls int
}

func (l *lateErr) Err() error {
	err := l.Context.Err()
	if l.calls++; l.calls == 2 {
		l.wait()
	}
	return err
}

// A Pull whose ctx panics, or is nil, is at its end when its first next has panicked.
func TestPullWithContextThatPanics(t *testing.T) {
	var none context.Context
	for name, ctx := range map[string]context.Context{"panics": doneless{context.Background()}, "nil": none} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, in context.Context) {
				next, stop := core.Pull(ctx, func(yield func(int, error) bool) { yield(1, nil) })
				if panics(func() { _, _, _ = next(in) }) == nil {
					t.Error("next has not panicked")
				}
				if v, err, more := next(in); v != 0 || err != nil || more {
					t.Errorf("next() = %v, %v, %v", v, err, more)
				}
				stop()
			})
		})
	}
}

// doneless is a ctx whose Done panics.
type doneless struct{ context.Context }

func (doneless) Done() <-chan struct{} { panic("no channel") }

// The timer of a ctx that ends with the one above does not keep the loop.
func TestTimerEndsWithTheContextAbove(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		pending := func() int { return core.DispatcherOf(ctx).Pending() }
		before := pending()
		for range 3 {
			above, cancel := core.WithCancel(ctx)
			below, _ := core.WithTimeout(above, time.Hour)
			if n := pending(); n != before+1 {
				t.Errorf("%d pending, want %d", n, before+1)
			}
			cancel()
			wantErr(t, "below", below.Err(), context.Canceled)
			late, _ := core.WithTimeout(above, time.Hour)
			wantErr(t, "late", late.Err(), context.Canceled)
			if n := pending(); n != before {
				t.Errorf("%d pending, want %d", n, before)
			}
		}
	})
}

// OnCancel of nil panics at once, not in whoever cancels.
func TestOnCancelOfNil(t *testing.T) {
	f := core.NewFuture[int]()
	if panics(func() { f.OnCancel(nil) }) == nil {
		t.Error("no panic")
	}
	if !f.Cancel() || !f.Canceled() {
		t.Error("not canceled")
	}
}
