package proptest_test

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/lock"
	"github.com/seed-1e54c410/turnstile/proptest"
	"github.com/seed-1e54c410/turnstile/queue"
)

// run is Check in an example: it prints what a test would show of it, without times and seeds.
// An example needs as many cases as there are by default, whatever the flags say.
func run(prop func(p *proptest.P), opts ...proptest.Option) {
	checks := flag.Lookup("rapid.checks").Value
	defer func(was string) { _ = checks.Set(was) }(checks.String())
	_ = checks.Set("100")
	r := check.Record("example", func(r *check.Recorder) { proptest.Check(r, prop, opts...) })
	for line := range strings.Lines(r.Output()) {
		if _, failed, ok := strings.Cut(line, " tests: "); ok && r.Failed() {
			fmt.Print(failed)
		}
		if strings.HasPrefix(line, "exhaustive:") {
			fmt.Print(line)
		}
	}
	if !r.Failed() {
		fmt.Println("passed")
	}
}

// counter is a property with a lost update: each task reads, waits, and writes.
func counter(p *proptest.P) {
	n := 0
	for i := range 2 {
		p.Go(fmt.Sprint("w", i), func(ctx context.Context) error {
			old := n
			if err := core.Yield(ctx); err != nil {
				return err
			}
			n = old + 1
			return nil
		})
	}
	p.Finally("both count", func() bool { return n == 2 })
}

// Three tasks of three steps each can be interleaved in 9!/(3!·3!·3!) ways.
func ExampleExhaustive() {
	run(func(p *proptest.P) {
		for i := range 3 {
			p.Go(fmt.Sprint("w", i), func(ctx context.Context) error {
				return core.Steps(ctx, 2)
			})
		}
	}, proptest.Exhaustive(-1))
	// Output:
	// exhaustive: all 1680 schedules
	// passed
}

// Five such tasks have 168,168,000 interleavings. Most bugs need few deviations.
func ExampleMaxSchedules() {
	prop := func(p *proptest.P) {
		for i := range 5 {
			p.Go(fmt.Sprint("w", i), func(ctx context.Context) error {
				return core.Steps(ctx, 2)
			})
		}
	}
	run(prop, proptest.Exhaustive(2))
	run(prop, proptest.Exhaustive(-1), proptest.MaxSchedules(500))
	// Output:
	// exhaustive: all 1166 schedules with at most 2 deviations
	// passed
	// exhaustive: 500 schedules of more, bound of schedules reached
	// passed
}

// Without deviations from FIFO the first task is always first here.
func ExampleDeviations() {
	prop := func(p *proptest.P) {
		var order []int
		for i := range 2 {
			p.Go(fmt.Sprint("w", i), func(context.Context) error {
				order = append(order, i)
				return nil
			})
		}
		p.Finally("in order", func() bool { return order[0] == 0 })
	}
	run(prop, proptest.Deviations(0))
	run(prop)
	// Output:
	// passed
	// proptest: not so in the end: "in order"
}

// A task that is canceled while it holds a lock must give it back.
func ExampleCancels() {
	prop := func(p *proptest.P) {
		var l lock.AsyncLock
		p.Go("w", func(ctx context.Context) error {
			if err := l.Acquire(ctx); err != nil {
				return err
			}
			if err := core.Yield(ctx); err != nil {
				return err // and the lock?
			}
			l.Release()
			return nil
		})
	}
	run(prop)
	run(prop, proptest.Cancels(1), proptest.Exhaustive(0))
	// Output:
	// passed
	// proptest: a *lock.AsyncLock is held though all tasks have ended
}

// A task that dies in a wait leaves behind what it does not clean up in a deferred call.
func ExamplePanics() {
	prop := func(p *proptest.P) {
		busy := 0
		p.Go("w", func(ctx context.Context) error {
			busy++
			if err := core.Sleep(ctx, time.Second); err != nil {
				busy--
				return err
			}
			busy--
			return nil
		})
		p.Finally("nobody is busy", func() bool { return busy == 0 })
	}
	run(prop)
	run(prop, proptest.Panics(1), proptest.Exhaustive(0))
	// Output:
	// passed
	// proptest: not so in the end: "nobody is busy"
}

// On a busy machine the second is over before the task has done its three steps.
func ExampleTimers() {
	prop := func(p *proptest.P) {
		late := false
		p.Go("w", func(ctx context.Context) error {
			ctx, cancel := core.WithTimeout(ctx, time.Second)
			defer cancel()
			late = core.Steps(ctx, 3) != nil
			return nil
		})
		p.Finally("in time", func() bool { return !late })
	}
	run(prop)
	run(prop, proptest.Timers(1), proptest.Exhaustive(0))
	// Output:
	// passed
	// proptest: not so in the end: "in time"
}

// Two tasks that only make room for each other never end.
func ExampleSteps() {
	run(func(p *proptest.P) {
		for i := range 2 {
			p.Go(fmt.Sprint("w", i), func(ctx context.Context) error {
				for {
					if err := core.Yield(ctx); err != nil {
						return err
					}
				}
			})
		}
	}, proptest.Steps(100))
	// Output:
	// proptest: livelock: the tasks do not come to an end
}

// The plan that a report names makes a regression test.
func ExampleReplay() {
	run(counter, proptest.Replay(""))
	run(counter, proptest.Replay("d1@1")) // w0 goes on before w1 has begun
	// Output:
	// proptest: not so in the end: "both count"
	// passed
}

// A task that is overtaken again and again needs priorities rather than single deviations.
func ExamplePCT() {
	run(func(p *proptest.P) {
		n := 0
		p.Go("slow", func(ctx context.Context) error {
			if err := core.Yield(ctx); err != nil {
				return err
			}
			if n == 30 {
				return fmt.Errorf("overtaken %d times", n)
			}
			return nil
		})
		p.Go("fast", func(ctx context.Context) error {
			for range 30 {
				n++
				if err := core.Yield(ctx); err != nil {
					return err
				}
			}
			return nil
		})
	}, proptest.PCT(1))
	// Output:
	// proptest: task slow returned an error: overtaken 30 times
}

// In a bubble the code under test may use package time, contexts with deadlines and goroutines.
func ExampleBubble() {
	_ = func(t *testing.T) {
		proptest.Check(t, func(p *proptest.P) {
			var q queue.AsyncQueue[string]
			p.Go("reader", func(ctx context.Context) error {
				ctx, cancel := context.WithTimeout(ctx, time.Minute)
				defer cancel()
				go func() {
					<-time.After(time.Second)
					_ = q.TryPut("hello")
				}()
				_, err := q.Get(ctx)
				return err
			})
		}, proptest.Bubble())
	}
}

// Code that blocks its goroutine is not for tasks.
func ExampleGoroutines() {
	_ = func(t *testing.T) {
		proptest.Check(t, func(p *proptest.P) {
			ch := make(chan int)
			p.Go("sender", func(ctx context.Context) error {
				select {
				case ch <- 1:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
			p.Go("receiver", func(ctx context.Context) error {
				select {
				case <-ch:
					return nil
				case <-time.After(time.Second):
					return nil
				}
			})
		}, proptest.Goroutines(), proptest.Cancels(1))
	}
}

// A goroutine that outlives the cases fails the test.
func ExampleLeaks() {
	quit := make(chan struct{})
	defer close(quit)
	run(func(p *proptest.P) {
		p.Go("w", core.Yield)
	}, proptest.Leaks())
	// Output:
	// passed
}

// The property of a test is a fuzz target as well.
func ExampleMakeFuzz() {
	_ = func(f *testing.F) {
		f.Fuzz(proptest.MakeFuzz(counter, proptest.Cancels(2)))
	}
}

// quiet is a test that logs nothing.
type quiet struct{ *check.Recorder }

func (quiet) Log(...any) {}

func (quiet) Logf(string, ...any) {}

// Anything that has the methods of a test can take its place.
func ExampleTB() {
	check.Record("example", func(r *check.Recorder) {
		proptest.Check(quiet{r}, counter, proptest.Replay("d1@1"))
		fmt.Printf("failed: %v, logged: %q\n", r.Failed(), r.Output())
	})
	// Output: failed: false, logged: ""
}
