package proptest_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/lock"
	"github.com/seed-1e54c410/turnstile/proptest"
)

func TestMain(m *testing.M) {
	if err := os.Setenv("TURNSTILE_REPORTS", "off"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := flag.Set("rapid.nofailfile", "true"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	check.Main(m)
}

// patiently makes a check that is to fail go on for long enough, whatever is drawn.
func patiently(t *testing.T) (undo func()) {
	t.Helper()
	checks := flag.Lookup("rapid.checks").Value
	was := checks.String()
	if err := checks.Set("20000"); err != nil {
		t.Fatal(err)
	}
	return func() { _ = checks.Set(was) }
}

// found runs a check that is to fail, and returns what it says.
func found(t *testing.T, prop func(p *proptest.P), opts ...proptest.Option) string {
	t.Helper()
	defer patiently(t)()
	r := check.Record(t.Name(), func(r *check.Recorder) { proptest.Check(r, prop, opts...) })
	if !r.Failed() {
		t.Fatalf("the check has not failed:\n%s", r.Output())
	}
	return r.Output()
}

// Two tasks that take two locks in opposite order lock each other out.
func TestDeadlock(t *testing.T) {
	out := found(t, func(p *proptest.P) {
		var a, b lock.AsyncLock
		for i := range p.IntRange(2, 4, "tasks") {
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
	})
	if !strings.Contains(out, "proptest: deadlock") {
		t.Errorf("no deadlock:\n%s", out)
	}
}
