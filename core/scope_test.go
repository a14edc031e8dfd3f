package core_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
)

type key struct{ n int }

// Contexts derived from a task's ctx by the standard library hear of its end at once, with
// the right error and cause, and it takes no goroutine.
func TestStandardChildren(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		for _, c := range []struct {
			name       string
			end        func(task *core.Task)
			err, cause error
		}{
			{"cancel", func(task *core.Task) { task.Cancel() }, context.Canceled, context.Canceled},
			{"cause", func(task *core.Task) { task.CancelCause(errBoom) }, context.Canceled, errBoom},
			{"timeout", func(*core.Task) { _ = core.Sleep(ctx, time.Minute) }, context.DeadlineExceeded, context.DeadlineExceeded},
		} {
			timed, cancel := core.WithTimeout(ctx, time.Minute)
			var children []context.Context
			var cancels []func()
			task := core.Start(timed, func(ctx context.Context) error {
				goroutines := runtime.NumGoroutine()
				base := context.WithValue(ctx, key{1}, 1)
				a, cancelA := context.WithCancel(base)
				b, cancelB := context.WithTimeout(context.WithValue(a, key{2}, 2), time.Hour)
				beside, cancelC := context.WithCancelCause(timed)
				d, cancelD := core.WithTimeout(b, time.Hour)
				e, cancelE := core.WithCancel(context.WithValue(ctx, key{3}, 3))
				core.Start(a, forever)
				children = []context.Context{ctx, base, a, b, d, e}
				if beside.Err() != nil {
					t.Error("WithTimeout has ended")
				}
				cancels = append(cancels, cancelA, cancelB, func() { cancelC(nil) }, cancelD, cancelE)
				if n := runtime.NumGoroutine(); n > goroutines+1 { // the coroutine of a task
					t.Errorf("%s: deriving started %d goroutines", c.name, n-goroutines)
				}
				err := forever(ctx)
				for i, ctx := range children[:4] {
					select {
					case <-ctx.Done():
					default:
						t.Errorf("%s: Done of %d is open", c.name, i)
					}
				}
				synctest.Wait() // cores hear of standard contexts on a goroutine of theirs
				for i, ctx := range children {
					if err, cause := ctx.Err(), context.Cause(ctx); err != c.err || cause != c.cause {
						t.Errorf("%s: child %d has %v, cause %v", c.name, i, err, cause)
					}
				}
				return err
			})
			c.end(task)
			_ = task.Wait(ctx)
			if !task.Finished() || task.Err() == nil {
				t.Errorf("%s: %v", c.name, task.Err())
			}
			for _, cancel := range cancels {
				cancel()
			}
			cancel()
		}
	})
}

func TestValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.WithValue(t.Context(), key{0}, 0)
		err := core.Run(ctx, func(ctx context.Context) error {
			a, cancel := core.WithTimeout(context.WithValue(ctx, key{1}, 1), time.Hour)
			defer cancel()
			a.Done()
			b, cancel := context.WithCancel(context.WithValue(a, key{2}, 2))
			defer cancel()
			c := core.Shield(context.WithValue(core.Detach(b), key{3}, 3))
			return core.Start(context.WithValue(c, key{4}, 4), func(ctx context.Context) error {
				look := func(when string) {
					for i := range 5 {
						if v := ctx.Value(key{i}); v != i {
							t.Errorf("%s: value %d is %v", when, i, v)
						}
					}
					if v := ctx.Value(key{5}); v != nil {
						t.Errorf("%s: value 5 is %v", when, v)
					}
				}
				look("at first")
				ctx.Done()
				look("with a standard context")
				task := core.Start(ctx, func(inner context.Context) error { ctx = inner; return forever(inner) })
				task.CancelCause(errBoom)
				look("canceled")
				_ = task.Wait(context.WithoutCancel(ctx))
				look("ended")
				return nil
			}).Wait(ctx)
		})
		wantErr(t, "Run", err, nil)
	})
}

// A task's ctx in a goroutine blocks that goroutine; the loop goes on.
func TestTaskContextOnGoroutine(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		task := core.Start(ctx, func(ctx context.Context) error {
			var wg sync.WaitGroup
			errs := make(chan error, 4)
			std, cancel := context.WithCancel(ctx)
			defer cancel()
			timed, cancel := core.WithTimeout(ctx, time.Second)
			defer cancel()
			wg.Go(func() { errs <- forever(ctx) })
			wg.Go(func() { errs <- forever(std) })
			wg.Go(func() { errs <- forever(timed) })
			wg.Go(func() { <-ctx.Done(); errs <- ctx.Err() })
			err := forever(ctx)
			wg.Wait()
			close(errs)
			n := 0
			for err := range errs {
				switch err {
				case context.DeadlineExceeded:
					n++
				case context.Canceled:
				default:
					t.Errorf("a wait on a goroutine: %v", err)
				}
			}
			if n != 1 {
				t.Errorf("%d waits took too long", n)
			}
			return err
		})
		for range 10 {
			wantErr(t, "Sleep", core.Sleep(ctx, time.Second), nil)
		}
		wantErr(t, "CancelAndWait", task.CancelAndWait(ctx), nil)
	})
}

func TestAfterFunc(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		var tr trace
		task := core.Start(ctx, func(ctx context.Context) error {
			context.AfterFunc(ctx, func() { tr.add("ran") })
			stop := context.AfterFunc(ctx, func() { t.Error("it was stopped") })
			if !stop() {
				t.Error("stop() = false")
			}
			return forever(ctx)
		})
		wantErr(t, "CancelAndWait", task.CancelAndWait(ctx), nil)
		synctest.Wait()
		tr.want(t, "ran")
		// The end of a task is the end of its ctx.
		core.Start(ctx, func(ctx context.Context) error {
			context.AfterFunc(ctx, func() { tr.add("%v", context.Cause(ctx)) })
			return nil
		})
		synctest.Wait()
		tr.want(t, core.ErrTaskEnded.Error())
	})
}

// The cancel of a standard ctx is seen at once by all below, although that tells them on a
// goroutine of its own: no wait begins with it.
func TestCancelOfStandardParentIsSeenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base, cancelBase := context.WithCancelCause(t.Context())
		err := core.Run(base, func(ctx context.Context) error {
			var all []context.Context
			start := func(ctx context.Context, next func(ctx context.Context)) {
				core.Start(ctx, func(ctx context.Context) error {
					all = append(all, ctx)
					if next != nil {
						next(ctx)
					}
					return forever(ctx)
				})
			}
			start(ctx, func(ctx context.Context) {
				timed, _ := core.WithTimeout(ctx, time.Hour)
				start(timed, func(ctx context.Context) {
					start(context.WithValue(ctx, key{1}, 1), func(ctx context.Context) {
						// Below another ctx of the standard library.
						std, cancel := context.WithTimeout(ctx, time.Hour)
						context.AfterFunc(std, cancel)
						start(std, nil)
					})
				})
			})
			cancelBase(errBoom)
			for i, ctx := range slices.Backward(all) { // the first one would tell the others
				if err, cause := ctx.Err(), context.Cause(ctx); err != context.Canceled || cause != errBoom {
					t.Errorf("%d: %v, cause %v", i, err, cause)
				}
			}
			return ctx.Err()
		})
		wantErr(t, "Run", err, context.Canceled)
		nothingLeft(t)
	})
}

// A task whose base was a standard ctx ends; those below still hear from that.
func TestOrphansHearOfStandardBase(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		for _, custom := range []bool{false, true} {
			base, cancel := context.WithCancel(ctx)
			if custom {
				c := check.NewCtx()
				base, cancel = c, c.Cancel
			}
			base = core.On(base, core.DispatcherOf(ctx))
			var tasks []*core.Task
			var deep context.Context
			core.Start(base, func(ctx context.Context) error {
				for range 3 {
					tasks = append(tasks, core.Start(ctx, func(ctx context.Context) error {
						tasks = append(tasks, core.Start(ctx, func(ctx context.Context) error {
							deep = ctx
							return forever(ctx)
						}))
						return forever(ctx)
					}))
				}
				return nil
			})
			wantErr(t, "Sleep", core.Sleep(ctx, time.Second), nil)
			if len(tasks) != 6 || deep.Err() != nil {
				t.Fatalf("%d tasks, %v", len(tasks), deep.Err())
			}
			cancel()
			wantErr(t, "at once", deep.Err(), context.Canceled)
			for _, task := range tasks {
				if err := task.Wait(ctx); !errors.Is(err, context.Canceled) || task.State() != core.StateCanceled {
					t.Errorf("%v", err)
				}
			}
		}
	})
}

// Err is not nil exactly when Done is closed, at any moment, for any observer.
func TestErrAndDoneAgree(t *testing.T) {
	err := core.Run(t.Context(), func(ctx context.Context) error {
		for i := range check.Times(3000, 30000) {
			base, cancel := context.WithCancel(context.Background())
			below := base
			if i%2 == 0 {
				below, cancel = core.WithCancel(ctx)
			}
			inner, cancelInner := core.WithCancel(core.On(below, core.DispatcherOf(ctx)))
			std, cancelStd := context.WithCancel(inner)
			_, err := core.Blocking(ctx, func(context.Context) (int, error) {
				var wg sync.WaitGroup
				for _, ctx := range []context.Context{inner, std} {
					wg.Go(func() {
						<-ctx.Done()
						if ctx.Err() == nil {
							t.Error("Done is closed and Err is nil")
						}
					})
					wg.Go(func() {
						for ctx.Err() == nil {
							runtime.Gosched()
						}
						select {
						case <-ctx.Done():
						default:
							t.Error("Err is not nil and Done is open")
						}
					})
				}
				wg.Go(cancel)
				wg.Wait()
				return 0, nil
			})
			cancelStd()
			cancelInner()
			if err != nil {
				return err
			}
		}
		return nil
	})
	wantErr(t, "Run", err, nil)
}

// Nothing stays of what is over: neither children nor links of the chain.
func TestScopesLeaveNothing(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		for range 100 {
			a, cancelA := core.WithTimeout(ctx, time.Hour)
			b, cancelB := core.WithCancel(a)
			task := core.Start(b, forever)
			core.Start(a, func(context.Context) error { return nil })
			cancelA()
			cancelB()
			_ = task.Wait(ctx)
		}
		if n := core.Children(ctx); n != 0 {
			t.Errorf("%d children", n)
		}
		// A deadline that has passed does so, even if nobody calls the cancel function.
		for range 100 {
			a, _ := core.WithTimeout(ctx, time.Minute)
			core.Start(a, forever)
			_, _ = core.WithTimeout(ctx, 0)
		}
		wantErr(t, "Sleep", core.Sleep(ctx, time.Hour), nil)
		if n := core.Children(ctx); n != 0 {
			t.Errorf("%d children whose time is over", n)
		}
		// A wait with another task's ctx leaves it when it is over.
		f := core.NewFuture[int]()
		a, cancel := core.WithCancel(ctx)
		defer cancel()
		tasks := []*core.Task{}
		for range 3 {
			tasks = append(tasks, core.Start(ctx, func(context.Context) error { _, err := f.Await(a); return err }))
		}
		if n := core.Armed(a); n != 3 {
			t.Errorf("%d tasks are armed", n)
		}
		tasks[1].Cancel() // its own ctx, not the one it waits with
		wantErr(t, "Sleep", core.Sleep(ctx, time.Second), nil)
		if n := core.Armed(a); n != 3 {
			t.Errorf("%d tasks are armed", n)
		}
		f.Complete(1)
		for _, task := range tasks {
			wantErr(t, "Wait", task.Wait(ctx), nil)
		}
		if n := core.Armed(a); n != 0 {
			t.Errorf("%d tasks are armed", n)
		}
	})
}
