package proptest_test

import (
	"context"
	"strings"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
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
