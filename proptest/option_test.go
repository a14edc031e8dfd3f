package proptest_test

import (
	"context"
	"flag"
	"math"
	"strings"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/proptest"
)

// panics returns what fn panics with.
func panics(t *testing.T, fn func()) (text string) {
	t.Helper()
	defer func() { text, _ = recover().(string) }()
	fn()
	t.Error("no panic")
	return ""
}

// Numbers that make no sense are refused where they are given.
func TestOptionNumbers(t *testing.T) {
	for want, fn := range map[string]func(){
		"proptest: negative Deviations":         func() { proptest.Deviations(-1) },
		"proptest: negative Cancels":            func() { proptest.Cancels(-1) },
		"proptest: negative Panics":             func() { proptest.Panics(-1) },
		"proptest: negative Timers":             func() { proptest.Timers(-1) },
		"proptest: Steps of less than 1":        func() { proptest.Steps(0) },
		"proptest: PCT of less than 1":          func() { proptest.PCT(0) },
		"proptest: MaxSchedules of less than 1": func() { proptest.MaxSchedules(0) },
		`proptest: Replay: "x1@2" begins`:       func() { proptest.Replay("x1@2") },
	} {
		if got := panics(t, fn); !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Options that contradict each other are refused before a case is run.
func TestOptionContradictions(t *testing.T) {
	all := proptest.Exhaustive(-1)
	for name, opts := range map[string][]proptest.Option{
		"Exhaustive and Replay":     {all, proptest.Replay("")},
		"Exhaustive and PCT":        {all, proptest.PCT(2)},
		"Exhaustive and Goroutines": {all, proptest.Goroutines()},
		"MaxSchedules alone":        {proptest.MaxSchedules(10)},
		"PCT and Replay":            {proptest.PCT(2), proptest.Replay("d1@1")},
		"PCT and Goroutines":        {proptest.PCT(2), proptest.Goroutines()},
		"Panics and Goroutines":     {proptest.Panics(1), proptest.Goroutines()},
		"Timers and Goroutines":     {proptest.Timers(1), proptest.Goroutines()},
	} {
		got := panics(t, func() {
			proptest.Check(t, func(*proptest.P) { t.Error("a case was run") }, opts...)
		})
		if !strings.HasPrefix(got, "proptest: ") {
			t.Errorf("%s: %q", name, got)
		}
		if again := panics(t, func() { proptest.MakeFuzz(func(*proptest.P) {}, opts...) }); again != got {
			t.Errorf("%s: MakeFuzz says %q", name, again)
		}
	}
}

// A livelock is found after as many steps as Steps says.
func TestSteps(t *testing.T) {
	n := 0
	out := found(t, func(p *proptest.P) {
		n = 0
		p.Go("w", func(ctx context.Context) error {
			for {
				n++
				if err := core.Yield(ctx); err != nil {
					return err
				}
			}
		})
	}, proptest.Steps(50))
	wants(t, out, "proptest: livelock")
	if n < 50 || n > 52 {
		t.Errorf("%d steps", n)
	}
}

// Cases counts cases; a flag that is given counts instead.
func TestCases(t *testing.T) {
	count := func(opts ...proptest.Option) int {
		n := 0
		check.Record(t.Name(), func(r *check.Recorder) {
			proptest.Check(r, func(p *proptest.P) {
				n++
				p.Go("w", core.Yield)
			}, opts...)
		})
		return n
	}
	per := 100
	if testing.Short() {
		per = 20
	}
	checks := flag.Lookup("rapid.checks").Value
	defer func(was string) { _ = checks.Set(was) }(checks.String())
	_ = checks.Set("100")
	for want, opts := range map[int][]proptest.Option{
		10 * per: nil,
		per:      {proptest.Cases(1)},
		3 * per:  {proptest.Cases(201)},
	} {
		if n := count(opts...); n != want {
			t.Errorf("%d cases, want %d", n, want)
		}
	}
	n := 0
	check.Record(t.Name(), func(r *check.Recorder) {
		proptest.Check(r, func(p *proptest.P) {
			if n++; n > 20*per {
				p.Fatalf("enough")
			}
			p.Go("w", core.Yield)
		}, proptest.Cases(math.MaxInt))
	})
	if n <= 20*per {
		t.Errorf("%d cases, want any number", n)
	}
	_ = checks.Set("200")
	if n := count(proptest.Cases(5000)); n != 2*per {
		t.Errorf("%d cases with the flag, want %d", n, 2*per)
	}
	defer func() {
		if recover() == nil {
			t.Error("Cases(0) does not panic")
		}
	}()
	proptest.Cases(0)
}

// A property without tasks checks nothing.
func TestNoTasks(t *testing.T) {
	out := found(t, func(p *proptest.P) { p.IntRange(0, 9, "n") })
	wants(t, out, "no case has started a task")
	held(t, func(p *proptest.P) {
		core.Spawn(p.Context(), core.Yield)
	})
}
