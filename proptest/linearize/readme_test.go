package linearize_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/proptest"
	"github.com/seed-1e54c410/turnstile/proptest/linearize"
	"github.com/seed-1e54c410/turnstile/queue"
)

// fifo is a queue as everybody understands it: a slice.
var fifo = linearize.Model[[]int]{
	Step: func(items []int, op proptest.Operation) ([]int, bool) {
		if op.Name == "Put" {
			if !op.Pending && op.Results[0] != nil {
				return items, true // it has failed, so it has put nothing
			}
			return append(items[:len(items):len(items)], op.Args[0].(int)), true
		}
		if !op.Pending && op.Results[1] != nil {
			return items, true
		}
		if len(items) == 0 {
			return items, false // nothing to get
		}
		return items[1:], op.Pending || op.Results[0] == items[0]
	},
}

func TestFIFO(t *testing.T) {
	linearize.Check(t, fifo, func(p *proptest.P) {
		q := queue.New[int](p.IntRange(1, 2, "size")) // or a type of your own
		n := p.IntRange(1, 3, "items")
		for i := range 2 {
			p.Go(fmt.Sprint("putter", i), func(ctx context.Context) error {
				for k := range n {
					done := p.Op(ctx, "Put", 10*i+k)
					err := q.Put(ctx, 10*i+k)
					done(err)
					if err != nil {
						return err
					}
				}
				return nil
			})
			p.Go(fmt.Sprint("getter", i), func(ctx context.Context) error {
				for range n {
					done := p.Op(ctx, "Get")
					v, err := q.Get(ctx)
					done(v, err)
					if err != nil {
						return err
					}
					if err := core.Yield(ctx); err != nil {
						return err
					}
				}
				return nil
			})
		}
	})
}
