package core_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
)

// These tests say, row by row, what becomes of what futures and async procs do in Nim's
// asyncdispatch and in chronos. Where those have a bug, it is the right thing that is tested.

type rows []struct {
	name string
	test func(t *testing.T, ctx context.Context)
}

func (rs rows) run(t *testing.T) {
	for _, r := range rs {
		t.Run(r.name, func(t *testing.T) { run(t, r.test) })
	}
}

// nextTurn lets what is posted run.
func nextTurn(ctx context.Context) { _ = core.Yield(ctx) }

func TestAsyncdispatchFutures(t *testing.T) {
	rows{
		{"newFuture", func(t *testing.T, ctx context.Context) {
			if f := core.NewFuture[int](); f.Finished() || f.Failed() || f.Canceled() {
				t.Error("a new future is not pending")
			}
		}},
		{"second completion: in release builds unchecked there", func(t *testing.T, ctx context.Context) {
			f := core.NewFuture[int]()
			f.Complete(1)
			if panics(func() { f.Complete(2) }) == nil || panics(func() { f.Fail(errBoom) }) == nil {
				t.Error("no panic")
			}
			if v, err := f.Read(); v != 1 || err != nil {
				t.Errorf("%d, %v: the second completion has changed it", v, err)
			}
		}},
		{"read of a pending one: an error, of a failed one: its own, not longer at each read", func(t *testing.T, ctx context.Context) {
			_, err := core.NewFuture[int]().Read()
			wantErr(t, "Read", err, core.ErrPending)
			f := core.Failed[int](errBoom)
			for range 3 {
				_, err := f.Read()
				wantErr(t, "Read", err, errBoom)
			}
		}},
		{"readError of one that has not failed: nil", func(t *testing.T, ctx context.Context) {
			wantErr(t, "Err", core.Completed(1).Err(), nil)
			wantErr(t, "Err", core.NewFuture[int]().Err(), nil)
		}},
		{"addCallback: in order, never inline", func(t *testing.T, ctx context.Context) {
			var tr trace
			f := core.NewFuture[int]()
			for i := range 3 {
				f.AddCallback(core.DispatcherOf(ctx), func(*core.Future[int]) { tr.add("%d", i) })
			}
			f.Complete(1)
			tr.want(t, "")
			nextTurn(ctx)
			tr.want(t, "0 1 2")
		}},
		{"callback= of combinators: nobody is detached", func(t *testing.T, ctx context.Context) {
			var tr trace
			f := core.NewFuture[int]()
			f.AddCallback(core.DispatcherOf(ctx), func(*core.Future[int]) { tr.add("callback") })
			core.Start(ctx, func(ctx context.Context) error { _, err := f.Await(ctx); tr.add("await"); return err })
			core.Start(ctx, func(ctx context.Context) error { _, err := core.All(ctx, f); tr.add("all"); return err })
			core.Start(ctx, func(ctx context.Context) error { _, err := core.Race(ctx, f); tr.add("race"); return err })
			core.Check(f)
			f.Complete(1)
			nextTurn(ctx)
			nextTurn(ctx)
			if got := strings.Join(tr.list, " "); !strings.HasPrefix(got, "await callback") || len(tr.list) != 4 {
				t.Errorf("it happened %q", got)
			}
		}},
		{"removal of one callback: stop takes out one's own only", func(t *testing.T, ctx context.Context) {
			var tr trace
			f := core.NewFuture[int]()
			d := core.DispatcherOf(ctx)
			stop := f.AddCallback(d, func(*core.Future[int]) { tr.add("mine") })
			f.AddCallback(d, func(*core.Future[int]) { tr.add("others'") })
			stop()
			f.Complete(1)
			nextTurn(ctx)
			tr.want(t, "others'")
		}},
		{"asyncCheck: a failure comes out of the loop", func(t *testing.T, ctx context.Context) {
			log.SetOutput(new(strings.Builder))
			defer log.SetOutput(os.Stderr)
			core.Check(core.Async(ctx, func(context.Context) (int, error) { return 0, errBoom }))
			nextTurn(ctx)
			if panics(func() { core.Check(nil) }) == nil {
				t.Error("Check(nil) does not panic")
			}
		}},
		{"withTimeout: the error is not swallowed, the loser is canceled, no timer stays", func(t *testing.T, ctx context.Context) {
			before := core.DispatcherOf(ctx).Pending()
			short, cancel := core.WithTimeout(ctx, time.Hour)
			_, err := failing(ctx, time.Second, errBoom).AwaitOrCancel(short)
			cancel()
			wantErr(t, "AwaitOrCancel", err, errBoom)
			short, cancel = core.WithTimeout(ctx, time.Second)
			slow := after(ctx, time.Hour, 1)
			_, err = slow.AwaitOrCancel(short)
			cancel()
			wantErr(t, "AwaitOrCancel", err, context.DeadlineExceeded)
			if n := core.DispatcherOf(ctx).Pending(); n != before || !slow.Canceled() {
				t.Errorf("%d more are pending, %v", n-before, slow.State())
			}
		}},
		{"sleepAsync: it can be canceled", func(t *testing.T, ctx context.Context) {
			before := core.DispatcherOf(ctx).Pending()
			f := core.Start(ctx, func(ctx context.Context) error { return core.Sleep(ctx, time.Hour) })
			wantErr(t, "CancelAndWait", f.CancelAndWait(ctx), nil)
			if n := core.DispatcherOf(ctx).Pending(); n != before {
				t.Errorf("%d more are pending", n-before)
			}
		}},
		{"all: in the order of the arguments, the same one twice, none at all", func(t *testing.T, ctx context.Context) {
			f := after(ctx, 2, 2)
			vs, err := core.All(ctx, f, after(ctx, 1, 1), f)
			wantErr(t, "All", err, nil)
			equal(t, vs, 2, 1, 2)
			vs, err = core.All[int](ctx)
			if len(vs) != 0 || err != nil {
				t.Errorf("%v, %v", vs, err)
			}
		}},
		{"or: the second one to finish is ignored (Nim #8982)", func(t *testing.T, ctx context.Context) {
			f, g := core.NewFuture[int](), core.NewFuture[int]()
			race := core.Async(ctx, func(ctx context.Context) (int, error) { return core.Race(ctx, f, g) })
			g.Complete(1)
			f.Fail(errBoom)
			if i, err := race.Await(ctx); i != 1 || err != nil {
				t.Errorf("%d, %v", i, err)
			}
		}},
	}.run(t)
}

func TestAsyncdispatchAwait(t *testing.T) {
	rows{
		{"async: runs to its first wait inside the call", func(t *testing.T, ctx context.Context) {
			var tr trace
			core.Start(ctx, func(ctx context.Context) error { tr.add("a"); err := core.Yield(ctx); tr.add("b"); return err })
			tr.want(t, "a")
			nextTurn(ctx)
			tr.want(t, "b")
		}},
		{"await of a finished one: no turn, no stack (Nim #6100)", func(t *testing.T, ctx context.Context) {
			var tr trace
			if err := core.DispatcherOf(ctx).Post(func() { tr.add("turn") }); err != nil {
				t.Fatal(err)
			}
			f := core.Completed(1)
			for range 1000 {
				if _, err := f.Await(ctx); err != nil {
					t.Fatal(err)
				}
			}
			tr.want(t, "")
		}},
		{"await of nil: a panic that says so", func(t *testing.T, ctx context.Context) {
			var f *core.Future[int]
			var task *core.Task
			for text, fn := range map[string]func(){
				"core: Await of a nil future":         func() { _, _ = f.Await(ctx) },
				"core: AwaitOrCancel of a nil future": func() { _, _ = f.AwaitOrCancel(ctx) },
				"core: Wait for a nil task":           func() { _ = task.Wait(ctx) },
				"core: WaitOrCancel for a nil task":   func() { _ = task.WaitOrCancel(ctx) },
			} {
				if p := panics(fn); p != text {
					t.Errorf("panic %v, want %s", p, text)
				}
			}
		}},
		{"yield and failed: wait without the error", func(t *testing.T, ctx context.Context) {
			f := failing(ctx, time.Second, errBoom)
			wantErr(t, "CancelAndWait", core.Start(ctx, func(ctx context.Context) error {
				_, err := core.Race(ctx, f)
				return err
			}).Wait(ctx), nil)
			if !f.Failed() {
				t.Errorf("%v", f.State())
			}
		}},
		{"finally with await: runs to its end, also on return (Nim #22210)", func(t *testing.T, ctx context.Context) {
			var tr trace
			f := core.Async(ctx, func(ctx context.Context) (v int, err error) {
				defer func() {
					tr.add("%v", core.Sleep(core.Shield(ctx), time.Second))
					v++
				}()
				return 1, core.Sleep(ctx, time.Second)
			})
			if v, err := f.Await(ctx); v != 2 || err != nil {
				t.Errorf("%d, %v", v, err)
			}
			tr.want(t, "<nil>")
		}},
		{"except with await", func(t *testing.T, ctx context.Context) {
			v, err := core.Async(ctx, func(ctx context.Context) (int, error) {
				if _, err := failing(ctx, 1, errBoom).Await(ctx); err != nil {
					return 7, core.Sleep(ctx, 1)
				}
				return 0, nil
			}).Await(ctx)
			if v != 7 || err != nil {
				t.Errorf("%d, %v", v, err)
			}
		}},
		{"multisync: one function for tasks and goroutines", func(t *testing.T, ctx context.Context) {
			fn := func(ctx context.Context) (int, error) { return 3, core.Sleep(ctx, time.Second) }
			inTask, err := fn(ctx)
			onGoroutine, err2 := core.Blocking(ctx, func(context.Context) (int, error) { return fn(context.Background()) })
			if inTask != onGoroutine || err != nil || err2 != nil {
				t.Errorf("%d, %d, %v, %v", inTask, onGoroutine, err, err2)
			}
		}},
	}.run(t)
}

func TestChronosFutures(t *testing.T) {
	rows{
		{"complete and fail of a canceled one: nothing happens", func(t *testing.T, ctx context.Context) {
			f := core.NewFuture[int]()
			f.Cancel()
			f.Complete(1)
			f.Fail(errBoom)
			if !f.Canceled() {
				t.Errorf("%v", f.State())
			}
		}},
		{"complete of a completed one: both places are named", func(t *testing.T, ctx context.Context) {
			core.Track(true)
			defer core.Track(false)
			f := core.NewFuture[int]()
			f.Complete(1)
			text := fmt.Sprint(panics(func() { f.Fail(errBoom) }))
			first, second, ok := strings.Cut(text, "; it was finished at ")
			for _, place := range []string{first, second} {
				if !ok || !strings.Contains(place, "seeds_future_test.go:") || !strings.Contains(place, "TestChronosFutures") {
					t.Errorf("panic %q", text)
				}
			}
		}},
		{"cancelAndSchedule: canceled, of a finished one nothing", func(t *testing.T, ctx context.Context) {
			f := core.NewFuture[int]()
			if !f.Cancel() || !f.Canceled() || f.Cancel() || !errors.Is(f.Err(), context.Canceled) {
				t.Errorf("%v, %v", f.State(), f.Err())
			}
		}},
		{"removeCallback: the order stays, where it is 4 2 3 there", func(t *testing.T, ctx context.Context) {
			var tr trace
			f := core.NewFuture[int]()
			add := func(i int) func() bool {
				return f.AddCallback(core.DispatcherOf(ctx), func(*core.Future[int]) { tr.add("%d", i) })
			}
			stop := add(1)
			add(2)
			add(3)
			stop()
			add(4)
			f.Complete(1)
			nextTurn(ctx)
			tr.want(t, "2 3 4")
		}},
		{"callback on a finished one: soon, not inside the call", func(t *testing.T, ctx context.Context) {
			var tr trace
			core.Completed(1).AddCallback(core.DispatcherOf(ctx), func(*core.Future[int]) { tr.add("ran") })
			tr.want(t, "")
			nextTurn(ctx)
			tr.want(t, "ran")
		}},
		{"value and error while pending: nothing unchecked", func(t *testing.T, ctx context.Context) {
			v, err := core.NewFuture[int]().Read()
			if v != 0 || err != core.ErrPending {
				t.Errorf("%d, %v", v, err)
			}
		}},
		{"defect in a task: its future does not stay pending", func(t *testing.T, ctx context.Context) {
			f := core.Start(ctx, func(context.Context) error { return []error(nil)[len(t.Name())] })
			if err := f.Wait(ctx); !f.Finished() || !strings.Contains(err.Error(), "index out of range") {
				t.Errorf("%v, %v", f.State(), err)
			}
		}},
		{"asyncSpawn: that it was canceled is no failure", func(t *testing.T, ctx context.Context) {
			d, stop := looping(t, dispatch.Config{Unhandled: func(err error) { t.Errorf("reported %v", err) }})
			canceled, cancel := core.WithCancel(core.On(context.Background(), d))
			core.Spawn(canceled, forever)
			synctest.Wait()
			cancel()
			synctest.Wait()
			go func() { wantErr(t, "Close", stop(), nil) }()
			synctest.Wait()
		}},
		{"OwnCancelSchedule: the owner decides", func(t *testing.T, ctx context.Context) {
			var f *core.Future[int]
			f = core.NewOwned[int](func(error) { f.Complete(1) })
			if !f.Cancel() || f.State() != core.StateCompleted {
				t.Errorf("%v", f.State())
			}
			ignores := core.NewOwned[int](func(error) {})
			if !ignores.Cancel() || !ignores.CancelCause(errBoom) || ignores.Finished() {
				t.Errorf("%v", ignores.State())
			}
			ignores.Complete(2)
		}},
	}.run(t)
}

func TestChronosCancellation(t *testing.T) {
	rows{
		{"direction: inner clean-up before outer (#334)", func(t *testing.T, ctx context.Context) {
			var tr trace
			var level func(names []string) func(ctx context.Context) error
			level = func(names []string) func(ctx context.Context) error {
				return func(ctx context.Context) error {
					defer tr.add("%s", names[0])
					if len(names) == 1 {
						return forever(ctx)
					}
					return level(names[1:])(ctx)
				}
			}
			task := core.Start(ctx, level([]string{"E", "D", "C", "B", "A"}))
			wantErr(t, "CancelAndWait", task.CancelAndWait(ctx), nil)
			tr.want(t, "A B C D E")
		}},
		{"finished leaf, parent not resumed: the value is not lost (#280)", func(t *testing.T, ctx context.Context) {
			leaf := core.NewFuture[string]()
			got := ""
			task := core.Start(ctx, func(ctx context.Context) (err error) {
				if got, err = leaf.Await(ctx); err != nil {
					return err
				}
				return core.Yield(ctx) // here the cancel shows
			})
			leaf.Complete("resource")
			wantErr(t, "CancelAndWait", task.CancelAndWait(ctx), nil)
			if got != "resource" || task.State() != core.StateCanceled {
				t.Errorf("%q, %v", got, task.State())
			}
		}},
		{"a swallowed cancel comes back at the next wait", func(t *testing.T, ctx context.Context) {
			n := 0
			task := core.Start(ctx, func(ctx context.Context) error {
				for range 3 {
					if forever(ctx) != nil {
						n++
					}
				}
				return nil
			})
			wantErr(t, "CancelAndWait", task.CancelAndWait(ctx), nil)
			if n != 3 || task.State() != core.StateCompleted {
				t.Errorf("%d, %v", n, task.State())
			}
		}},
		{"a task that returns another error has failed", func(t *testing.T, ctx context.Context) {
			task := core.Start(ctx, func(ctx context.Context) error { _ = forever(ctx); return errBoom })
			wantErr(t, "CancelAndWait", task.CancelAndWait(ctx), nil)
			if task.State() != core.StateFailed || task.Err() != errBoom {
				t.Errorf("%v, %v", task.State(), task.Err())
			}
		}},
		{"a cancel is an error that no other is taken for (#570)", func(t *testing.T, ctx context.Context) {
			f := core.Start(ctx, forever)
			f.Cancel()
			err := f.Wait(ctx)
			if _, ok := errors.AsType[*core.CanceledError](err); !ok || !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
			if _, ok := errors.AsType[*core.CanceledError](core.Failed[int](errBoom).Err()); ok {
				t.Error("a failure is taken for a cancel")
			}
		}},
		{"value wins in the same turn (#536)", func(t *testing.T, ctx context.Context) {
			f := core.NewFuture[int]()
			d := core.DispatcherOf(ctx)
			short, cancel := core.WithTimeout(ctx, time.Second) // its timer stands first
			defer cancel()
			d.AfterFunc(time.Second, func() { f.TryComplete(1) })
			owned := core.Async(ctx, func(ctx context.Context) (int, error) { return f.Await(core.Shield(ctx)) })
			if v, err := owned.AwaitOrCancel(short); v != 1 || err != nil {
				t.Errorf("%d, %v", v, err)
			}
		}},
		{"a timeout waits for the clean-up it has caused (#334)", func(t *testing.T, ctx context.Context) {
			cleaned := false
			f := core.Async(ctx, func(ctx context.Context) (int, error) {
				err := forever(ctx)
				_ = core.Sleep(core.Shield(ctx), time.Minute)
				cleaned = true
				return 0, err
			})
			short, cancel := core.WithTimeout(ctx, time.Second)
			defer cancel()
			_, err := f.AwaitOrCancel(short)
			wantErr(t, "AwaitOrCancel", err, context.DeadlineExceeded)
			if !cleaned {
				t.Error("it did not wait")
			}
		}},
		{"canceled by somebody else before the time is over", func(t *testing.T, ctx context.Context) {
			f := core.Async(ctx, func(ctx context.Context) (int, error) { return 0, forever(ctx) })
			core.DispatcherOf(ctx).AfterFunc(time.Second, func() { f.CancelCause(errBoom) })
			short, cancel := core.WithTimeout(ctx, time.Minute)
			defer cancel()
			_, err := f.AwaitOrCancel(short)
			if !errors.Is(err, errBoom) || short.Err() != nil {
				t.Errorf("%v", err)
			}
		}},
	}.run(t)
}
