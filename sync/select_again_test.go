package xsync_test

import (
	"context"
	"sync"
	"testing"

	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// crumbs is what may be taken in parts.
type crumbs struct {
	mu     sync.Mutex
	n      int
	served int
	queue  xsync.WaitQueue[int]
}

func (c *crumbs) take(n *int) (bool, error) {
	got := min(*n, c.n)
	c.n -= got
	*n -= got
	c.served += got
	return *n == 0, nil
}

func (c *crumbs) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n += n
	c.queue.Settle(c.take)
}

// ate asserts what was served since the last time.
func (c *crumbs) ate(t *testing.T, n int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.served != n {
		t.Errorf("%d were served, want %d", c.served, n)
	}
	c.served = 0
}

// A Case that was served in part, at the first look or later, wants all of it in the next Select, however the
// one before has ended. What that was served stays taken.
func TestSelectAgainServedInPart(t *testing.T) {
	both(t, func(t *testing.T, start func(context.Context, ...xsync.Case) <-chan selected) {
		var c crumbs
		var other permits
		left := -1
		all := c.queue.Case(&c.mu, 10, c.take, func(v int, _ error) { left = v })

		c.add(4)
		out := start(t.Context(), all)
		c.add(5)
		waiting(t, out)
		c.add(1)
		got(t, out, 0, nil) // it won
		c.ate(t, 10)
		want(t, left, 0)

		c.add(6)
		ctx, cancel := context.WithCancel(t.Context())
		out = start(ctx, all)
		c.add(1)
		waiting(t, out)
		cancel()
		got(t, out, -1, context.Canceled) // it left
		c.ate(t, 7)

		c.add(3)
		other.n = 1
		got(t, start(t.Context(), all, other.one()), 1, nil) // it did not even wait
		c.ate(t, 3)

		c.add(2)
		out = start(t.Context(), all, other.one())
		c.add(7)
		other.add(1)
		got(t, out, 1, nil) // it lost
		c.ate(t, 9)

		out = start(t.Context(), all)
		c.add(9)
		waiting(t, out)
		c.add(2)
		got(t, out, 0, nil)
		c.ate(t, 10)
		c.add(9)
		got(t, start(t.Context(), all), 0, nil) // at the first look
		c.ate(t, 10)
	})
}
