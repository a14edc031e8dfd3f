package core_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
)

func TestBlocking(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		var tr trace
		core.Start(ctx, func(ctx context.Context) error {
			for range 3 {
				tr.add("loop")
				if err := core.Sleep(ctx, time.Second); err != nil {
					return err
				}
			}
			return nil
		})
		v, err := core.Blocking(ctx, func(context.Context) (int, error) {
			return 1, core.Sleep(context.Background(), time.Minute) // blocks this goroutine alone
		})
		if v != 1 || err != nil {
			t.Errorf("Blocking() = %d, %v", v, err)
		}
		tr.want(t, "loop loop loop")
		_, err = core.Blocking(ctx, func(context.Context) (int, error) { return 0, errBoom })
		wantErr(t, "error", err, errBoom)
		// Waits inside block its goroutine, and not the loop.
		task := core.Start(ctx, func(ctx context.Context) error {
			_, err := core.Blocking(ctx, func(ctx context.Context) (int, error) { return 0, forever(ctx) })
			return err
		})
		wantErr(t, "CancelAndWait", task.CancelAndWait(ctx), nil)
		if task.State() != core.StateCanceled {
			t.Errorf("%v", task.Err())
		}
	})
	if v, err := core.Blocking(t.Context(), value(2)); v != 2 || err != nil {
		t.Errorf("on a goroutine: %d, %v", v, err)
	}
}

// The outcome of the function wins over a cancel; only one that has not begun does not run.
func TestBlockingCanceled(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		d := core.DispatcherOf(ctx)
		short, cancel := core.WithTimeout(ctx, time.Second)
		defer cancel()
		start := d.Now()
		v, err := core.Blocking(short, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 1, core.Sleep(context.Background(), time.Minute)
		})
		if took := d.Now().Sub(start); v != 1 || err != nil || took != time.Second+time.Minute {
			t.Errorf("Blocking() = %d, %v after %v", v, err, took)
		}
		_, err = core.Blocking(short, func(context.Context) (int, error) { t.Error("it runs"); return 0, nil })
		wantErr(t, "done ctx", err, context.DeadlineExceeded)
	})
}

func TestBlockingDies(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		p := panics(func() {
			_, _ = core.Blocking(ctx, func(context.Context) (int, error) { panic(errBoom) })
		})
		pe, ok := p.(*core.PanicError)
		if !ok || pe.Value != errBoom {
			t.Errorf("panic %v", p)
		}
		_, err := core.Blocking(ctx, func(context.Context) (int, error) { runtime.Goexit(); return 0, nil })
		wantErr(t, "Goexit", err, core.ErrGoexit)
		// An error that looks like one of these is an error.
		_, err = core.Blocking(ctx, func(context.Context) (int, error) { return 0, pe })
		wantErr(t, "a PanicError returned", err, pe)
		// As the outcome of the task it is a panic as any other.
		task := core.Start(ctx, func(ctx context.Context) error {
			_, err := core.Blocking(ctx, func(context.Context) (int, error) { panic(errBoom) })
			return err
		})
		if err := task.Wait(ctx); !errors.Is(err, errBoom) || task.State() != core.StateFailed {
			t.Errorf("%v", err)
		}
	})
}

// At most MaxBlocking functions run at a time, the others in order of arrival; one that is
// canceled while it waits leaves the queue.
func TestMaxBlocking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := dispatch.New(dispatch.Config{MaxBlocking: 2})
		if err != nil {
			t.Fatal(err)
		}
		err = core.RunOn(t.Context(), d, func(ctx context.Context) error {
			var tr trace
			running := make(chan struct{}, 2)
			var tasks []*core.Task
			for i := range 6 {
				tasks = append(tasks, core.Start(ctx, func(ctx context.Context) error {
					_, err := core.Blocking(ctx, func(context.Context) (int, error) {
						select {
						case running <- struct{}{}:
						default:
							t.Error("three run at the same time")
						}
						tr.add("%d", i)
						time.Sleep(time.Minute + time.Duration(i)*time.Second)
						<-running
						return 0, nil
					})
					return err
				}))
			}
			tasks[3].Cancel()
			for i, task := range tasks {
				err := task.Wait(ctx)
				if i == 3 && !errors.Is(err, context.Canceled) || i != 3 && err != nil {
					t.Errorf("%d: %v", i, err)
				}
			}
			tr.mu.Lock()
			equal(t, tr.list[2:], "2", "4", "5")
			tr.mu.Unlock()
			return nil
		})
		wantErr(t, "RunOn", err, nil)
		wantErr(t, "Close", d.Close(), nil)
	})
}

// A function that does not heed its ctx outlives its dispatcher, but Close does not wait for
// ever.
func TestBlockingOutlivesDispatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, stop := looping(t, dispatch.Config{CloseTimeout: time.Minute, MaxBlocking: 1})
		release := make(chan struct{})
		block := func(ctx context.Context) error {
			_, err := core.Blocking(ctx, func(context.Context) (int, error) { <-release; return 1, nil })
			return err
		}
		first := core.Start(core.On(t.Context(), d), block)
		second := core.Start(core.On(t.Context(), d), block)
		synctest.Wait()
		start := time.Now()
		wantErr(t, "Close", stop(), nil)
		if took := time.Since(start); took != time.Minute {
			t.Errorf("it took %v", took)
		}
		wantErr(t, "first", first.Err(), dispatch.ErrClosed)
		if second.State() != core.StateCanceled {
			t.Errorf("second: %v", second.Err())
		}
		close(release)
		synctest.Wait()
		nothingLeft(t)
	})
}

// A negative MaxBlocking is the default, not a limit that nobody gets below.
func TestBlockingWithNegativeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := dispatch.New(dispatch.Config{MaxBlocking: -1})
		if err != nil {
			t.Fatal(err)
		}
		ran := false
		wantErr(t, "RunOn", core.RunOn(t.Context(), d, func(ctx context.Context) error {
			ctx, cancel := core.WithTimeout(ctx, time.Second)
			defer cancel()
			_, err := core.Blocking(ctx, func(context.Context) (int, error) { ran = true; return 1, nil })
			return err
		}), nil)
		if !ran {
			t.Error("the function has not run")
		}
		wantErr(t, "Close", d.Close(), nil)
	})
}
