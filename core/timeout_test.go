package core_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

func TestWithTimeout(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		d := core.DispatcherOf(ctx)
		before := d.Pending()
		start := d.Now()
		short, cancel := core.WithTimeout(ctx, time.Minute)
		if at, ok := short.Deadline(); !ok || at.Sub(start) != time.Minute {
			t.Errorf("Deadline() = %v, %t", at, ok)
		}
		if core.DispatcherOf(short) != d || d.Pending() != before+1 {
			t.Errorf("%d pending", d.Pending()-before)
		}
		wantErr(t, "Sleep", core.Sleep(short, time.Minute-1), nil)
		wantErr(t, "Sleep", core.Sleep(short, time.Hour), context.DeadlineExceeded)
		if took := d.Now().Sub(start); took != time.Minute {
			t.Errorf("it took %v", took)
		}
		wantErr(t, "Err", short.Err(), context.DeadlineExceeded)
		wantErr(t, "Cause", context.Cause(short), context.DeadlineExceeded)
		<-short.Done()
		for range 3 {
			cancel()
		}
		wantErr(t, "Err", short.Err(), context.DeadlineExceeded)
		if n := d.Pending(); n != before {
			t.Errorf("%d are still pending", n-before)
		}

		// Canceled before its time.
		long, cancel := core.WithTimeout(ctx, time.Hour)
		for range 3 {
			cancel()
		}
		wantErr(t, "Err", long.Err(), context.Canceled)
		wantErr(t, "Cause", context.Cause(long), context.Canceled)
		if n := d.Pending(); n != before {
			t.Errorf("%d are still pending", n-before)
		}
		// Of no time at all.
		for _, timeout := range []time.Duration{0, -1} {
			over, cancel := core.WithTimeout(ctx, timeout)
			wantErr(t, "Err", over.Err(), context.DeadlineExceeded)
			cancel()
		}
		// Of more time than there is.
		endless, cancel := core.WithTimeout(ctx, 1<<63-1)
		wantErr(t, "Sleep", core.Sleep(endless, 1000*time.Hour), nil)
		cancel()
		wantErr(t, "the ctx above", ctx.Err(), nil)
		if n := core.Children(ctx); n != 0 {
			t.Errorf("%d children are left", n)
		}
	})
}

func TestWithTimeoutNested(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		d := core.DispatcherOf(ctx)
		start := d.Now()
		deadline := func(ctx context.Context) time.Duration {
			at, ok := ctx.Deadline()
			if !ok {
				return 0
			}
			return at.Sub(start)
		}
		outer, cancelOuter := core.WithTimeout(ctx, time.Minute)
		later, cancelLater := core.WithTimeout(outer, time.Hour)
		sooner, cancelSooner := core.WithTimeout(outer, time.Second)
		std, cancelStd := context.WithTimeout(sooner, time.Hour)
		task := core.Start(later, func(ctx context.Context) error {
			if d := deadline(ctx); d != time.Minute {
				t.Errorf("the task has %v", d)
			}
			return forever(ctx)
		})
		equal(t, []time.Duration{deadline(ctx), deadline(outer), deadline(later), deadline(sooner), deadline(std)},
			0, time.Minute, time.Minute, time.Second, time.Second)
		wantErr(t, "sooner", forever(sooner), context.DeadlineExceeded)
		wantErr(t, "outer", outer.Err(), nil)
		<-std.Done()
		wantErr(t, "std", std.Err(), context.DeadlineExceeded)
		wantErr(t, "later", forever(later), context.DeadlineExceeded)
		wantErr(t, "outer", outer.Err(), context.DeadlineExceeded)
		if took := d.Now().Sub(start); took != time.Minute {
			t.Errorf("it took %v", took)
		}
		wantErr(t, "task", task.Wait(ctx), context.DeadlineExceeded)
		// In any order.
		for _, cancel := range []func(){cancelOuter, cancelStd, cancelLater, cancelSooner, cancelOuter} {
			cancel()
		}
		if n := core.Children(ctx); n != 0 {
			t.Errorf("%d children are left", n)
		}
	})
}

// Canceling the outer one cancels the inner one; what was below the inner one
// when that was canceled stays canceled.
func TestWithCancel(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		outer, cancelOuter := core.WithCancel(ctx)
		inner, cancelInner := core.WithCancel(outer)
		other, cancelOther := core.WithCancel(outer)
		task := core.Start(inner, forever)
		cancelInner()
		cancelInner()
		wantErr(t, "inner", inner.Err(), context.Canceled)
		wantErr(t, "outer", outer.Err(), nil)
		wantErr(t, "other", other.Err(), nil)
		wantErr(t, "CancelAndWait", task.CancelAndWait(ctx), nil)
		cancelOuter()
		wantErr(t, "other", other.Err(), context.Canceled)
		cancelOther()
		if n := core.Children(ctx); n != 0 {
			t.Errorf("%d children are left", n)
		}
	})
	// Outside of any dispatcher they are those of package context.
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := core.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		ctx, cancelInner := core.WithCancel(ctx)
		defer cancelInner()
		wantErr(t, "Sleep", core.Sleep(ctx, time.Minute), nil)
		wantErr(t, "Sleep", core.Sleep(ctx, time.Hour), context.DeadlineExceeded)
		wantErr(t, "Sleep", core.Sleep(ctx, 0), context.DeadlineExceeded)
		wantErr(t, "Yield", core.Yield(ctx), context.DeadlineExceeded)
		wantErr(t, "Yield", core.Yield(t.Context()), nil)
	})
}

// A ctx with a timeout ends with its dispatcher, after which its time would never be over.
func TestWithTimeoutOutlivesDispatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := func(what string, ctx context.Context) {
			wantErr(t, what+": Err", ctx.Err(), context.Canceled)
			wantErr(t, what+": Cause", context.Cause(ctx), dispatch.ErrClosed)
			select {
			case <-ctx.Done():
			default:
				t.Errorf("%s: Done is open", what)
			}
		}
		var below, detached, shield, on context.Context
		waits := make(chan error, 1)
		wantErr(t, "Run", core.Run(context.Background(), func(ctx context.Context) error {
			d := core.DispatcherOf(ctx)
			shield, on = core.Shield(ctx), core.On(context.Background(), d)
			below, _ = core.WithTimeout(ctx, time.Hour)
			detached, _ = core.WithTimeout(core.Detach(ctx), time.Hour)
			elsewhere, cancel := core.WithTimeout(on, time.Hour)
			go func() {
				defer cancel()
				waits <- forever(elsewhere)
			}()
			return nil
		}), nil)
		ended("below main", below)
		ended("detached", detached)
		synctest.Wait()
		select {
		case err := <-waits:
			wantErr(t, "a goroutine's wait", err, context.Canceled)
		default:
			t.Error("the wait of a goroutine goes on")
		}
		// Made when all is over.
		for what, base := range map[string]context.Context{"shield": shield, "On": on} {
			ctx, cancel := core.WithTimeout(base, time.Hour)
			ended(what, ctx)
			cancel()
			cancel()
			ended(what, ctx)
		}
	})
}

// A timeout on another dispatcher than the caller's is one of that dispatcher's clock.
func TestWithTimeoutOn(t *testing.T) {
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		t.Fatal(err)
	}
	now := int64(5)
	seam.Of(d).Simulate(&seam.Sim{Now: func() int64 { return now }})
	ctx, cancel := core.WithTimeout(core.On(context.Background(), d), time.Hour)
	defer cancel()
	if at, ok := ctx.Deadline(); !ok || at.Sub(d.Now()) != time.Hour {
		t.Errorf("the deadline is %v after the time of the dispatcher, %t", at.Sub(d.Now()), ok)
	}
	if n := d.Pending(); n != 1 {
		t.Errorf("%d timers are armed", n)
	}
	now += int64(time.Hour) - 1
	_, err = d.Poll(0)
	wantErr(t, "Poll", err, nil)
	wantErr(t, "Err before the time", ctx.Err(), nil)
	now++
	_, err = d.Poll(0)
	wantErr(t, "Poll", err, nil)
	wantErr(t, "Err", ctx.Err(), context.DeadlineExceeded)
	wantErr(t, "Close", d.Close(), nil)
}

func TestSleep(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		var tr trace
		d := core.DispatcherOf(ctx)
		before := d.Pending()
		start := d.Now()
		var tasks []*core.Task
		for i, s := range []time.Duration{3, 1, 2, 1} {
			tasks = append(tasks, core.Start(ctx, func(ctx context.Context) error {
				err := core.Sleep(ctx, s*time.Second)
				tr.add("%d@%v", i, d.Now().Sub(start))
				return err
			}))
		}
		for _, task := range tasks {
			wantErr(t, "Wait", task.Wait(ctx), nil)
		}
		tr.want(t, "1@1s 3@1s 2@2s 0@3s")

		core.Start(ctx, func(ctx context.Context) error { tr.add("a"); err := core.Yield(ctx); tr.add("b"); return err })
		wantErr(t, "Sleep", core.Sleep(ctx, 0), nil)
		wantErr(t, "Sleep", core.Sleep(ctx, -1), nil)
		tr.want(t, "a b")

		over, cancel := core.WithCancel(ctx)
		cancel()
		wantErr(t, "Sleep", core.Sleep(over, time.Hour), context.Canceled)
		task := core.Start(ctx, func(ctx context.Context) error { return core.Sleep(ctx, 1<<63-1) })
		wantErr(t, "Sleep", core.Sleep(ctx, time.Second), nil)
		wantErr(t, "CancelAndWait", task.CancelAndWait(ctx), nil)
		if took, n := d.Now().Sub(start), d.Pending(); took != 4*time.Second || n != before {
			t.Errorf("it took %v, %d are pending", took, n-before)
		}
	})
}

// Tasks that do nothing but yield take turns, and keep neither timers nor goroutines from
// theirs.
func TestYieldIsFair(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		const tasks, rounds = 5, 40
		var order []int
		var all []*core.Task
		for i := range tasks {
			all = append(all, core.Start(ctx, func(ctx context.Context) error {
				for range rounds {
					order = append(order, i)
					if err := core.Yield(ctx); err != nil {
						return err
					}
				}
				return nil
			}))
		}
		for _, task := range all {
			wantErr(t, "Wait", task.Wait(ctx), nil)
		}
		for i, got := range order {
			if got != i%tasks {
				t.Fatalf("turn %d was that of %d", i, got)
			}
		}
		canceled := core.Start(ctx, func(ctx context.Context) error {
			for core.Yield(ctx) == nil {
			}
			return ctx.Err()
		})
		go canceled.Cancel()
		wantErr(t, "while another yields for ever", func() error { _ = canceled.Wait(ctx); return nil }(), nil)
		if !canceled.Finished() {
			t.Error("it still runs")
		}
	})
}

func TestNoAllocations(t *testing.T) {
	if runtime.GOOS == "js" {
		t.Skip("the loop gives its processor away now and then, which allocates there")
	}
	err := core.Run(t.Context(), func(ctx context.Context) error {
		done := core.Completed(1)
		for name, fn := range map[string]func(){
			"Yield": func() { _ = core.Yield(ctx) },
			"Await": func() { _, _ = done.Await(ctx) },
			"Sleep": func() { _ = core.Sleep(ctx, 1) },
			"Err":   func() { _ = ctx.Err() },
		} {
			if n := testing.AllocsPerRun(100, fn); n != 0 {
				t.Errorf("%s: %v allocations", name, n)
			}
		}
		return nil
	})
	wantErr(t, "Run", err, nil)
}
