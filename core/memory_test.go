//go:build !race

package core_test

import (
	"context"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
)

// The race detector keeps memory of its own, so these tests are not for it.

// inUse returns the bytes of heap and stacks that are in use.
func inUse() int64 {
	runtime.GC()
	runtime.GC() // what the first one finalized
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// each reports the bytes that one of n things takes, which make has made and then released.
func each(t *testing.T, what string, n, limit int, makeAll func() (all any, release func())) {
	t.Helper()
	before := inUse()
	all, release := makeAll()
	bytes := float64(inUse()-before) / float64(n)
	runtime.KeepAlive(all)
	release()
	t.Logf("%d %s: %.0f bytes each", n, what, bytes)
	if bytes > float64(limit) {
		t.Errorf("%s: %.0f bytes each, want at most %d", what, bytes, limit)
	}
}

func TestPendingFutureMemory(t *testing.T) {
	const limit = 160
	if size := unsafe.Sizeof(core.Future[int]{}); size > limit {
		t.Errorf("a Future[int] has %d bytes, want at most %d", size, limit)
	}
	n := check.Mass(check.Times(100_000, 1_000_000))
	each(t, "pending futures", n, limit, func() (any, func()) {
		all := make([]*core.Future[int], n)
		for i := range all {
			all[i] = core.NewFuture[int]()
		}
		return all, func() {}
	})
}

// A task takes 1.3 KB of heap for itself, its future, its coroutine and what the runtime needs for
// that, and a stack: firstStack if what it calls fits into that, twice as much if not, and from the
// start what the runtime has found others to need on average. On amd64 the waits of this package leave
// it at the smallest one, which is what the limit is for; where pointers pass through the stack otherwise they
// may not.
func TestPendingTaskMemory(t *testing.T) {
	for _, c := range []struct {
		name string
		n    int
		wait func(ctx context.Context) error
	}{
		{"tasks asleep", check.Mass(100_000), func(ctx context.Context) error { return core.Sleep(ctx, time.Hour) }},
		{"tasks awaiting a future of each", check.Mass(check.Times(100_000, 1_000_000)), forever},
	} {
		limit := 1500 + max(firstStack, 4<<10)
		if runtime.GOARCH == "amd64" {
			limit = 1450 + firstStack
		}
		err := core.Run(t.Context(), func(ctx context.Context) error {
			each(t, c.name, c.n, limit, func() (any, func()) {
				all := make([]*core.Task, c.n)
				for i := range all {
					all[i] = core.Start(ctx, c.wait)
				}
				return all, func() {}
			})
			return nil
		})
		wantErr(t, "Run", err, nil)
	}
}

// A million awaits of finished futures take no stack, and no memory.
func TestAwaitsDoNotGrowTheStack(t *testing.T) {
	err := core.Run(t.Context(), func(ctx context.Context) error {
		n := check.Mass(1_000_000)
		done := core.Completed(1)
		before := inUse()
		for range n {
			if _, err := done.Await(ctx); err != nil {
				return err
			}
			if err := core.Start(ctx, func(context.Context) error { return nil }).Wait(ctx); err != nil {
				return err
			}
		}
		if grown := inUse() - before; grown > 64<<10 {
			t.Errorf("%d bytes after %d awaits", grown, n)
		}
		return nil
	})
	wantErr(t, "Run", err, nil)
}

// In a chain in which each awaits the next one, each takes what any other task takes: a stack of its
// own, and nothing of those before it.
func TestChainOfAwaitsMemory(t *testing.T) {
	n := check.Times(20_000, 100_000)
	err := core.Run(t.Context(), func(ctx context.Context) error {
		bottom := core.NewFuture[int]()
		reached := core.NewFuture[int]()
		var down func(depth int) func(ctx context.Context) (int, error)
		down = func(depth int) func(ctx context.Context) (int, error) {
			return func(ctx context.Context) (int, error) {
				if depth == 0 {
					reached.Complete(1)
					return bottom.Await(ctx)
				}
				v, err := core.Async(ctx, down(depth-1)).Await(ctx)
				return v + 1, err
			}
		}
		var top *core.Future[int]
		each(t, "tasks in a chain", n, 1500+max(firstStack, 4<<10), func() (any, func()) {
			top = core.Async(ctx, down(n))
			_, _ = reached.Await(ctx)
			return top, func() { bottom.Complete(0) }
		})
		if v, err := top.Await(ctx); v != n || err != nil {
			t.Errorf("%d, %v", v, err)
		}
		return nil
	})
	wantErr(t, "Run", err, nil)
}

// A task that awaits a future has the place to wait in from its coroutine.
func TestAwaitAllocatesNothing(t *testing.T) {
	if runtime.GOOS == "js" {
		t.Skip("the loop gives its processor away now and then, which allocates there")
	}
	err := core.Run(t.Context(), func(ctx context.Context) error {
		const n = 10_000
		fs := make([]*core.Future[int], n)
		for i := range fs {
			fs[i] = core.NewFuture[int]()
		}
		core.Start(ctx, func(ctx context.Context) error {
			for _, f := range fs {
				f.Complete(1)
				if err := core.Yield(ctx); err != nil {
					return err
				}
			}
			return nil
		})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for _, f := range fs[1:] {
			if _, err := f.Await(ctx); err != nil {
				return err
			}
		}
		runtime.ReadMemStats(&after)
		if allocs := after.Mallocs - before.Mallocs; allocs > n/10 {
			t.Errorf("%d allocations in %d awaits", allocs, n)
		}
		return nil
	})
	wantErr(t, "Run", err, nil)
}
