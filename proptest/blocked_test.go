package proptest_test

import (
	"context"
	"iter"
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

// long is far longer than it takes until a step is looked at.
const long = 50 * time.Millisecond

// A task that blocks its thread fails the case, with the name and the place of the call.
func TestBlocked(t *testing.T) {
	defer proptest.SetLooks(0, 2, 4, 8, 16, 32, proptest.Patient, time.Hour)()
	var mu sync.Mutex
	for name, c := range map[string]struct {
		call string
		fn   func(ctx context.Context) error
	}{
		"time.Sleep": {"time.Sleep", func(context.Context) error { time.Sleep(long); return nil }},
		"time.After": {"a channel receive", func(context.Context) error { <-time.After(long); return nil }},
		"send": {"a channel send", func(context.Context) error {
			ch := make(chan int)
			time.AfterFunc(long, func() { <-ch })
			ch <- 1
			return nil
		}},
		"select": {"a select", func(ctx context.Context) error {
			select {
			case <-ctx.Done():
			case <-time.After(long):
			}
			return nil
		}},
		"WaitGroup": {"sync.(*WaitGroup).Wait", func(context.Context) error {
			var wg sync.WaitGroup
			wg.Add(1)
			time.AfterFunc(long, wg.Done)
			wg.Wait()
			return nil
		}},
		"Cond": {"sync.(*Cond).Wait", func(context.Context) error {
			c := sync.NewCond(new(sync.Mutex))
			c.L.Lock()
			defer c.L.Unlock()
			time.AfterFunc(long, c.Signal)
			c.Wait()
			return nil
		}},
		"Mutex": {"sync.(*Mutex).Lock", func(context.Context) error {
			mu.Lock()
			time.AfterFunc(proptest.Patient+25*long, mu.Unlock) // behind the look that comes after a second
			mu.Lock()
			defer mu.Unlock()
			return nil
		}},
		"in a task of a task": {"time.Sleep", func(ctx context.Context) error {
			return core.Start(ctx, func(ctx context.Context) error {
				if err := core.Yield(ctx); err != nil {
					return err
				}
				core.Start(ctx, func(context.Context) error { time.Sleep(long); return nil })
				return core.Yield(ctx)
			}).Wait(ctx)
		}},
		"in a sequence": {"time.Sleep", func(context.Context) error {
			next, stop := iter.Pull(func(yield func(int) bool) { time.Sleep(long); yield(1) })
			defer stop()
			next()
			return nil
		}},
		"in a callback": {"time.Sleep", func(ctx context.Context) error {
			core.DispatcherOf(ctx).CallSoon(func() { time.Sleep(long) })
			return core.Steps(ctx, 3)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			out := wantFound(t, "a task has blocked its thread, with "+c.call, does(func(ctx context.Context, _ *proptest.P) error {
				if err := core.Yield(ctx); err != nil {
					return err
				}
				return c.fn(ctx)
			}))
			if !strings.Contains(out, " at blocked_test.go:") {
				t.Errorf("it does not name the place:\n%s", out)
			}
		})
	}
}

// A step that takes long without blocking its thread is no failure, nor is one that waits for a moment for a
// mutex that a goroutine has, nor a function of core.Blocking.
func TestNotBlocked(t *testing.T) {
	defer proptest.SetLooks(0, 2, 4, 8, 16, 32, proptest.Patient, time.Hour)()
	for name, fn := range map[string]func(ctx context.Context) error{
		"busy": func(context.Context) error {
			for start := time.Now(); time.Since(start) < long; {
			}
			return nil
		},
		"mutex": func(context.Context) error {
			var mu sync.Mutex
			mu.Lock()
			time.AfterFunc(long/2, mu.Unlock)
			mu.Lock()
			defer mu.Unlock()
			return nil
		},
		"Blocking": func(ctx context.Context) error {
			_, err := core.Blocking(ctx, func(context.Context) (int, error) { time.Sleep(long); return 0, nil })
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			passes(t, does(func(ctx context.Context, _ *proptest.P) error {
				if n++; n > 3 {
					return nil
				}
				return fn(ctx)
			}))
		})
	}
}

// forEver is set where the process is one that is to end so.
const forEver = "TURNSTILE_TEST_FOR_EVER"

// A step that blocks for ever ends the process, with the same words and the trace: here that of the mutex
// that another task holds while it waits.
func TestBlockedForEver(t *testing.T) {
	if os.Getenv(forEver) != "" {
		defer proptest.SetLooks(0, long, proptest.Patient)()
		var mu sync.Mutex
		proptest.Check(t, func(p *proptest.P) {
			for _, name := range []string{"a", "b"} {
				p.Go(name, func(ctx context.Context) error {
					mu.Lock()
					defer mu.Unlock()
					return core.Yield(ctx)
				})
			}
		})
		return
	}
	if testing.CoverMode() != "" && os.Getenv("GOCOVERDIR") == "" {
		t.Setenv("GOCOVERDIR", t.TempDir())
	}
	t.Setenv(forEver, "1")
	out, err := check.Self(t.Context(), "-test.run=^TestBlockedForEver$").CombinedOutput()
	if _, ok := err.(*exec.ExitError); !ok {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, text := range []string{
		"proptest: TestBlockedForEver: a task has blocked its thread, with sync.(*Mutex).Lock at blocked_test.go:",
		"use lock.AsyncLock, or do not hold it over a wait. It does not come back, so the whole process ends here.",
		"proptest_test.TestBlockedForEver.",
	} {
		if !strings.Contains(string(out), text) {
			t.Errorf("it does not say %q:\n%s", text, out)
		}
	}
}
