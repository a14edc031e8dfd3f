package proptest_test

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/proptest"
)

// What leaves goroutines behind for good is run in another process: the test binary itself, told so by this
// variable.
const inOther = "TURNSTILE_PROPTEST_SUBPROCESS"

// otherProcess runs the test in another process, where it is to fail, and returns what it says. In that process it
// returns false.
func otherProcess(t *testing.T) (out string, here bool) {
	t.Helper()
	if os.Getenv(inOther) != "" {
		return "", false
	}
	if runtime.GOARCH == "wasm" {
		t.Skip("there are no processes on this system")
	}
	cmd := check.Self(t.Context(), "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), inOther+"=1")
	b, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatalf("the test has passed:\n%s", b)
	}
	return string(b), true
}

// stay blocks for ever.
func stay(ch chan int) { <-ch }

// A goroutine that does not end is named, with where it is and the smallest case.
func TestBubbleLeftover(t *testing.T) {
	out, here := otherProcess(t)
	if !here {
		proptest.Check(t, func(p *proptest.P) {
			n := p.IntRange(0, 1000, "n")
			p.Go("w", func(ctx context.Context) error {
				if n > 10 {
					go stay(make(chan int))
				}
				return core.Yield(ctx)
			})
		}, proptest.Bubble())
		return
	}
	wants(t, out, "proptest: goroutines are left when the tasks have ended", "draw n: 11",
		"left behind: a goroutine in github.com/seed-1e54c410/turnstile/proptest_test.stay (", "leaks_test.go:", "chan receive")
	if strings.Contains(out, "flaky") || strings.Count(out, "left behind:") != 1 {
		t.Errorf("not told in the right way:\n%s", out)
	}
}

// A failure that leaves goroutines behind is told as such, and those after it.
func TestBubbleLeftoverOfFailure(t *testing.T) {
	out, here := otherProcess(t)
	if !here {
		proptest.Check(t, func(p *proptest.P) {
			p.Go("w", func(ctx context.Context) error {
				go stay(make(chan int))
				return errors.New("no luck")
			})
		}, proptest.Bubble())
		return
	}
	wants(t, out, "proptest: task w returned an error: no luck", "left behind: a goroutine in")
}

// A goroutine that cannot be canceled is a deadlock under Goroutines, and names the task.
func TestGoroutinesLeftover(t *testing.T) {
	out, here := otherProcess(t)
	if !here {
		proptest.Check(t, func(p *proptest.P) {
			ch := make(chan int)
			p.Go("stays", func(context.Context) error {
				stay(ch)
				return nil
			})
			p.Go("goes", func(context.Context) error { return nil })
		}, proptest.Goroutines())
		return
	}
	wants(t, out, "proptest: deadlock", "not ended: stays\n", "left behind: a goroutine in")
}

// A property function that blocks for ever is a deadlock, too.
func TestBubbleBlockedProperty(t *testing.T) {
	out, here := otherProcess(t)
	if !here {
		proptest.Check(t, func(*proptest.P) { stay(make(chan int)) }, proptest.Bubble())
		return
	}
	wants(t, out, "proptest: deadlock: the property function waits", "left behind: a goroutine in", "replay:")
	if strings.Contains(out, "panic:") {
		t.Errorf("the report has panicked:\n%s", out)
	}
}

// A goroutine that only needs some time is not left behind.
func TestBubbleLateEnd(t *testing.T) {
	for _, opt := range []proptest.Option{proptest.Bubble(), proptest.Goroutines()} {
		held(t, func(p *proptest.P) {
			p.Go("w", func(ctx context.Context) error {
				go func() { <-time.After(time.Minute) }()
				ctx = context.WithoutCancel(ctx)
				go func() { _ = core.Sleep(ctx, time.Second) }()
				return nil
			})
		}, opt)
	}
}

// Leaks finds goroutines that the cases have left behind without a bubble.
func TestLeaks(t *testing.T) {
	quit := make(chan int)
	ended := make(chan struct{}, 1)
	left := false
	prop := func(p *proptest.P) {
		p.Go("w", core.Yield)
		if left {
			return
		}
		left = true
		go func() {
			stay(quit)
			ended <- struct{}{}
		}()
	}
	out := found(t, prop, proptest.Leaks())
	wants(t, out, "proptest: the cases have left goroutines behind", "proptest_test.stay")
	held(t, prop, proptest.Leaks()) // it was there before
	close(quit)
	<-ended
	left = false
	held(t, func(p *proptest.P) { p.Go("w", core.Yield) }, proptest.Leaks())
}
