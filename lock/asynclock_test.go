package lock_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/lock"
)

func TestMain(m *testing.M) { check.Main(m) }

func state(l *lock.AsyncLock) string {
	s := l.Stats()
	return fmt.Sprintf("locked=%t waiting=%d", s.Locked, s.Waiting)
}

func want(t *testing.T, l *lock.AsyncLock, locked bool, waiting int) {
	t.Helper()
	if got, want := l.Stats(), (lock.Stats{Locked: locked, Waiting: waiting}); got != want {
		t.Fatalf("Stats() = %+v, want %+v", got, want)
	}
	if l.Locked() != locked {
		t.Fatalf("Locked() = %t, Stats say %t", !locked, locked)
	}
}

func mustPanic(t *testing.T, text string, fn func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if r := recover(); r != text {
			t.Fatalf("panic %v, want %q", r, text)
		}
	}()
	fn()
}

// acquirers starts n callers in order. What they return comes in the order in which they
// return; granted ones keep the lock.
func acquirers(l *lock.AsyncLock, ctx func(i int) context.Context, n int) (results func() []string) {
	var mu sync.Mutex
	var got []string
	for i := range n {
		go func() {
			err := l.Acquire(ctx(i))
			mu.Lock()
			defer mu.Unlock()
			got = append(got, fmt.Sprint(i, " ", err))
		}()
		synctest.Wait()
	}
	return func() []string {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		out := got
		got = nil
		return out
	}
}

func background(int) context.Context { return context.Background() }

func TestModel(t *testing.T) {
	check.Locks(state).Everywhere(t, func(int) *lock.AsyncLock { return new(lock.AsyncLock) })
}

func TestStress(t *testing.T) {
	s := check.Stress{Runner: new(check.Goroutines), N: 100, Ops: check.Times(100, 5000)}
	var outer, inner lock.AsyncLock
	if err := s.Lock(&outer, &inner); err != nil {
		t.Fatal(err)
	}
	want(t, &outer, true, 0) // the stress took it last
	want(t, &inner, true, 0)
}

func TestStressHosts(t *testing.T) {
	s := check.Stress{
		Runner: &check.Mixed{Of: []check.Stepper{new(check.Goroutines), &check.Hosts{Nag: true}}},
		N:      50, Ops: check.Times(50, 5000),
	}
	var outer, inner lock.AsyncLock
	if err := s.Lock(&outer, &inner); err != nil {
		t.Fatal(err)
	}
}

func TestDoneContextLoses(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	expired, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	user := check.NewCtx()
	user.SetErr(errors.New("over"))
	for _, ctx := range []context.Context{canceled, expired, user} {
		var l lock.AsyncLock
		if err := l.Acquire(ctx); err != ctx.Err() {
			t.Errorf("free: Acquire() = %v, want %v", err, ctx.Err())
		}
		want(t, &l, false, 0)
		ran := false
		if err := l.Do(ctx, func(context.Context) error { ran = true; return nil }); err != ctx.Err() || ran {
			t.Errorf("free: Do() = %v, ran %t, want %v", err, ran, ctx.Err())
		}
		want(t, &l, false, 0)
		l.TryAcquire()
		if err := l.Acquire(ctx); err != ctx.Err() {
			t.Errorf("held: Acquire() = %v, want %v", err, ctx.Err())
		}
		want(t, &l, true, 0)
	}
}

func TestReleasePanics(t *testing.T) {
	const text = "lock: release of unlocked AsyncLock"
	var l lock.AsyncLock
	mustPanic(t, text, l.Release)
	want(t, &l, false, 0)
	if !l.TryAcquire() {
		t.Fatal("the lock is lost after the panic")
	}
	l.Release()
	mustPanic(t, text, l.Release)
	// After contention the release takes the slow path.
	synctest.Test(t, func(t *testing.T) {
		var l lock.AsyncLock
		l.TryAcquire()
		results := acquirers(&l, background, 1)
		l.Release()
		l.Release()
		mustPanic(t, text, l.Release)
		want(t, &l, false, 0)
		results()
	})
}

func TestHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lock.AsyncLock
		l.TryAcquire()
		results := acquirers(&l, background, 3)
		want(t, &l, true, 3)
		for i := range 3 {
			l.Release()
			// Before the waiter has run: the lock is its own already.
			if l.TryAcquire() {
				t.Fatal("TryAcquire overtook a waiter")
			}
			want(t, &l, true, 2-i)
			if got, want := results(), []string{fmt.Sprint(i, " <nil>")}; !slices.Equal(got, want) {
				t.Fatalf("got %v, want %v", got, want)
			}
		}
		l.Release()
		want(t, &l, false, 0)
	})
}

func TestCancelWaiter(t *testing.T) {
	for victim, name := range []string{"head", "middle", "tail"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l lock.AsyncLock
				l.TryAcquire()
				ctx, cancel := context.WithCancel(t.Context())
				results := acquirers(&l, func(i int) context.Context {
					if i == victim {
						return ctx
					}
					return t.Context()
				}, 3)
				cancel()
				if got, want := results(), []string{fmt.Sprint(victim, " context canceled")}; !slices.Equal(got, want) {
					t.Fatalf("got %v, want %v", got, want)
				}
				want(t, &l, true, 2)
				for i := range 3 {
					if i == victim {
						continue
					}
					l.Release()
					if got, want := results(), []string{fmt.Sprint(i, " <nil>")}; !slices.Equal(got, want) {
						t.Fatalf("got %v, want %v", got, want)
					}
				}
				l.Release()
				want(t, &l, false, 0)
			})
		})
	}
}

// A waiter whose ctx ends in the moment of the grant has the lock.
func TestGrantThenCancel(t *testing.T) {
	for name, ctx := range map[string]func() (context.Context, func()){
		"context": func() (context.Context, func()) { return context.WithCancel(context.Background()) },
		"user's":  func() (context.Context, func()) { c := check.NewCtx(); return c, c.Cancel },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for range 50 { // the select of the waiter is fair to both channels
					var l lock.AsyncLock
					l.TryAcquire()
					ctx, cancel := ctx()
					results := acquirers(&l, func(int) context.Context { return ctx }, 1)
					l.Release()
					cancel()
					if got, want := results(), []string{"0 <nil>"}; !slices.Equal(got, want) {
						t.Fatalf("got %v, want %v", got, want)
					}
					want(t, &l, true, 0)
					if err := l.Acquire(ctx); err != context.Canceled {
						t.Fatalf("the next Acquire() = %v", err)
					}
				}
			})
		})
	}
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lock.AsyncLock
		l.TryAcquire()
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := l.Acquire(ctx); err != context.DeadlineExceeded {
			t.Fatalf("Acquire() = %v", err)
		}
		if d := time.Since(start); d != time.Hour {
			t.Fatalf("it took %v", d)
		}
		want(t, &l, true, 0)
	})
}

func TestDo(t *testing.T) {
	var l lock.AsyncLock
	over := errors.New("over")
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, 1)
	err := l.Do(ctx, func(got context.Context) error {
		want(t, &l, true, 0)
		if got != ctx {
			t.Error("fn has another ctx")
		}
		return over
	})
	if err != over {
		t.Fatalf("Do() = %v, want the error of fn", err)
	}
	want(t, &l, false, 0)

	mustPanic(t, "boom", func() {
		_ = l.Do(ctx, func(context.Context) error { panic("boom") })
	})
	want(t, &l, false, 0)

	var wg sync.WaitGroup
	wg.Go(func() {
		_ = l.Do(ctx, func(context.Context) error { runtime.Goexit(); return nil })
	})
	wg.Wait()
	want(t, &l, false, 0)
}

// The lock has no owner: a Release by anybody lets the next one go.
func TestReleaseByAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lock.AsyncLock
		if err := l.Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		results := acquirers(&l, background, 1)
		go l.Release()
		if got, want := results(), []string{"0 <nil>"}; !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func TestNoAllocations(t *testing.T) {
	var l lock.AsyncLock
	cancelable, cancel := context.WithCancel(context.Background())
	defer cancel()
	for name, ctx := range map[string]context.Context{"background": context.Background(), "cancelable": cancelable} {
		if n := testing.AllocsPerRun(1000, func() {
			if l.Acquire(ctx) == nil {
				l.Release()
			}
			if l.TryAcquire() {
				l.Release()
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// While the queue is never empty, whoever tries at any moment of a hand-over gets nothing.
func TestTryNeverOvertakes(t *testing.T) {
	const users = 3
	var l lock.AsyncLock
	var wg sync.WaitGroup
	var stop, last atomic.Bool
	overtook := 0
	full := func() {
		for !last.Load() && l.Stats().Waiting < users-1 {
			runtime.Gosched()
		}
	}
	if err := l.Acquire(t.Context()); err != nil { // until all but one wait
		t.Fatal(err)
	}
	rounds := check.Times(2000, 200000)
	for range users {
		wg.Go(func() {
			for !last.Load() {
				_ = l.Acquire(context.Background())
				full()
				if rounds--; rounds <= 0 {
					stop.Store(true)
				}
				l.Release()
			}
		})
	}
	full()
	l.Release()
	for n := 1; !stop.Load(); n++ {
		if l.TryAcquire() {
			overtook++
			l.Release()
		}
		if n%64 == 0 {
			runtime.Gosched() // js has one thread, which nobody takes away
		}
	}
	last.Store(true)
	wg.Wait()
	if overtook != 0 {
		t.Errorf("%d waits were overtaken", overtook)
	}
}
