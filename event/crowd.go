package event

import (
	"context"
	"sync"

	"github.com/seed-1e54c410/turnstile/internal/park"
)

// crowd is the goroutines that wait to be let go all at once. They share one channel, where each in a queue would
// have one of its own. Every field is guarded by the mutex of the owner.
type crowd struct {
	gate chan struct{} // nil: nobody waits; it belongs to the synctest bubble of those who do
	n    int
}

// outside returns the Done channel of ctx if the caller is one for a crowd: a goroutine whose ctx can end. One whose
// ctx cannot waits in a queue, which needs no channel for it; and so does everybody while tracking is on, which tells
// who waits.
func outside(ctx context.Context) <-chan struct{} {
	if park.Tracking() || park.Self() != nil {
		return nil
	}
	return ctx.Done()
}

// wait waits until open, or until ctx ends first. The mutex is held at the call and free at the return.
func (c *crowd) wait(ctx context.Context, done <-chan struct{}, mu *sync.Mutex) error {
	if c.gate == nil {
		c.gate = make(chan struct{})
	}
	gate := c.gate
	c.n++
	mu.Unlock()
	select {
	case <-gate:
		return nil
	case <-done:
	}
	mu.Lock()
	if c.gate != gate {
		mu.Unlock()
		return nil // it was let go first
	}
	if c.n--; c.n == 0 {
		c.gate = nil // the next one may be in another bubble
	}
	mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	return context.Canceled // a nil result would say let go
}

// open lets everybody go. The mutex is held.
func (c *crowd) open() {
	if c.gate != nil {
		close(c.gate)
		*c = crowd{}
	}
}
