package core_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
)

// The stages of a turn, as package dispatch numbers them, with tasks among what runs in it.
// The descriptors of stage 4 are the business of package transport.
func TestTurnsWithTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, poll := newLoop(t)
		var tr trace
		ctx := core.On(t.Context(), d)
		turn := func(want string) {
			t.Helper()
			poll()
			tr.want(t, want)
		}
		post := func(name string) { d.CallSoon(func() { tr.add("%s", name) }) }
		f := core.NewFuture[int]()
		sleeper := func(name string, d time.Duration) *core.Task {
			return core.Start(ctx, func(ctx context.Context) error {
				err := core.Sleep(ctx, d)
				tr.add("%s", name)
				return err
			})
		}

		// 1: posts, starts of tasks and wakes, in the order in which they came.
		post("post1")
		core.Start(ctx, func(ctx context.Context) error {
			tr.add("task1")
			_, err := f.Await(ctx)
			tr.add("awaited")
			return err
		})
		post("post2")
		core.Start(ctx, func(ctx context.Context) error { tr.add("task2"); return nil })
		turn("post1 task1 post2 task2")
		post("post3")
		f.Complete(1) // wakes task1
		post("post4")
		turn("post3 awaited post4")

		// 2: timers and the alarms of tasks, by deadline and then by order of arming, behind
		// what was posted.
		sleeper("sleep2", 2)
		d.AfterFunc(2, func() { tr.add("timer2") })
		d.CallSoon(func() { sleeper("sleep2too", 2); sleeper("sleep1", 1) })
		turn("")
		time.Sleep(2 * time.Nanosecond)
		post("post5")
		// The first AfterFunc was armed before the first sleeper began.
		turn("post5 sleep1 timer2 sleep2 sleep2too")

		// 5: what comes while the loop sleeps joins the same turn.
		g := core.NewFuture[int]()
		core.Start(ctx, func(ctx context.Context) error { _, err := g.Await(ctx); tr.add("woken"); return err })
		turn("")
		time.AfterFunc(time.Second, func() { g.Complete(1); post("post6") })
		if n, err := d.Poll(time.Minute); n == 0 || err != nil {
			t.Errorf("Poll() = %d, %v", n, err)
		}
		if len(tr.list) == 1 { // the loop was quicker than the post behind
			poll()
		}
		tr.want(t, "woken post6")

		// 6: an idle callback only where no task is ready.
		d.CallIdle(func() { tr.add("idle") })
		core.Start(ctx, func(ctx context.Context) error {
			for range 2 {
				tr.add("busy")
				if err := core.Yield(ctx); err != nil {
					return err
				}
			}
			tr.add("ends")
			return nil
		})
		turn("busy")
		turn("busy")
		turn("ends")
		turn("idle")

		// 7: what a task adds, wakes, yields to or completes runs in the next turn.
		h := core.NewFuture[int]()
		core.Start(ctx, func(ctx context.Context) error { _, err := h.Await(ctx); tr.add("next"); return err })
		turn("")
		core.Start(ctx, func(ctx context.Context) error {
			post("posted")
			h.AddCallback(d, func(*core.Future[int]) { tr.add("callback") })
			h.Complete(1)
			sleeper("slept", 0)
			err := core.Yield(ctx)
			tr.add("yielded")
			return err
		})
		turn("")
		turn("posted next callback slept yielded")
		if _, err := d.Poll(0); err != dispatch.ErrIdle {
			t.Errorf("Poll() = %v, want ErrIdle", err)
		}
		wantErr(t, "Close", d.Close(), nil)
	})
}

// Tasks that one task or callback starts begin in that order, inside the call and deeper down
// alike; those of other goroutines in the order of their calls.
func TestStartOrder(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		var begun, resumed []int
		for i := range 200 {
			core.Start(ctx, func(ctx context.Context) error {
				begun = append(begun, i)
				err := core.Yield(ctx)
				resumed = append(resumed, i)
				return err
			})
			if len(begun) != i+1 {
				t.Fatalf("task %d did not begin inside the call", i)
			}
		}
		wantErr(t, "Yield", core.Yield(ctx), nil)
		for _, got := range [][]int{begun, resumed} {
			for i, n := range got {
				if i != n || len(got) != 200 {
					t.Fatalf("the order is %v", got)
				}
			}
		}
	})
}
