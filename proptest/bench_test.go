package proptest_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/lock"
	"github.com/seed-1e54c410/turnstile/proptest"
)

// withT runs fn with a *testing.T, which bubbles want.
func withT(b *testing.B, fn func(t *testing.T)) {
	b.Helper()
	all := func(_, _ string) (bool, error) { return true, nil }
	if !testing.RunTests(all, []testing.InternalTest{{Name: b.Name(), F: fn}}) {
		b.Fatal("a case has failed")
	}
}

// perCase reports what one case costs, of which n were run.
func perCase(b *testing.B, n int) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/case")
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "cases/s")
	b.ReportMetric(0, "ns/op")
}

// section is a critical section with a wait inside.
func section(ctx context.Context, l *lock.AsyncLock, inside *int) error {
	if err := l.Acquire(ctx); err != nil {
		return err
	}
	defer l.Release()
	*inside++
	defer func() { *inside-- }()
	return core.Yield(ctx)
}

// BenchmarkCase is a case of three tasks that enter a critical section: as it is, with other options, and with
// goroutines in rapid.SyncTest.
func BenchmarkCase(b *testing.B) {
	for name, opts := range map[string][]proptest.Option{
		"plain":      {proptest.Cancels(2)},
		"bubble":     {proptest.Cancels(2), proptest.Bubble()},
		"goroutines": {proptest.Cancels(2), proptest.Goroutines()},
		"exhaustive": {proptest.Exhaustive(-1)},
		"pct":        {proptest.Cancels(2), proptest.PCT(3)},
	} {
		b.Run(name, func(b *testing.B) {
			n := 0
			withT(b, func(t *testing.T) {
				for b.Loop() {
					proptest.Check(t, func(p *proptest.P) {
						n++
						var l lock.AsyncLock
						inside := 0
						for i := range 3 {
							p.Go(names[i], func(ctx context.Context) error { return section(ctx, &l, &inside) })
						}
						if name != "goroutines" {
							p.Always("one at a time", func() bool { return inside <= 1 })
						}
						p.Finally("free", func() bool { return !l.Locked() })
					}, opts...)
				}
			})
			perCase(b, n)
		})
	}
	b.Run("SyncTest", func(b *testing.B) {
		n := 0
		withT(b, func(t *testing.T) {
			for b.Loop() {
				rapid.Check(t, func(t *rapid.T) {
					rapid.SyncTest(t, func(t *rapid.T) {
						n++
						var l lock.AsyncLock
						inside := 0
						ctx, cancel := context.WithCancel(context.Background())
						defer cancel()
						var all sync.WaitGroup
						for range 3 {
							all.Go(func() {
								if err := section(ctx, &l, &inside); err != nil {
									t.Errorf("section: %v", err)
								}
							})
						}
						all.Wait()
						if l.Locked() {
							t.Fatalf("not free")
						}
					})
				})
			}
		})
		perCase(b, n)
	})
}

var names = func() (all []string) {
	for i := range 3 {
		all = append(all, fmt.Sprint("w", i))
	}
	return all
}()

// BenchmarkExhaustive runs the 1,680 interleavings of three tasks of three steps.
func BenchmarkExhaustive(b *testing.B) {
	withT(b, func(t *testing.T) {
		for b.Loop() {
			proptest.Check(t, func(p *proptest.P) {
				for _, name := range names {
					p.Go(name, func(ctx context.Context) error { return core.Steps(ctx, 2) })
				}
			}, proptest.Exhaustive(-1))
		}
	})
}
