package proptest_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/lock"
	"github.com/seed-1e54c410/turnstile/proptest"
	"github.com/seed-1e54c410/turnstile/queue"
)

// places lets so many in at a time. It has a bug: who gives up stays in line, and is let in.
type places struct {
	free int
	line []*core.Future[struct{}]
}

func (s *places) enter(ctx context.Context) error {
	if s.free > 0 {
		s.free--
		return nil
	}
	turn := core.NewFuture[struct{}]()
	s.line = append(s.line, turn)
	_, err := turn.Await(ctx)
	return err
}

func (s *places) leave() {
	if len(s.line) == 0 {
		s.free++
		return
	}
	turn := s.line[0]
	s.line = s.line[1:]
	turn.Complete(struct{}{})
}

// Two tasks share a place, and one of them may be canceled. A cancel of the one that waits loses the place.
func ExampleCheck() {
	test := func(t proptest.TB) { // in a test, t is the *testing.T
		proptest.Check(t, func(p *proptest.P) {
			s := &places{free: 1}
			for i := range 2 {
				p.Go(fmt.Sprint("w", i), func(ctx context.Context) error {
					if err := s.enter(ctx); err != nil {
						return err
					}
					defer s.leave()
					return core.Yield(ctx)
				})
			}
			p.Finally("the place is free", func() bool { return s.free == 1 })
		}, proptest.Cancels(1), proptest.Deviations(0))
	}
	fmt.Println(outcome(test, "TestPlaces:", "cancels: w", "option:"))
	// Output:
	// TestPlaces: not so in the end: "the place is free" (after step 2)
	// cancels: w1 before step 0
	// option:  proptest.Replay("c1@0") makes every case take this schedule
}

// outcome runs a test that may fail and returns the lines of its log in which one of the words is.
func outcome(test func(t proptest.TB), words ...string) string {
	defer func(before string) { _ = os.Setenv("TURNSTILE_REPORTS", before) }(os.Getenv("TURNSTILE_REPORTS"))
	_ = os.Setenv("TURNSTILE_REPORTS", "off")
	checks := flag.Lookup("rapid.checks").Value
	defer func(before string) { _ = checks.Set(before) }(checks.String())
	_ = checks.Set("5000") // it is found sooner
	r := check.Record("TestPlaces", func(r *check.Recorder) { test(r) })
	if !r.Failed() {
		return "passed"
	}
	lines := slices.DeleteFunc(strings.Split(r.Output(), "\n"), func(line string) bool {
		return !slices.ContainsFunc(words, func(word string) bool { return strings.Contains(line, word) })
	})
	return strings.Join(lines, "\n")
}

// A property draws its values, starts its tasks, and says what is to hold.
func ExampleP() {
	run(func(p *proptest.P) {
		q := queue.New[int](p.IntRange(1, 3, "limit"))
		n := p.IntRange(0, 5, "items")
		var got []int
		p.Go("putter", func(ctx context.Context) error {
			defer q.Shutdown()
			for v := range n {
				if err := q.Put(ctx, v); err != nil {
					return err
				}
			}
			return nil
		})
		p.Go("getter", func(ctx context.Context) error {
			for v, err := range q.All(ctx) {
				if err != nil {
					return err
				}
				got = append(got, v)
			}
			return nil
		})
		p.Always("in order", func() bool { return slices.IsSorted(got) })
		p.Finally("all of them", func() bool { return len(got) == n })
	})
	// Output: passed
}

// A counter of those inside is never more than one, after no step of any schedule. In the end it is 0 in any case:
// a claim of Finally would see nothing.
func ExampleP_Always() {
	prop := func(locked bool) func(p *proptest.P) {
		return func(p *proptest.P) {
			var l lock.AsyncLock
			inside := 0
			for i := range 2 {
				p.Go(fmt.Sprint("w", i), func(ctx context.Context) error {
					if locked {
						if err := l.Acquire(ctx); err != nil {
							return err
						}
						defer l.Release()
					}
					inside++
					defer func() { inside-- }()
					return core.Yield(ctx)
				})
			}
			p.Always("one at a time", func() bool { return inside <= 1 })
		}
	}
	run(prop(true))
	run(prop(false))
	// Output:
	// passed
	// proptest: not always so: "one at a time"
}

// Fatalf of P fails a case from within a task. What a task draws belongs to the case as well.
func ExampleP_Go() {
	run(func(p *proptest.P) {
		var q queue.AsyncQueue[int]
		p.Go("putter", func(ctx context.Context) error {
			for v := range p.IntRange(1, 5, "items") {
				if err := q.Put(ctx, v); err != nil {
					return err
				}
			}
			return nil
		})
		p.Go("getter", func(ctx context.Context) error {
			v, err := q.Get(ctx)
			if err == nil && v != 1 {
				p.Fatalf("got %d", v)
			}
			return err
		})
	})
	// Output: got 0
}

// Options travel as values: a long run draws more of everything.
func ExampleOption() {
	opts := []proptest.Option{proptest.Cancels(2)}
	if testing.Short() {
		opts = append(opts, proptest.Deviations(2))
	} else {
		opts = append(opts, proptest.Deviations(10), proptest.Timers(2))
	}
	run(func(p *proptest.P) {
		var l lock.AsyncLock
		for i := range 3 {
			p.Go(fmt.Sprint("w", i), func(ctx context.Context) error { return l.Do(ctx, core.Yield) })
		}
		p.Finally("nobody holds it", func() bool { return !l.Locked() })
	}, opts...)
	// Output: passed
}
