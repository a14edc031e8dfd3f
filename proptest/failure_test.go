package proptest_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/event"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/lock"
	"github.com/seed-1e54c410/turnstile/proptest"
)

var errTest = errors.New("out of luck")

// wantFound asserts that a check fails with this text, again whenever rapid runs the same case.
func wantFound(t *testing.T, text string, prop func(p *proptest.P), opts ...proptest.Option) string {
	t.Helper()
	out := found(t, prop, opts...)
	if !strings.Contains(out, text) {
		t.Errorf("the check does not say %q, but:\n%s", text, out)
	}
	if strings.Contains(out, "flaky") {
		t.Errorf("rapid could not reproduce it:\n%s", out)
	}
	return out
}

// passes asserts that a check does not fail, and returns what it says.
func passes(t *testing.T, prop func(p *proptest.P), opts ...proptest.Option) string {
	t.Helper()
	r := check.Record(t.Name(), func(r *check.Recorder) { proptest.Check(r, prop, opts...) })
	if r.Failed() {
		t.Fatalf("the check has failed:\n%s", r.Output())
	}
	return r.Output()
}

// does returns a property with one task.
func does(fn func(ctx context.Context, p *proptest.P) error) func(p *proptest.P) {
	return func(p *proptest.P) {
		p.Go("w", func(ctx context.Context) error { return fn(ctx, p) })
	}
}

// brittle is an error that panics if it is nil.
type brittle struct{ text string }

func (b *brittle) Error() string { return b.text }

// A nil pointer in an error is not a nil error, which is a common mistake, and does not end the process.
func TestNilInError(t *testing.T) {
	nothing := func(context.Context, *proptest.P) error {
		var err *brittle
		return err
	}
	out := wantFound(t, "task w returned an error: a nil *proptest_test.brittle", does(nothing))
	if want := "ends with the error: a nil *proptest_test.brittle"; !strings.Contains(out, want) {
		t.Errorf("the report does not say %q:\n%s", want, out)
	}
}

// Each kind of failure is found, and named.
func TestKinds(t *testing.T) {
	for name, c := range map[string]struct {
		want string
		prop func(p *proptest.P)
	}{
		"always": {`not always so: "n is 0"`, func(p *proptest.P) {
			n := 0
			p.Go("w", func(ctx context.Context) error { n++; err := core.Yield(ctx); n--; return err })
			p.Always("n is 0", func() bool { return n == 0 })
		}},
		"always, before the first step": {`not always so: "nothing"`, func(p *proptest.P) {
			p.Always("nothing", func() bool { return false })
		}},
		"finally": {`not so in the end: "n is 2"`, func(p *proptest.P) {
			n := 0
			p.Go("w", func(context.Context) error { n++; return nil })
			p.Finally("n is 2", func() bool { return n == 2 })
		}},
		"claim that panics": {`claim "holds" panicked at failure_test.go:`, func(p *proptest.P) {
			p.Go("w", core.Yield)
			p.Always("holds", func() bool { panic("oh") })
		}},
		"claim that fails the test": {"] failed after 0 tests: too bad", func(p *proptest.P) {
			p.Go("w", core.Yield)
			p.Finally("holds", func() bool { p.Fatalf("too %s", "bad"); return true })
		}},
		"error": {"task w returned an error: out of luck", does(func(context.Context, *proptest.P) error { return errTest })},
		"error of another ctx": {"task w returned an error: context canceled", does(func(ctx context.Context, _ *proptest.P) error {
			other, cancel := core.WithCancel(ctx)
			cancel()
			return other.Err()
		})},
		"error that holds an address": {"task w returned an error: at 0x…", does(func(context.Context, *proptest.P) error {
			return fmt.Errorf("at %p", new(int))
		})},
		"panic": {"task w panicked at failure_test.go:", does(func(ctx context.Context, _ *proptest.P) error {
			_ = core.Yield(ctx)
			panic("oh")
		})},
		"panic with an address": {": 0x…", does(func(context.Context, *proptest.P) error { panic(new(int)) })},
		"panic in a task of a task": {"a task that is not of P.Go panicked at failure_test.go:", does(func(ctx context.Context, _ *proptest.P) error {
			core.Start(ctx, func(context.Context) error { panic("oh") })
			return nil
		})},
		"panic in Blocking": {"task w panicked at failure_test.go:", does(func(ctx context.Context, _ *proptest.P) error {
			_, err := core.Blocking(ctx, func(context.Context) (int, error) { panic("oh") })
			return err
		})},
		"panic in a callback": {"a callback panicked at failure_test.go:", does(func(ctx context.Context, _ *proptest.P) error {
			core.DispatcherOf(ctx).CallSoon(func() { panic("oh") })
			return core.Yield(ctx)
		})},
		"goexit": {"task w called runtime.Goexit at failure_test.go:", does(func(context.Context, *proptest.P) error {
			runtime.Goexit()
			return nil
		})},
		"goexit while it has a lock": {"task w called runtime.Goexit at failure_test.go:", does(func(ctx context.Context, _ *proptest.P) error {
			var l lock.AsyncLock
			return l.Do(ctx, func(ctx context.Context) error {
				_ = core.Yield(ctx)
				runtime.Goexit()
				return nil
			})
		})},
		"Fatalf": {"] failed after 0 tests: too bad", does(func(ctx context.Context, p *proptest.P) error {
			_ = core.Yield(ctx)
			p.Fatalf("too %s", "bad")
			return nil
		})},
		"Fatalf in a task of a task": {"] failed after 0 tests: too bad", does(func(ctx context.Context, p *proptest.P) error {
			return core.Start(ctx, func(context.Context) error { p.Fatalf("too %s", "bad"); return nil }).Wait(ctx)
		})},
		"Fatalf in Blocking": {"] failed after 0 tests: too bad", does(func(ctx context.Context, p *proptest.P) error {
			_, err := core.Blocking(ctx, func(context.Context) (int, error) { p.Fatalf("too %s", "bad"); return 0, nil })
			return err
		})},
		"Errorf": {"the test has called Errorf, or the like", does(func(ctx context.Context, p *proptest.P) error {
			p.Errorf("too %s", "bad")
			return core.Yield(ctx)
		})},
		"deadlock": {"deadlock: every task waits", does(func(ctx context.Context, _ *proptest.P) error {
			return new(event.AsyncEvent).Wait(ctx)
		})},
		"livelock": {"livelock: the tasks do not come to an end", does(func(ctx context.Context, _ *proptest.P) error {
			for core.Yield(ctx) == nil {
			}
			return nil
		})},
		"unfinished": {"a task does not end though it was canceled", does(func(ctx context.Context, _ *proptest.P) error {
			core.Start(ctx, func(ctx context.Context) error {
				return new(event.AsyncEvent).Wait(core.Shield(ctx))
			})
			return nil
		})},
		"timer": {"a timer is left", does(func(ctx context.Context, _ *proptest.P) error {
			core.DispatcherOf(ctx).AfterFunc(time.Hour, func() {})
			return nil
		})},
		"hold": {"something pending is left", does(func(ctx context.Context, _ *proptest.P) error {
			core.DispatcherOf(ctx).Hold()
			return nil
		})},
		"lock": {"a *lock.AsyncLock is held though all tasks have ended", does(func(ctx context.Context, _ *proptest.P) error {
			return new(lock.AsyncLock).Acquire(ctx)
		})},
		"unhandled": {"nobody has looked at an error: out of luck", does(func(ctx context.Context, _ *proptest.P) error {
			core.Spawn(ctx, func(context.Context) error { return errTest })
			return core.Yield(ctx)
		})},
		"closed dispatcher": {"the simulated dispatcher failed: dispatch: dispatcher closed", does(func(ctx context.Context, _ *proptest.P) error {
			_ = core.DispatcherOf(ctx).Close()
			_ = core.Sleep(ctx, time.Hour)
			return nil
		})},
	} {
		t.Run(name, func(t *testing.T) {
			wantFound(t, c.want, c.prop)
		})
	}
}

// The FailNow of a *testing.T, which testify's require calls, ends a task by a Goexit: the case fails, and not the
// loop or the goroutine that runs it.
func TestFailNowOfTest(t *testing.T) {
	wantFound(t, "task w called runtime.Goexit at recorder.go:", does(func(ctx context.Context, _ *proptest.P) error {
		r := check.Record("inner", func(*check.Recorder) {}) // as a *testing.T that may fail
		_ = core.Yield(ctx)
		r.FailNow()
		return nil
	}))
}

// A task may throw the case away, or fail to draw a value: that is no failure.
func TestSkipInTask(t *testing.T) {
	ran := 0
	out := passes(t, does(func(ctx context.Context, p *proptest.P) error {
		if err := core.Yield(ctx); err != nil {
			return err
		}
		if p.Bool("skip") {
			p.SkipNow()
		}
		rapid.IntRange(0, 9).Filter(func(n int) bool { return n > 7 }).Draw(p.T, "rare")
		ran++
		return nil
	}))
	if ran == 0 {
		t.Error("no case has run to its end")
	}
	if strings.Contains(out, "schedule:") {
		t.Errorf("a report:\n%s", out)
	}
}

// What a task returns because it was canceled is no failure, but what it adds to that is.
func TestCanceledIsNoError(t *testing.T) {
	for name, wrap := range map[string]func(error) error{
		"as it is":      func(err error) error { return err },
		"wrapped":       func(err error) error { return fmt.Errorf("get: %w", err) },
		"CanceledError": func(err error) error { return &core.CanceledError{Cause: err} },
		"joined":        func(err error) error { return errors.Join(err, err) },
	} {
		t.Run(name, func(t *testing.T) {
			passes(t, func(p *proptest.P) {
				var l lock.AsyncLock
				for i := range 3 {
					p.Go(fmt.Sprint("w", i), func(ctx context.Context) error {
						if err := l.Do(ctx, core.Yield); err != nil {
							return wrap(err)
						}
						return nil
					})
				}
			}, proptest.Cancels(3))
		})
	}
	wantFound(t, "returned an error: ", does(func(ctx context.Context, _ *proptest.P) error {
		if err := core.Yield(ctx); err != nil {
			return errors.Join(err, errTest)
		}
		return nil
	}), proptest.Cancels(3))
}

// A task that was drawn to die leaves the primitives whole: what it waited for goes to those behind it. That it
// has died is no failure, nor that another task says so.
func TestPanicsLeavePrimitivesWhole(t *testing.T) {
	died := 0
	passes(t, func(p *proptest.P) {
		var l lock.AsyncLock
		inside := 0
		var tasks []*core.Task
		for i := range 4 {
			tasks = append(tasks, p.Go(fmt.Sprint("w", i), func(ctx context.Context) error {
				for range 3 {
					err := l.Do(ctx, func(ctx context.Context) error {
						inside++
						defer func() { inside-- }()
						return core.Yield(ctx)
					})
					if err != nil {
						return err
					}
				}
				return core.Sleep(ctx, time.Second)
			}))
		}
		p.Go("joiner", func(ctx context.Context) error {
			for _, task := range tasks {
				if err := task.Wait(ctx); err != nil {
					return fmt.Errorf("join: %w", err)
				}
			}
			return nil
		})
		p.Always("one is inside", func() bool { return inside <= 1 })
		p.Finally("nobody is inside", func() bool {
			for _, task := range tasks {
				if task.Failed() {
					died++
				}
			}
			return inside == 0 && !l.Locked()
		})
	}, proptest.Panics(4), proptest.Cancels(1))
	if died == 0 {
		t.Error("no task has died")
	}
}

// A task that dies with a lock that it does not release by defer leaves it held.
func TestPanicsFindMissingDefer(t *testing.T) {
	wantFound(t, "a *lock.AsyncLock is held though all tasks have ended", does(func(ctx context.Context, _ *proptest.P) error {
		var l lock.AsyncLock
		if err := l.Acquire(ctx); err != nil {
			return err
		}
		err := core.Yield(ctx)
		l.Release()
		return err
	}), proptest.Panics(2))
}

// A case with several faults is shrunk to the one that it was found with.
func TestShrinkingKeepsTheKind(t *testing.T) {
	kinds := []string{"deadlock", `"first"`, `"second"`, "returned an error", "panicked", "too bad", "livelock"}
	for range check.Many(20, 200) {
		first := -1 // what fails in the first case that does
		out := wantFound(t, "", func(p *proptest.P) {
			n := p.IntRange(0, 1000, "n")
			kind := n % len(kinds)
			if first < 0 && n >= 10 {
				first = kind
			}
			p.Always("first", func() bool { return n < 10 || kind != 1 })
			p.Always("second", func() bool { return n < 10 || kind != 2 })
			p.Go("w", func(ctx context.Context) error {
				switch {
				case n < 10:
					return nil
				case kind == 3:
					return errTest
				case kind == 4:
					panic("oh")
				case kind == 5:
					p.Fatalf("too bad")
				case kind == 6:
					for core.Yield(ctx) == nil {
					}
				}
				return new(event.AsyncEvent).Wait(ctx)
			})
		}, proptest.Steps(100))
		for kind, text := range kinds {
			if strings.Contains(out, text) != (kind == first) {
				t.Fatalf("it began with %s, and says:\n%s", kinds[first], out)
			}
		}
	}
}

// A function of Cleanup that panics does not keep the others from running.
func TestCleanupPanics(t *testing.T) {
	cases, cleaned := 0, 0
	out := found(t, func(p *proptest.P) {
		cases++
		p.Cleanup(func() { cleaned++ })
		p.Cleanup(func() { panic("no luck") })
		p.Go("w", core.Yield)
	})
	if !strings.Contains(out, "no luck") || cases != cleaned {
		t.Errorf("%d cases, %d cleaned up:\n%s", cases, cleaned, out)
	}
}
