//go:build !race

package core_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/event"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/queue"
)

// 100,000 that wait for one thing and are canceled in random order each take what each of 1000
// takes: what is counted here is memory; work that grew with their number would not end in the time that a
// test has. BenchmarkCancelWaiters tells the time.
func TestCancelOfManyWaiters(t *testing.T) {
	var f core.Future[int]
	var e event.AsyncEvent
	var q queue.AsyncQueue[int]
	for name, wait := range map[string]func(ctx context.Context) error{
		"future": func(ctx context.Context) error { _, err := f.Await(ctx); return err },
		"race":   func(ctx context.Context) error { _, err := core.Race(ctx, &f); return err },
		"event":  e.Wait,
		"queue":  func(ctx context.Context) error { _, err := q.Get(ctx); return err },
	} {
		t.Run(name, func(t *testing.T) {
			cancelAll := func(n int) (allocs float64) {
				err := core.Run(t.Context(), func(ctx context.Context) error {
					var before, after runtime.MemStats
					tasks := make([]*core.Task, n)
					runtime.ReadMemStats(&before)
					for i := range tasks {
						tasks[i] = core.Start(ctx, wait)
					}
					for _, i := range rand.Perm(n) {
						if !tasks[i].Cancel() {
							t.Fatal("it cannot be canceled")
						}
					}
					if err := core.AllFinished(ctx, tasks...); err != nil {
						return err
					}
					runtime.ReadMemStats(&after)
					for _, task := range tasks {
						if !task.Canceled() {
							t.Fatalf("State() = %v", task.State())
						}
					}
					allocs = float64(after.Mallocs-before.Mallocs) / float64(n)
					return nil
				})
				wantErr(t, "Run", err, nil)
				return allocs
			}
			few, many := cancelAll(1000), cancelAll(check.Times(20_000, 100_000))
			t.Logf("%.1f allocations for each of 1000, %.1f of many", few, many)
			if many > 1.5*few {
				t.Errorf("%.1f allocations for each of 1000, %.1f of many", few, many)
			}
		})
	}
	if n := core.Waiters(&f) + core.Watchers(&f); n != 0 {
		t.Errorf("%d are left at the future", n)
	}
}
