package proptest_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/proptest"
)

// standstill is the environment variable with the option under which a process is to stand still.
const standstill = "TURNSTILE_TEST_STANDSTILL"

// A mutex that is held while time is to pass stops the clock of a bubble, which ends the process instead of the
// test's running for ever.
func TestStandstill(t *testing.T) {
	options := map[string]proptest.Option{"Bubble": proptest.Bubble(), "Goroutines": proptest.Goroutines()}
	if opt, ok := options[os.Getenv(standstill)]; ok {
		defer proptest.SetVigil(5 * time.Millisecond)()
		var mu sync.Mutex
		proptest.Check(t, func(p *proptest.P) {
			for _, name := range []string{"a", "b"} {
				p.Go(name, func(ctx context.Context) error {
					mu.Lock()
					defer mu.Unlock()
					return core.Sleep(ctx, time.Second)
				})
			}
		}, opt)
		return
	}
	if testing.CoverMode() != "" && os.Getenv("GOCOVERDIR") == "" {
		t.Setenv("GOCOVERDIR", t.TempDir())
	}
	for name := range options {
		t.Run(name, func(t *testing.T) {
			t.Setenv(standstill, name)
			out, err := check.Self(t.Context(), "-test.run=^TestStandstill$", "-test.timeout=20s").CombinedOutput()
			if _, ok := err.(*exec.ExitError); !ok {
				t.Fatalf("%v\n%s", err, out)
			}
			want := "proptest: TestStandstill: a case cannot go on: a goroutine waits in sync.(*Mutex).Lock at standstill_test.go:"
			if !strings.Contains(string(out), want) {
				t.Errorf("it does not say %q:\n%s", want, out)
			}
		})
	}
}

// Mutexes that are held for a moment stop nothing, however often a bubble is looked at.
func TestNoStandstill(t *testing.T) {
	defer proptest.SetVigil(100 * time.Microsecond)()
	held(t, func(p *proptest.P) {
		var mu sync.Mutex
		n := 0
		for range 4 {
			p.Go("w", func(ctx context.Context) error {
				for range 50 {
					mu.Lock()
					n++
					mu.Unlock()
				}
				return core.Sleep(ctx, time.Second)
			})
		}
	}, proptest.Goroutines(), proptest.Cases(100))
}
