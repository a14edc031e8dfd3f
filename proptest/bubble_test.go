package proptest_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/event"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/lock"
	"github.com/seed-1e54c410/turnstile/proptest"
	"github.com/seed-1e54c410/turnstile/queue"
)

// foundIn is found for options that need a *testing.T.
func foundIn(t *testing.T, prop func(p *proptest.P), opts ...proptest.Option) string {
	t.Helper()
	defer patiently(t)()
	r := check.Record(t.Name(), func(r *check.Recorder) { proptest.Check(in{r, t}, prop, opts...) })
	if !r.Failed() {
		t.Fatalf("the check has not failed:\n%s", r.Output())
	}
	return r.Output()
}

// wants fails the test if a part is not in the output.
func wants(t *testing.T, out string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(out, part) {
			t.Errorf("%q is not in:\n%s", part, out)
		}
	}
}

// In a bubble the clock of package time is that of the case, and goroutines take part.
func TestBubble(t *testing.T) {
	held(t, func(p *proptest.P) {
		var q queue.AsyncQueue[int]
		got := 0
		p.Go("timeout", func(ctx context.Context) error {
			start := time.Now()
			ctx, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			if err := core.Sleep(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
				return fmt.Errorf("no timeout: %w", err)
			}
			if d := time.Since(start); d != time.Minute {
				return fmt.Errorf("a minute is %v", d)
			}
			return nil
		})
		p.Go("reader", func(ctx context.Context) error {
			for range 3 {
				v, err := q.Get(ctx)
				if err != nil {
					return err
				}
				got += v
			}
			return nil
		})
		p.Go("helper", func(ctx context.Context) error {
			go func() {
				<-time.After(time.Second)
				_ = q.Put(context.Background(), 1)
			}()
			v, err := core.Blocking(ctx, func(context.Context) (int, error) {
				time.Sleep(time.Second)
				return 2, nil
			})
			if err != nil {
				return err
			}
			if err := q.Put(ctx, v); err != nil {
				return err
			}
			return q.Put(ctx, 3)
		})
		p.Always("not too much", func() bool { return got <= 6 })
		p.Finally("all of it", func() bool { return got == 6 })
	}, proptest.Bubble())
}

// crossed is two tasks that lock each other out.
func crossed(p *proptest.P) {
	var a, b lock.AsyncLock
	for i := range 2 {
		p.Go(fmt.Sprint("w", i), func(ctx context.Context) error {
			first, second := &a, &b
			if i == 1 {
				first, second = second, first
			}
			return first.Do(ctx, func(ctx context.Context) error {
				if err := core.Yield(ctx); err != nil {
					return err
				}
				return second.Do(ctx, core.Yield)
			})
		})
	}
}

// A deadlock is found as in the closed world.
func TestBubbleDeadlock(t *testing.T) {
	out := foundIn(t, crossed, proptest.Bubble())
	wants(t, out, "proptest: deadlock", "w0 waits", "w1 waits", "held by w0", "held by w1")
	if strings.Contains(out, "flaky") {
		t.Errorf("flaky:\n%s", out)
	}
}

// A failure depends on the schedule as it does in the closed world, and its plan fails in the bubble again.
func TestBubbleReplay(t *testing.T) {
	for _, opts := range [][]proptest.Option{{proptest.Bubble()}, {proptest.Bubble(), proptest.Exhaustive(-1)}} {
		out := foundIn(t, rare, opts...)
		wants(t, out, "out of order", "draw tasks: 2")
		wants(t, foundIn(t, rare, proptest.Bubble(), proptest.Replay(replayOf(t, out))), "out of order")
	}
}

// An hour of virtual time may pass while tasks are ready.
func TestBubbleTimers(t *testing.T) {
	prop := func(p *proptest.P) {
		p.Go("slow", func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, time.Hour)
			defer cancel()
			for range 3 {
				if core.Yield(ctx) != nil {
					return errors.New("too late")
				}
			}
			return nil
		})
		p.Go("sleeper", func(ctx context.Context) error { return core.Sleep(ctx, time.Hour) })
	}
	held(t, prop, proptest.Bubble())
	wants(t, foundIn(t, prop, proptest.Bubble(), proptest.Timers(1)), "too late", "t@")
}

// spin takes some time of the processor, in which others get ahead.
func spin() {
	for range 300 {
		runtime.Gosched()
	}
}

// What goroutines do in a step is over before it is looked at.
func TestBubbleSettles(t *testing.T) {
	held(t, func(p *proptest.P) {
		var begun, done atomic.Bool
		p.Go("w", func(ctx context.Context) error {
			begun.Store(true)
			go func() {
				spin()
				done.Store(true)
			}()
			return core.Yield(ctx)
		})
		p.Always("the goroutine is through", func() bool { return begun.Load() == done.Load() })
	}, proptest.Bubble())
}

// A choice is made when the goroutine that has woken the loop is through with what it does.
func TestBubbleChoice(t *testing.T) {
	held(t, func(p *proptest.P) {
		var order strings.Builder
		var first, second event.AsyncEvent
		for i, e := range []*event.AsyncEvent{&first, &second} {
			p.Go(fmt.Sprint("w", i), func(ctx context.Context) error {
				if i == 0 {
					go func() {
						time.Sleep(time.Second)
						first.Fire()
						spin()
						second.Fire()
					}()
				}
				err := e.Wait(ctx)
				fmt.Fprint(&order, i)
				return err
			})
		}
		p.Finally("as the plan says", func() bool { return order.String() == "10" })
	}, proptest.Bubble(), proptest.Replay("d1@2"))
}

// Functions of Cleanup run in the bubble, the last one first, after each case.
func TestBubbleCleanup(t *testing.T) {
	var order strings.Builder
	held(t, func(p *proptest.P) {
		order.Reset()
		stop := make(chan struct{})
		go func() { <-stop }()
		p.Cleanup(func() { order.WriteString("second") })
		p.Cleanup(func() {
			order.WriteString("first ")
			close(stop)
		})
		p.Go("w", core.Yield)
	}, proptest.Bubble())
	if order.String() != "first second" {
		t.Errorf("order: %s", order.String())
	}
}

// What the property function does wrong is told as it is outside a bubble.
func TestBubbleProperty(t *testing.T) {
	out := foundIn(t, func(p *proptest.P) {
		if n := p.IntRange(0, 1000, "n"); n > 10 {
			p.Fatalf("too large: %v", n)
		}
	}, proptest.Bubble())
	wants(t, out, "too large: 11")
	out = foundIn(t, func(p *proptest.P) {
		if p.Bool("b") {
			panic("the property panics")
		}
	}, proptest.Bubble())
	wants(t, out, "the property panics", "draw b: true", "proptest_test.TestBubbleProperty.func2 (bubble_test.go:")
	r := check.Record(t.Name(), func(r *check.Recorder) {
		proptest.Check(in{r, t}, func(p *proptest.P) { r.FailNow() }, proptest.Bubble())
	})
	wants(t, r.Output(), "runtime.Goexit")
	skipped := 0
	held(t, func(p *proptest.P) {
		p.Go("w", core.Yield)
		if p.Bool("b") {
			skipped++
			p.SkipNow()
		}
	}, proptest.Bubble())
	if skipped == 0 {
		t.Error("nothing was skipped")
	}
}

// Without a *testing.T there is no bubble.
func TestBubbleNeedsT(t *testing.T) {
	for _, opt := range []proptest.Option{proptest.Bubble(), proptest.Goroutines()} {
		wants(t, found(t, func(*proptest.P) {}, opt), "need a *testing.T")
	}
}
