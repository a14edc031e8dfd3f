package proptest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/proptest"
)

// Under Goroutines tasks may block their goroutine, and their ctx has no dispatcher.
func TestGoroutineMode(t *testing.T) {
	orders := map[string]bool{}
	held(t, func(p *proptest.P) {
		var mu sync.Mutex
		var order strings.Builder
		ch := make(chan int)
		for i := range 3 {
			p.Go(fmt.Sprint("w", i), func(ctx context.Context) error {
				if core.DispatcherOf(ctx) != nil {
					return errors.New("there is a dispatcher")
				}
				mu.Lock()
				fmt.Fprint(&order, i)
				mu.Unlock()
				select {
				case ch <- i:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
		}
		p.Go("reader", func(ctx context.Context) error {
			time.Sleep(time.Minute)
			for range 3 {
				select {
				case <-ch:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		})
		p.Always("always", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return order.Len() <= 3
		})
		p.Finally("all have begun", func() bool {
			orders[order.String()] = true
			return order.Len() == 3
		})
	}, proptest.Goroutines())
	if len(orders) < 2 { // a few cases have few of the six
		t.Errorf("the order of starts was not drawn: %v", orders)
	}
}

// What goes wrong on a goroutine is found, and its plan finds it again.
func TestGoroutinesFailures(t *testing.T) {
	for name, at := range map[string]struct {
		fn   func(p *proptest.P) func(ctx context.Context) error
		want string
		opts []proptest.Option
	}{
		"error": {func(*proptest.P) func(ctx context.Context) error {
			return func(context.Context) error { return errors.New("no luck") }
		}, "returned an error: no luck", nil},
		"panic": {func(*proptest.P) func(ctx context.Context) error {
			return func(context.Context) error { panic("no luck") }
		}, "no luck", nil},
		"fatal": {func(p *proptest.P) func(ctx context.Context) error {
			return func(context.Context) error {
				p.Fatalf("no luck")
				return nil
			}
		}, "no luck", nil},
		"deadlock": {func(*proptest.P) func(ctx context.Context) error {
			return func(ctx context.Context) error {
				<-ctx.Done()
				return ctx.Err()
			}
		}, "proptest: deadlock", nil},
		"always": {func(p *proptest.P) func(ctx context.Context) error {
			var bad atomic.Bool
			p.Always("claim", func() bool { return !bad.Load() })
			return func(context.Context) error {
				bad.Store(true)
				time.Sleep(time.Second)
				bad.Store(false)
				return nil
			}
		}, `not always so: "claim"`, nil},
		"finally": {func(p *proptest.P) func(ctx context.Context) error {
			p.Finally("claim", func() bool { return false })
			return func(context.Context) error { return nil }
		}, `not so in the end: "claim"`, nil},
		"cancel": {func(p *proptest.P) func(ctx context.Context) error {
			return func(ctx context.Context) error {
				if err := core.Sleep(ctx, time.Second); err != nil {
					return errors.New("canceled without reason")
				}
				return nil
			}
		}, "canceled without reason", []proptest.Option{proptest.Cancels(2)}},
	} {
		t.Run(name, func(t *testing.T) {
			prop := func(p *proptest.P) {
				p.Go("other", func(context.Context) error { return nil })
				p.Go("w", at.fn(p))
			}
			opts := append(at.opts, proptest.Goroutines())
			out := foundIn(t, prop, opts...)
			wants(t, out, at.want)
			if strings.Contains(out, "flaky") {
				t.Errorf("flaky:\n%s", out)
			}
			wants(t, foundIn(t, prop, append(opts, proptest.Replay(replayOf(t, out)))...), at.want)
		})
	}
}

// A failure that needs one order of starts comes up by itself, and in that order always.
func TestGoroutinesOrder(t *testing.T) {
	prop := func(p *proptest.P) {
		first := -1
		var mu sync.Mutex
		for i := range 3 {
			p.Go(fmt.Sprint("w", i), func(context.Context) error {
				mu.Lock()
				defer mu.Unlock()
				if first < 0 {
					first = i
				}
				if first == 2 {
					return errors.New("the last one is first")
				}
				return nil
			})
		}
	}
	wants(t, foundIn(t, prop, proptest.Goroutines()), "the last one is first")
	wants(t, foundIn(t, prop, proptest.Goroutines(), proptest.Replay("d2@0")), "the last one is first")
	held(t, prop, proptest.Goroutines(), proptest.Replay("d1@0"))
	held(t, prop, proptest.Goroutines(), proptest.Replay(""))
}

// A failure that comes up now and then only is not lost while rapid shrinks it.
func TestGoroutinesLuck(t *testing.T) {
	runs := 0
	out := foundIn(t, func(p *proptest.P) {
		n := p.IntRange(0, 1000, "n")
		runs++
		run := runs
		p.Go("w", func(context.Context) error {
			if n > 0 && run%4 == 0 {
				return errors.New("no luck")
			}
			return nil
		})
	}, proptest.Goroutines())
	wants(t, out, "no luck", "draw n: 1\n")
	if strings.Contains(out, "flaky") {
		t.Errorf("flaky:\n%s", out)
	}
}

// P is for all tasks at the same time.
func TestGoroutinesShareP(t *testing.T) {
	const tasks = 20
	ended := 0
	prop := func(holds bool) func(p *proptest.P) {
		return func(p *proptest.P) {
			claims, cleanups, started := 0, 0, atomic.Int32{}
			for i := range tasks {
				p.Go(fmt.Sprint("w", i), func(context.Context) error {
					p.Name(new(int), "x")
					p.Always("always", func() bool { return true })
					p.Finally("finally", func() bool { claims++; return true })
					p.Cleanup(func() { cleanups++ })
					p.Go("more", func(context.Context) error { started.Add(1); return nil })
					return nil
				})
			}
			p.Finally("all have begun", func() bool { return holds && started.Load() == tasks })
			p.Cleanup(func() {
				if cleanups == tasks && claims == tasks {
					ended++
				}
			})
		}
	}
	held(t, prop(true), proptest.Goroutines(), proptest.Cases(100))
	if ended < 20 {
		t.Errorf("in %d cases all claims and functions of Cleanup were called", ended)
	}
	foundIn(t, prop(false), proptest.Goroutines(), proptest.Deviations(0))
}

// Functions of Cleanup do not run beside tasks, also when the case has failed.
func TestGoroutinesCleanupComesLast(t *testing.T) {
	foundIn(t, func(p *proptest.P) {
		n := 0
		p.Go("fails", func(context.Context) error { return errors.New("no luck") })
		for range 5 {
			p.Go("works", func(context.Context) error { p.Go("more", core.Yield); return nil })
		}
		p.Go("counts", func(ctx context.Context) error {
			for range 1000 {
				n++
			}
			return nil
		})
		p.Cleanup(func() { n = 0 })
	}, proptest.Goroutines())
}

// The error of a task that waits for one that was canceled is none, as it is in a simulation.
func TestGoroutinesCancelOfAnother(t *testing.T) {
	prop := func(p *proptest.P) {
		a := p.Go("a", func(ctx context.Context) error { return core.Sleep(ctx, time.Second) })
		p.Go("b", a.Wait)
	}
	held(t, prop, proptest.Cancels(2))
	held(t, prop, proptest.Cancels(2), proptest.Goroutines())
}
