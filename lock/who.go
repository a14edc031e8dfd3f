package lock

import (
	"github.com/seed-1e54c410/turnstile/internal/park"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// who tells who waits in the queue of a lock, and who holds it. The mutex of the lock is held.
func who[V any](queue *xsync.WaitQueue[V], holders *park.Holders) *xsync.Who {
	w := queue.Who()
	if w == nil {
		return nil
	}
	for _, c := range holders.All() {
		w.Holders = append(w.Holders, xsync.Caller(c))
	}
	return w
}
