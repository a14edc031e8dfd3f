package core_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/lock"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// reports runs main on a dispatcher in a bubble, and returns the HeldErrors that came.
func reports(t *testing.T, main func(ctx context.Context) error) (held []*core.HeldError) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d, err := dispatch.New(dispatch.Config{Unhandled: func(err error) {
			if e, ok := errors.AsType[*core.HeldError](err); ok {
				held = append(held, e)
				return
			}
			t.Errorf("unhandled: %v", err)
		}})
		if err != nil {
			t.Fatal(err)
		}
		wantErr(t, "RunOn", core.RunOn(t.Context(), d, main), nil)
		wantErr(t, "Close", d.Close(), nil)
	})
	return held
}

// A task ended while it held a lock, and all that waited for it hung without a word: python-trio/trio#3035. The
// owner is reported, with its name and the place where it acquired the lock.
func TestBugTrio3035(t *testing.T) {
	var l lock.AsyncLock
	var rw lock.AsyncRWLock
	for _, c := range []struct {
		name, what, call string
		take             func(ctx context.Context) (line int)
		free             func()
	}{
		{"Acquire", "lock.AsyncLock", "lock.(*AsyncLock).Acquire", func(ctx context.Context) int {
			_, line := l.Acquire(ctx), line()
			return line
		}, l.Release},
		{"TryAcquire", "lock.AsyncLock", "lock.(*AsyncLock).TryAcquire", func(context.Context) int {
			_, line := l.TryAcquire(), line()
			return line
		}, l.Release},
		{"Select", "lock.AsyncLock", "sync.Select", func(ctx context.Context) int {
			_, _ = xsync.Select(ctx, l.AcquireCase(), xsync.After(time.Hour))
			return line() - 1
		}, l.Release},
		{"writing", "lock.AsyncRWLock", "lock.(*AsyncRWLock).Acquire", func(ctx context.Context) int {
			_, line := rw.Acquire(ctx), line()
			return line
		}, rw.Release},
		{"reading", "lock.AsyncRWLock", "lock.(*AsyncRWLock).RAcquire", func(ctx context.Context) int {
			_, line := rw.RAcquire(ctx), line()
			return line
		}, rw.RRelease},
		{"downgraded", "lock.AsyncRWLock", "lock.(*AsyncRWLock).Acquire", func(ctx context.Context) int {
			_, line := rw.Acquire(ctx), line()
			rw.Downgrade()
			return line
		}, rw.RRelease},
	} {
		for end, fn := range map[string]func(){
			"returns": func() {}, "panics": func() { panic("boom") }, "calls Goexit": runtime.Goexit,
		} {
			for _, waits := range []bool{false, true} {
				t.Run(fmt.Sprint(c.name, " ", end, ", waits ", waits), func(t *testing.T) {
					track(t)
					place := 0
					held := reports(t, func(ctx context.Context) error {
						if waits && !strings.HasPrefix(c.name, "Try") {
							_, _ = l.TryAcquire(), rw.TryAcquire()
						}
						task := core.Start(ctx, func(ctx context.Context) error {
							place = c.take(ctx)
							fn()
							return nil
						})
						if l.Locked() && !task.Finished() {
							l.Release()
							rw.Release()
						}
						_ = task.Wait(ctx)
						return nil
					})
					c.free() // as another may
					if len(held) != 1 {
						t.Fatalf("%d reports: %v", len(held), held)
					}
					e := held[0]
					if e.What != c.what || e.Call != c.call || !strings.Contains(e.Task, "core_test.TestBugTrio3035.func") ||
						!strings.Contains(e.Place, fmt.Sprintf("held_test.go:%d)", place)) || !strings.Contains(e.Error(), e.Task) || !strings.Contains(e.Error(), e.Place) {
						t.Errorf("%v, taken at line %d", e, place)
					}
				})
			}
		}
	}
}

// line returns the line of its caller.
func line() int {
	_, _, line, _ := runtime.Caller(1)
	return line
}

// What a task has given back, by whomever, is not reported, nor is what has no owner.
func TestHeldNothing(t *testing.T) {
	sem := xsync.NewSemaphore(10)
	for name, body := range map[string]func(ctx context.Context, l *lock.AsyncLock, rw *lock.AsyncRWLock) error{
		"released": func(ctx context.Context, l *lock.AsyncLock, rw *lock.AsyncRWLock) error {
			_ = l.Do(ctx, core.Yield)
			_ = rw.RDo(ctx, core.Yield)
			return rw.Do(ctx, core.Yield)
		},
		"released by another": func(ctx context.Context, l *lock.AsyncLock, rw *lock.AsyncRWLock) error {
			if err := errors.Join(l.Acquire(ctx), rw.RAcquire(ctx)); err != nil {
				return err
			}
			return core.Start(ctx, func(context.Context) error { l.Release(); rw.RRelease(); return nil }).Wait(ctx)
		},
		"not acquired": func(ctx context.Context, l *lock.AsyncLock, rw *lock.AsyncRWLock) error {
			ctx, cancel := core.WithCancel(ctx)
			cancel()
			_, _ = l.Acquire(ctx), rw.Acquire(ctx)
			return nil
		},
		"permits": func(ctx context.Context, _ *lock.AsyncLock, _ *lock.AsyncRWLock) error { return sem.AcquireN(ctx, 2) },
		"acquired by a goroutine": func(ctx context.Context, l *lock.AsyncLock, _ *lock.AsyncRWLock) error {
			_, err := core.Blocking(ctx, func(ctx context.Context) (int, error) { return 0, l.Acquire(ctx) })
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			track(t)
			var l lock.AsyncLock
			var rw lock.AsyncRWLock
			if held := reports(t, func(ctx context.Context) error {
				return core.Start(ctx, func(ctx context.Context) error { return body(ctx, &l, &rw) }).Wait(ctx)
			}); held != nil {
				t.Errorf("reported: %v", held)
			}
		})
	}
	// The permits are still there, with their holder.
	track(t)
	_ = reports(t, func(ctx context.Context) error {
		return core.Start(ctx, func(ctx context.Context) error { return sem.AcquireN(ctx, 3) }).Wait(ctx)
	})
	who := sem.Stats().Who
	if len(who.Holders) != 1 || who.Holders[0].N != 3 || !who.Holders[0].Ended {
		t.Errorf("holders %v", who.Holders)
	}
}

// While tracking is off nothing is noted, and what was acquired then is not known afterwards.
func TestHeldOff(t *testing.T) {
	core.Track(false)
	var l, late, early lock.AsyncLock
	held := reports(t, func(ctx context.Context) error {
		if err := core.Start(ctx, l.Acquire).Wait(ctx); err != nil {
			return err
		}
		if l.Stats().Who != nil {
			t.Error("there are holders while tracking is off")
		}
		return core.Start(ctx, func(ctx context.Context) error {
			if err := early.Acquire(ctx); err != nil {
				return err
			}
			core.Track(true)
			defer core.Track(false)
			if err := late.Acquire(ctx); err != nil { // by a task that is not known
				return err
			}
			for _, c := range late.Stats().Who.Holders {
				if c.Task != "" || !strings.Contains(c.Place, "TestHeldOff") {
					t.Errorf("held by %v", c)
				}
			}
			if n := len(early.Stats().Who.Holders); n != 0 {
				t.Errorf("%d holders are known", n)
			}
			early.Release()
			return nil
		}).Wait(ctx)
	})
	if held != nil {
		t.Errorf("reported: %v", held)
	}
	// What was known before tracking was turned off is forgotten.
	track(t)
	if who := late.Stats().Who; who == nil || len(who.Holders) != 0 {
		t.Errorf("held by %v", who)
	}
}

// Tasks on goroutines have no dispatcher that could hear of it: it is logged.
func TestHeldOnGoroutine(t *testing.T) {
	track(t)
	var text bytes.Buffer
	log.SetOutput(&text)
	defer log.SetOutput(os.Stderr)
	var l lock.AsyncLock
	wantErr(t, "Start", core.Start(t.Context(), func(ctx context.Context) error { return l.Acquire(ctx) }).Wait(t.Context()), nil)
	if got := text.String(); !strings.Contains(got, "core_test.TestHeldOnGoroutine.func") || !strings.Contains(got, "holds the lock.AsyncLock") {
		t.Errorf("logged: %q", got)
	}
	if c := l.Stats().Who.Holders[0]; !c.Ended || !strings.Contains(c.Task, "TestHeldOnGoroutine") {
		t.Errorf("held by %v", c)
	}
}

// Where there is no Unhandled, it is logged, too.
func TestHeldLogged(t *testing.T) {
	track(t)
	var text bytes.Buffer
	log.SetOutput(&text)
	defer log.SetOutput(os.Stderr)
	run(t, func(t *testing.T, ctx context.Context) {
		var l lock.AsyncLock
		wantErr(t, "Start", core.Start(ctx, l.Acquire).Wait(ctx), nil)
	})
	if got := text.String(); !strings.Contains(got, "lock.(*AsyncLock).Acquire") {
		t.Errorf("logged: %q", got)
	}
}
