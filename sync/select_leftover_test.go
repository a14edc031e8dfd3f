//go:build !race

package xsync_test

import (
	"context"
	"runtime"
	"testing"
	"weak"

	"github.com/seed-1e54c410/turnstile/core"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// The race detector keeps memory of its own, so this test is not for it.

// A Case that is kept to be used again keeps nothing of the task that has used it: neither if it has won nor if
// another one has.
func TestSelectCaseKeepsNoTask(t *testing.T) {
	type key struct{}
	type payload struct{ _ [64]byte }
	for name, winner := range map[string]int{"won": 0, "left": 1} {
		t.Run(name, func(t *testing.T) {
			var sems [2]*xsync.Semaphore
			for i := range sems {
				sems[i] = xsync.NewSemaphore(1)
				sems[i].TryAcquire()
			}
			kept := sems[0].AcquireCase()
			// A goroutine of its own, which leaves nothing on the stack of this one.
			seen := make(chan weak.Pointer[payload], 1)
			go func() {
				p := &payload{}
				ctx := context.WithValue(context.Background(), key{}, p)
				err := core.Run(ctx, func(ctx context.Context) error {
					task := core.Start(ctx, func(ctx context.Context) error {
						n, err := xsync.Select(ctx, kept, sems[1].AcquireCase())
						if n != winner {
							t.Errorf("number %d has won", n)
						}
						return err
					})
					_ = core.Yield(ctx)
					sems[winner].Release()
					return task.Wait(ctx)
				})
				if err != nil {
					t.Error(err)
				}
				seen <- weak.Make(p)
			}()
			p := <-seen
			for range 100 { // the goroutines that ran it may not have ended yet
				if runtime.GC(); p.Value() == nil {
					break
				}
				runtime.Gosched()
			}
			if p.Value() != nil {
				t.Error("the context of the task is kept")
			}
			runtime.KeepAlive(kept)
		})
	}
}
