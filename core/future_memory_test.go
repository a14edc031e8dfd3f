//go:build !race

package core_test

import (
	"context"
	"runtime"
	"sync"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
)

// A finished future keeps nothing for those that have awaited it.
func TestFinishedFutureMemory(t *testing.T) {
	const n, waiters = 4000, 32
	each(t, "finished futures", n, 500, func() (any, func()) {
		all := make([]*core.Future[int], n)
		for i := range all {
			f := core.NewFuture[int]()
			all[i] = f
			var wg sync.WaitGroup
			for range waiters {
				wg.Go(func() { _, _ = f.Await(context.Background()) })
			}
			for core.Waiters(f) < waiters {
				runtime.Gosched()
			}
			f.Complete(1)
			wg.Wait()
		}
		return all, func() {}
	})
}
