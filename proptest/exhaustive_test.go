package proptest_test

import (
	"context"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/lock"
	"github.com/seed-1e54c410/turnstile/proptest"
)

// held runs a check that is to pass, and returns what it logs.
func held(t *testing.T, prop func(p *proptest.P), opts ...proptest.Option) string {
	t.Helper()
	r := check.Record(t.Name(), func(r *check.Recorder) { proptest.Check(in{r, t}, prop, opts...) })
	if r.Failed() {
		t.Fatalf("the check has failed:\n%s", r.Output())
	}
	return r.Output()
}

// in is a Recorder for what needs a *testing.T, too.
type in struct {
	*check.Recorder
	t *testing.T
}

func (r in) Test() *testing.T { return r.t }

// steppers is a property of tasks that have the given numbers of steps.
func steppers(order *[]string, steps ...int) func(p *proptest.P) {
	return func(p *proptest.P) {
		var trace strings.Builder
		for i, n := range steps {
			p.Go(fmt.Sprint("w", i), func(ctx context.Context) error {
				for range n - 1 {
					fmt.Fprint(&trace, i)
					if err := core.Yield(ctx); err != nil {
						return err
					}
				}
				fmt.Fprint(&trace, i)
				return nil
			})
		}
		p.Finally("note", func() bool {
			*order = append(*order, trace.String())
			return true
		})
	}
}

// interleavings is the number of orders in which the steps of several tasks can be made: the multinomial
// coefficient.
func interleavings(steps ...int) int64 {
	n := big.NewInt(1)
	sum := int64(0)
	for _, k := range steps {
		sum += int64(k)
		n.Mul(n, new(big.Int).Binomial(sum, int64(k)))
	}
	return n.Int64()
}

// All free interleavings are run, each once, whatever the numbers of steps are.
func TestExhaustiveCounts(t *testing.T) {
	for _, steps := range [][]int{{1}, {4}, {1, 1}, {2, 2}, {1, 1, 1}, {3, 2}, {2, 2, 2}, {1, 2, 3}, {1, 1, 1, 1, 1}, {3, 3, 3}} {
		var orders []string
		out := held(t, steppers(&orders, steps...), proptest.Exhaustive(-1))
		want := interleavings(steps...)
		if !strings.Contains(out, fmt.Sprintf("exhaustive: all %d schedules\n", want)) {
			t.Errorf("%v: not all %d schedules: %s", steps, want, out)
		}
		seen := map[string]bool{}
		for _, o := range orders {
			seen[o] = true
		}
		if int64(len(seen)) != want || len(orders) != len(seen) {
			t.Errorf("%v: %d runs of %d orders, want %d", steps, len(orders), len(seen), want)
		}
	}
	if interleavings(3, 3, 3) != 1680 {
		t.Error("the formula is wrong")
	}
}

// With a bound the schedules with fewer deviations are run, and those come first.
func TestExhaustiveBound(t *testing.T) {
	var orders []string
	// Of 2 tasks of 2 steps there are 6. In plain FIFO the first three steps leave a choice; after a deviation in the
	// first one two others do, or one, if the same task deviates again.
	for bound, want := range [][]string{{"0101"}, {"0101", "1010", "0011", "0110"}, {"0101", "1010", "0011", "0110", "1100", "1001"}} {
		orders = nil
		out := held(t, steppers(&orders, 2, 2), proptest.Exhaustive(bound))
		wants(t, out, fmt.Sprintf("exhaustive: all %d schedules with at most %d deviations\n", len(want), bound))
		if !slices.Equal(orders, want) {
			t.Errorf("bound %d: %v", bound, orders)
		}
	}
	orders = nil
	out := held(t, steppers(&orders, 3, 3, 3, 3, 3), proptest.Exhaustive(2))
	wants(t, out, fmt.Sprintf("exhaustive: all %d schedules with at most 2 deviations\n", len(orders)))
	if orders[0] != "012340123401234" {
		t.Errorf("the plain schedule does not come first: %v", orders[0])
	}
}

// The number of schedules is bounded, and the log says so.
func TestExhaustiveMaxSchedules(t *testing.T) {
	var orders []string
	out := held(t, steppers(&orders, 3, 3, 3, 3, 3), proptest.Exhaustive(-1), proptest.MaxSchedules(1000))
	if !strings.Contains(out, "exhaustive: 1000 schedules of more, bound of schedules reached") || len(orders) != 1000 {
		t.Errorf("%d schedules: %s", len(orders), out)
	}
}

// rare fails in one order only: the last steps of the first task come before anything of the others.
func rare(p *proptest.P) {
	n := p.IntRange(2, 3, "tasks")
	others := 0
	for i := range n {
		p.Go(fmt.Sprint("w", i), func(ctx context.Context) error {
			for range 2 {
				if i > 0 {
					others++
				}
				if err := core.Yield(ctx); err != nil {
					return err
				}
			}
			if i == n-1 && others == 2 {
				p.Fatalf("out of order")
			}
			return nil
		})
	}
}

var replayText = regexp.MustCompile(`Replay\("([^"]*)"\)`)

// replayOf returns the plan that a report names.
func replayOf(t *testing.T, out string) string {
	t.Helper()
	m := replayText.FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("no plan in the report:\n%s", out)
	}
	return m[1]
}

// A schedule that fails is reported with the smallest drawn values and the fewest deviations, and its plan
// fails again.
func TestExhaustiveFailure(t *testing.T) {
	out := found(t, rare, proptest.Exhaustive(-1))
	if !strings.Contains(out, "out of order") || strings.Contains(out, "flaky") {
		t.Errorf("another failure:\n%s", out)
	}
	if !strings.Contains(out, "draw tasks: 2") {
		t.Errorf("the values are not as small as they can be:\n%s", out)
	}
	plan := replayOf(t, out)
	if again := found(t, rare, proptest.Replay(plan)); !strings.Contains(again, "out of order") {
		t.Errorf("Replay(%q) gives another failure:\n%s", plan, again)
	}
}

// Cancels belong to the space: each task at each step at which it is there.
func TestExhaustiveCancels(t *testing.T) {
	seen := map[string]bool{}
	prop := func(p *proptest.P) {
		var trace strings.Builder
		for i := range 2 {
			p.Go(fmt.Sprint("w", i), func(ctx context.Context) error {
				for range 2 {
					fmt.Fprint(&trace, i)
					if err := core.Yield(ctx); err != nil {
						fmt.Fprint(&trace, "x", i)
						return err
					}
				}
				return nil
			})
		}
		p.Finally("note", func() bool {
			seen[trace.String()] = true
			return true
		})
	}
	out := held(t, prop, proptest.Exhaustive(0), proptest.Cancels(1))
	// w0 is there before steps 0 to 4, w1 before steps 0 to 5.
	wants(t, out, "exhaustive: all 12 schedules with at most 0 deviations\n")
	for _, trace := range []string{"0101", "0x011", "01x01", "010x1", "0101x0", "0101x1"} {
		if !seen[trace] {
			t.Errorf("%s was not run, but %v", trace, seen)
		}
	}
	before := len(seen)
	wants(t, held(t, prop, proptest.Exhaustive(-1), proptest.Cancels(2)), "exhaustive: all 328 schedules\n")
	if len(seen) <= 2*before {
		t.Errorf("two cancels in all orders come to no more than %d cases", len(seen))
	}
}

// Panics belong to the space: each task in each wait.
func TestExhaustivePanics(t *testing.T) {
	deaths := 0
	prop := func(p *proptest.P) {
		var l lock.AsyncLock
		for i := range 2 {
			p.Go(fmt.Sprint("w", i), func(ctx context.Context) error {
				ok := false
				defer func() {
					if !ok {
						deaths++
					}
				}()
				err := l.Do(ctx, core.Yield)
				ok = true
				return err
			})
		}
	}
	out := held(t, prop, proptest.Exhaustive(0), proptest.Panics(1))
	// w0 yields; w1 waits for the lock, and yields. In each schedule but the plain one a task dies.
	wants(t, out, fmt.Sprintf("exhaustive: all %d schedules with at most 0 deviations\n", 1+deaths))
	if deaths < 3 {
		t.Errorf("%d deaths", deaths)
	}
}

// What only some schedules draw belongs to the values, too.
func TestExhaustiveDrawsLate(t *testing.T) {
	out := found(t, func(p *proptest.P) {
		began := false
		p.Go("a", func(ctx context.Context) error {
			began = true
			return nil
		})
		p.Go("b", func(ctx context.Context) error {
			if !began && p.IntRange(0, 9, "n") == 7 {
				return errTest
			}
			return nil
		})
	}, proptest.Exhaustive(1))
	wants(t, out, "draw n: 7", `proptest.Replay("d1@0")`)
}
