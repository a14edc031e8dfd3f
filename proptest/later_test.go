package proptest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/proptest"
)

// lasting is a property with three tasks, each of which calls step some hundred times and waits behind it.
func lasting(step func(n, who int) error, wait func(ctx context.Context, n, who int) error) func(p *proptest.P) {
	return func(p *proptest.P) {
		n := 0
		for who := range 3 {
			p.Go(fmt.Sprint("w", who), func(ctx context.Context) error {
				for range 200 {
					n++
					if err := step(n, who); err != nil {
						return err
					}
					if err := wait(ctx, n, who); err != nil {
						return err
					}
				}
				return nil
			})
		}
	}
}

// sloppy is a bug for each kind of disturbance that shows only in a case that has gone on for long.
func sloppy(kind string, late int) func(p *proptest.P) {
	nothing := func(int, int) error { return nil }
	yield := func(ctx context.Context, _, _ int) error { return core.Yield(ctx) }
	bug := errors.New("a late bug")
	switch kind {
	case "deviations":
		last := 0
		return lasting(func(n, who int) error {
			again := n > late && n < 500 && last == who // towards the end one may be left alone
			last = who
			if again {
				return bug
			}
			return nil
		}, yield)
	case "cancels":
		return lasting(nothing, func(ctx context.Context, n, _ int) error {
			err := core.Yield(ctx)
			if err != nil && n > late {
				return bug
			}
			return err
		})
	case "panics":
		return func(p *proptest.P) {
			died := false
			lasting(nothing, func(ctx context.Context, n, _ int) error {
				returned := false
				defer func() { died = died || !returned && n > late }()
				err := core.Yield(ctx)
				returned = true
				return err
			})(p)
			p.Finally("nobody has died late", func() bool { return !died })
		}
	case "timers":
		return func(p *proptest.P) {
			steps := 0
			lasting(func(n, _ int) error { steps = n; return nil }, yield)(p)
			p.Go("sleeper", func(ctx context.Context) error {
				err := core.Sleep(ctx, time.Hour)
				if steps > late && steps < 600 {
					return bug
				}
				return err
			})
		}
	default: // a task that is held up in the middle of its way
		return func(p *proptest.P) {
			var made [3]int
			lasting(func(_, who int) error {
				made[who]++
				if made[who] == 1 && who > 0 && made[who-1] > 100 && made[who-1] < 199 {
					return bug
				}
				return nil
			}, yield)(p)
		}
	}
}

// What is drawn reaches cases that take long, with all kinds of disturbances, and the report replays them.
func TestLate(t *testing.T) {
	for kind, opts := range map[string][]proptest.Option{
		"deviations": nil,
		"cancels":    {proptest.Deviations(0), proptest.Cancels(1)},
		"panics":     {proptest.Deviations(0), proptest.Panics(1)},
		"timers":     {proptest.Deviations(0), proptest.Timers(1)},
		"PCT":        {proptest.PCT(2)},
	} {
		t.Run(kind, func(t *testing.T) {
			setFlag(t, "rapid.shrinktime", "200ms")
			prop := sloppy(kind, 300)
			held(t, prop, proptest.Replay(""))
			setFlag(t, "rapid.checks", "1000")
			r := check.Record(t.Name(), func(r *check.Recorder) { proptest.Check(r, prop, opts...) })
			if !r.Failed() {
				t.Fatal("1000 cases have not found it")
			}
			found(t, prop, proptest.Replay(replayOf(t, r.Output())))
		})
	}
}

// steps returns the steps of a plan, in which each kind of disturbance comes up at most so many times.
func steps(t *testing.T, plan string, most map[byte]int) (all []int) {
	t.Helper()
	n := map[byte]int{}
	for word := range strings.FieldsSeq(plan) {
		_, row, _ := strings.Cut(word, "@")
		at, to, several := strings.Cut(row, "-")
		if !several {
			to = at
		}
		step, err := strconv.Atoi(at)
		last, err2 := strconv.Atoi(to)
		if err != nil || err2 != nil {
			t.Fatalf("%q: %v, %v", plan, err, err2)
		}
		for ; step <= last; step++ {
			n[word[0]]++
			all = append(all, step)
		}
	}
	for kind, n := range n {
		if n > most[kind] {
			t.Fatalf("%q has %d times %c, which may be %d", plan, n, kind, most[kind])
		}
	}
	return all
}

// However long a case takes, there are no more disturbances than the options say, all parts of the case get some,
// and the same seed gives the same.
func TestLateBounds(t *testing.T) {
	setFlag(t, "rapid.checks", "200")
	setFlag(t, "rapid.seed", "20240607")
	prop := lasting(func(int, int) error { return nil }, func(ctx context.Context, _, _ int) error { return core.Yield(core.Shield(ctx)) })
	for name, opts := range map[string][]proptest.Option{"tasks": nil, "bubble": {proptest.Bubble()}} {
		t.Run(name, func(t *testing.T) {
			plans := func() (all []string) {
				proptest.Check(t, func(p *proptest.P) {
					prop(p)
					p.Cleanup(func() { all = append(all, proptest.PlanOf(p)) })
				}, append(opts, proptest.Deviations(4), proptest.Cancels(3), proptest.Timers(2))...)
				return all
			}
			first, again := plans(), plans()
			parts := map[int]int{}
			for _, plan := range first {
				for _, at := range steps(t, plan, map[byte]int{'d': 4, 'c': 3, 't': 2}) {
					parts[at/100]++
				}
			}
			for part := range 6 {
				if parts[part] == 0 {
					t.Errorf("nothing from step %d on: %v", part*100, parts)
				}
			}
			if !slices.Equal(first, again) {
				t.Errorf("with the same seed, first\n%q\nand then\n%q", first, again)
			}
		})
	}
}

// What is found late becomes early, if it fails there, too, and little else is left: here only the first hundred
// steps hold in any case. A deviation stays where the cancel would have to come a step later without it.
func TestLateShrinks(t *testing.T) {
	for i := range check.Many(1, 12) {
		setFlag(t, "rapid.seed", strconv.Itoa(1_000_004+i*1_000_003))
		plan := replayOf(t, found(t, sloppy("cancels", 103), proptest.Deviations(2), proptest.Cancels(2)))
		if at := steps(t, plan, map[byte]int{'c': 1, 'd': 1}); len(at) == 0 || slices.Max(at) > 200 {
			t.Errorf("seed %d comes to %q", i, plan)
		}
	}
}
