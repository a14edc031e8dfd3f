package queue_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/proptest"
	"github.com/seed-1e54c410/turnstile/queue"
)

// Producers and consumers under drawn schedules and cancels: nobody waits who need not, every item that
// was put is got or left, once, and Join ends when all is done.
func TestSchedules(t *testing.T) {
	for name, mk := range map[string]func(size int) both{
		"fifo":     func(size int) both { return queue.New[int](size) },
		"priority": func(size int) both { return queue.NewPriority(size, cmp.Compare[int]) },
	} {
		t.Run(name, func(t *testing.T) {
			check.Cases(t, 20_000)
			proptest.Check(t, func(p *proptest.P) { schedules(p, mk(p.IntRange(0, 2, "size"))) }, proptest.Cancels(3))
		})
	}
}

func schedules(p *proptest.P, q both) {
	put, got := map[int]bool{}, map[int]bool{}
	next, left := 0, 0
	puts := func(n int) []int {
		var out []int
		for range n {
			next++
			out = append(out, next)
		}
		return out
	}
	was := func(items []int) {
		for _, v := range items {
			put[v] = true
		}
	}
	gets := func(items ...int) {
		for _, v := range items {
			if got[v] {
				p.Fatalf("%d was got twice", v)
			}
			got[v] = true
			q.TaskDone()
		}
	}
	ops := map[string]func(ctx context.Context) error{
		"put": func(ctx context.Context) error {
			items := puts(1)
			err := q.Put(ctx, items[0])
			if err == nil {
				was(items)
			}
			return err
		},
		"batch": func(ctx context.Context) error {
			items := puts(3)
			n, err := q.PutBatch(ctx, items)
			was(items[:n])
			return err
		},
		"slot": func(ctx context.Context) error {
			slot, err := q.Reserve(ctx)
			if err != nil {
				return err
			}
			defer slot.Release()
			if err := core.Yield(ctx); err != nil {
				return err
			}
			items := puts(1)
			was(items)
			return slot.Put(items[0])
		},
		"get": func(ctx context.Context) error {
			v, err := q.Get(ctx)
			if err == nil {
				gets(v)
			}
			return err
		},
		"getbatch": func(ctx context.Context) error {
			out, err := q.GetBatch(ctx, 2)
			gets(out...)
			return err
		},
		"clear": func(context.Context) error {
			for _, v := range q.Clear() {
				got[v] = true
			}
			return nil
		},
	}
	puttings := rapid.SliceOfN(rapid.SampledFrom([]string{"put", "batch", "slot", "clear"}), 1, 3)
	gettings := rapid.SliceOfN(rapid.SampledFrom([]string{"get", "getbatch"}), 1, 2)
	for i := range p.IntRange(1, 3, "producers") {
		left++
		script := puttings.Draw(p.T, "puts")
		p.Go(fmt.Sprint("producer", i), func(ctx context.Context) error {
			defer func() {
				if left--; left == 0 {
					q.Shutdown()
				}
			}()
			for _, op := range script {
				if err := ops[op](ctx); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for i := range p.IntRange(1, 2, "consumers") {
		script := gettings.Draw(p.T, "gets")
		p.Go(fmt.Sprint("consumer", i), func(ctx context.Context) error {
			for n := 0; ; n++ {
				if err := ops[script[n%len(script)]](ctx); errors.Is(err, queue.ErrShutdown) {
					return nil
				} else if err != nil {
					return err
				}
			}
		})
	}
	p.Go("cleaner", func(ctx context.Context) error { // consumers may be canceled, and nobody else make room
		for {
			if s := q.Stats(); left == 0 && s.Len == 0 {
				return q.Join(core.Shield(ctx))
			} else if s.Putters > 0 || left == 0 {
				_ = ops["clear"](ctx)
			}
			_ = core.Yield(core.Shield(ctx))
		}
	})
	p.Always("nobody waits who need not", func() bool {
		s := q.Stats()
		room := q.Cap() == 0 || s.Len+s.Reserved < q.Cap()
		return (s.Getters == 0 || s.Len == 0) && (s.Putters == 0 || !room)
	})
	p.Finally("every item was got once", func() bool {
		for v := range put {
			if !got[v] {
				return false
			}
		}
		return len(got) == len(put)
	})
	p.Finally("nothing is left", func() bool { return q.Stats() == queue.Stats{} })
}
