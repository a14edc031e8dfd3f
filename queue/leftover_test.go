//go:build !race

package queue_test

import (
	"runtime"
	"testing"
	"weak"

	"github.com/seed-1e54c410/turnstile/queue"
)

// The race detector keeps memory of its own, so this test is not for it.

// An item that was got is not kept by the queue.
func TestItemsAreLetGo(t *testing.T) {
	type item struct{ _ [64]byte }
	fifo := queue.New[*item](0)
	ranked := queue.NewPriority(0, func(_, _ *item) int { return 0 })
	gone := func() (ws []weak.Pointer[item]) {
		for range 3 {
			a, b := new(item), new(item)
			ws = append(ws, weak.Make(a), weak.Make(b))
			_, _ = fifo.TryPut(a), ranked.TryPut(b)
		}
		for range 3 {
			_, _ = fifo.TryGet()
			_, _ = ranked.TryGet()
		}
		return ws
	}()
	runtime.GC()
	for i, w := range gone {
		if w.Value() != nil {
			t.Errorf("item %d is kept", i)
		}
	}
	runtime.KeepAlive(fifo)
	runtime.KeepAlive(ranked)
}
