package core_test

import (
	"context"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
)

// Rows of the seeds that are made of more than one call here.
func TestSeedsComposed(t *testing.T) {
	rows{
		{"clearCallbacks: all of them, but nobody who awaits, who hangs there", func(t *testing.T, ctx context.Context) {
			f := core.NewFuture[int]()
			f.AddCallback(core.DispatcherOf(ctx), func(*core.Future[int]) { t.Error("the callback ran") })
			waits := core.Async(ctx, f.Await)
			f.ClearCallbacks()
			f.Complete(1)
			if v, err := waits.Await(ctx); v != 1 || err != nil {
				t.Errorf("%d, %v", v, err)
			}
		}},
		{"FutureVar: what an argument points to is filled, also if the function fails", func(t *testing.T, ctx context.Context) {
			fill := func(buf *string, err error) func(context.Context) error {
				return func(ctx context.Context) error {
					*buf += "x"
					return err
				}
			}
			var buf string // used again and again
			wantErr(t, "Wait", core.Start(ctx, fill(&buf, nil)).Wait(ctx), nil)
			wantErr(t, "Wait", core.Start(ctx, fill(&buf, errBoom)).Wait(ctx), errBoom)
			if buf != "xx" {
				t.Errorf("%q", buf)
			}
		}},
		{"fail of a cancel: a failure, unless somebody has asked for the cancel", func(t *testing.T, ctx context.Context) {
			f := core.NewFuture[int]()
			f.Fail(context.Canceled)
			if !f.Failed() || f.Canceled() || f.Err() != context.Canceled {
				t.Errorf("%v, %v", f.State(), f.Err())
			}
		}},
		{"waitFor: callbacks that were added before run before it returns", func(t *testing.T, _ context.Context) {
			d, _ := newLoop(t)
			defer d.Close()
			ran := false
			f := core.Async(core.On(t.Context(), d), value(7))
			f.AddCallback(d, func(*core.Future[int]) { ran = true })
			v := 0
			done := make(chan error)
			go func() {
				done <- core.RunOn(t.Context(), d, func(ctx context.Context) (err error) {
					v, err = f.Await(ctx)
					return err
				})
			}()
			wantErr(t, "RunOn", <-done, nil)
			if v != 7 || !ran {
				t.Errorf("%d, the callback ran: %t", v, ran)
			}
		}},
		{"awaitne: wait without the error, then look", func(t *testing.T, ctx context.Context) {
			f := failing(ctx, time.Second, errBoom)
			wantErr(t, "Join", core.Join(ctx, f), nil)
			if !f.Failed() {
				t.Errorf("%v", f.State())
			}
		}},
		{"wait with a future as the deadline: whichever way that ends, the other is canceled and waited for", func(t *testing.T, ctx context.Context) {
			wait := func(f *core.Future[int], deadline core.Waitable) (int, error) {
				if _, err := core.Race[core.Waitable](ctx, f, deadline); err != nil {
					return 0, err
				}
				if err := f.CancelAndWait(ctx); err != nil {
					return 0, err
				}
				return f.Read()
			}
			cleaned := false
			slow := core.Async(ctx, func(ctx context.Context) (int, error) {
				err := forever(ctx)
				cleaned = core.Sleep(core.Shield(ctx), time.Second) == nil
				return 0, err
			})
			if _, err := wait(slow, failing(ctx, time.Second, errBoom)); !slow.Canceled() || !cleaned {
				t.Errorf("%v, %v", slow.State(), err)
			}
			deadline := core.NewFuture[string]()
			if v, err := wait(after(ctx, time.Second, 1), deadline); v != 1 || err != nil || deadline.Finished() {
				t.Errorf("%d, %v, the deadline is %v", v, err, deadline.State())
			}
			if v, err := wait(core.Completed(2), core.Completed("")); v != 2 || err != nil {
				t.Errorf("%d, %v: a value that is there has lost", v, err)
			}
		}},
		{"wait with a time that is over: a value that is there wins", func(t *testing.T, ctx context.Context) {
			over, cancel := core.WithTimeout(ctx, 0)
			defer cancel()
			if v, err := core.Completed(2).AwaitOrCancel(over); v != 2 || err != nil {
				t.Errorf("%d, %v", v, err)
			}
			f := core.NewFuture[int]()
			_, err := f.Await(over) // Await leaves a pending one alone, AwaitOrCancel does not
			wantErr(t, "Await", err, context.DeadlineExceeded)
			if f.Finished() {
				t.Errorf("%v", f.State())
			}
		}},
		{"cancelAndWait of several: all are asked first, none fails", func(t *testing.T, ctx context.Context) {
			start := core.DispatcherOf(ctx).Now()
			clean := func(ctx context.Context) error {
				err := forever(ctx)
				_ = core.Sleep(core.Shield(ctx), time.Minute)
				return err
			}
			tasks := []*core.Task{core.Start(ctx, clean), core.Start(ctx, clean), core.Start(ctx, func(context.Context) error { return errBoom })}
			for _, task := range tasks {
				task.Cancel()
			}
			wantErr(t, "AllFinished", core.AllFinished(ctx, tasks...), nil)
			if took := core.DispatcherOf(ctx).Now().Sub(start); took != time.Minute {
				t.Errorf("their clean-up took %v", took)
			}
			equal(t, []core.State{tasks[0].State(), tasks[1].State(), tasks[2].State()}, core.StateCanceled, core.StateCanceled, core.StateFailed)
		}},
		{"cancelSoon: a callback when the cancel has been taken", func(t *testing.T, ctx context.Context) {
			var tr trace
			task := core.Start(ctx, func(ctx context.Context) error {
				defer tr.add("cleaned up")
				return forever(ctx)
			})
			task.AddCallback(core.DispatcherOf(ctx), func(*core.Task) { tr.add("told") })
			task.Cancel()
			tr.want(t, "")
			nextTurn(ctx)
			nextTurn(ctx)
			tr.want(t, "cleaned up told")
		}},
		{"noCancel of a future: the caller hears of the cancel in the next wait", func(t *testing.T, ctx context.Context) {
			f := core.NewFuture[int]()
			task := core.Start(ctx, func(ctx context.Context) error {
				v, err := f.Await(core.Shield(ctx))
				equal(t, []any{v, err}, 1, nil)
				return core.Yield(ctx)
			})
			task.Cancel()
			f.Complete(1)
			wantErr(t, "Join", core.Join(ctx, task), nil)
			canceledBy(t, "the task", task, context.Canceled)
		}},
	}.run(t)
}
