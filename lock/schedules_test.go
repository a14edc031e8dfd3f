package lock_test

import (
	"context"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/lock"
	"github.com/seed-1e54c410/turnstile/proptest"
)

// Tasks that read, write and downgrade, under drawn schedules and cancels: a writer is alone, nobody
// waits who need not, and nothing is held at the end.
func TestRWSchedules(t *testing.T) {
	check.Cases(t, 20_000)
	proptest.Check(t, func(p *proptest.P) {
		var l lock.AsyncRWLock
		readers, writers := 0, 0
		hold := func(ctx context.Context, count *int) error {
			*count++
			if writers > 1 || writers == 1 && readers > 0 {
				p.Fatalf("%d readers beside %d writers", readers, writers)
			}
			err := core.Yield(ctx)
			*count--
			return err
		}
		ops := map[string]func(ctx context.Context) error{
			"read": func(ctx context.Context) error {
				return l.RDo(ctx, func(ctx context.Context) error { return hold(ctx, &readers) })
			},
			"write": func(ctx context.Context) error {
				return l.Do(ctx, func(ctx context.Context) error { return hold(ctx, &writers) })
			},
			"downgrade": func(ctx context.Context) error {
				if err := l.Acquire(ctx); err != nil {
					return err
				}
				err := hold(ctx, &writers)
				l.Downgrade()
				defer l.RRelease()
				if err != nil {
					return err
				}
				return hold(ctx, &readers)
			},
			"try": func(ctx context.Context) error {
				waiting := l.Stats().Waiting
				if !l.TryRAcquire() {
					return nil
				}
				defer l.RRelease()
				if waiting > 0 {
					p.Fatalf("TryRAcquire overtook %d", waiting)
				}
				return hold(ctx, &readers)
			},
		}
		scripts := rapid.SliceOfN(rapid.SliceOfN(rapid.SampledFrom([]string{"read", "write", "downgrade", "try"}), 1, 3), 3, 5)
		for i, script := range scripts.Draw(p.T, "tasks") {
			p.Go(fmt.Sprint("t", i), func(ctx context.Context) error {
				for _, op := range script {
					if err := ops[op](ctx); err != nil {
						return err
					}
				}
				return nil
			})
		}
		p.Always("nobody waits who need not", func() bool {
			s := l.Stats()
			return s.Waiting == 0 || s.Writing || s.Readers > 0 && s.WaitingWriters > 0
		})
		p.Finally("it is free", func() bool { return l.Stats() == lock.RWStats{} && l.TryAcquire() })
	}, proptest.Cancels(3))
}
