package pool

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/proptest"
)

func TestPool(t *testing.T) {
	proptest.Check(t, func(p *proptest.P) {
		size := p.IntRange(1, 3, "size")
		pool := New(size)
		for i := range p.IntRange(2, 6, "workers") {
			n := p.IntRange(1, size, "connections")
			p.Go(fmt.Sprint("w", i), func(ctx context.Context) error {
				return work(ctx, pool, n)
			})
		}
		claim(p, pool, size)
	}, proptest.Cancels(3))
}

// work borrows n connections for a while.
func work(ctx context.Context, pool *Pool, n int) error {
	conns, err := pool.Get(ctx, n)
	if err != nil {
		return err
	}
	defer pool.Put(conns...)
	return core.Sleep(ctx, time.Millisecond)
}

// claim says what is to hold of a pool.
func claim(p *proptest.P, pool *Pool, size int) {
	p.Always("the first in line waits for more than is free", func() bool {
		return len(pool.line) == 0 || pool.line[0].n > len(pool.free)
	})
	p.Finally("all connections are back", func() bool { return len(pool.free) == size })
}

// Who gives up at the head of the line lets those go whom it has kept waiting.
func TestCanceledAtTheHead(t *testing.T) {
	proptest.Check(t, func(p *proptest.P) {
		pool := New(2)
		for i, n := range []int{1, 2, 1} {
			p.Go(fmt.Sprint("w", i), func(ctx context.Context) error { return work(ctx, pool, n) })
		}
		claim(p, pool, 2)
	}, proptest.Replay("c1@2"))
}
