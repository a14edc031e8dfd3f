package event_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/event"
	"github.com/seed-1e54c410/turnstile/internal/check"
)

func TestMain(m *testing.M) { check.Main(m) }

func state(e *event.AsyncEvent) string {
	s := e.Stats()
	return fmt.Sprintf("set=%t waiting=%d", s.Set, s.Waiting)
}

func want(t *testing.T, e *event.AsyncEvent, set bool, waiting int) {
	t.Helper()
	if got, want := e.Stats(), (event.Stats{Set: set, Waiting: waiting}); got != want {
		t.Fatalf("Stats() = %+v, want %+v", got, want)
	}
	if e.IsSet() != set {
		t.Fatalf("IsSet() = %t, Stats say %t", !set, set)
	}
}

// waiters starts n waits in order, and returns what they have returned, sorted by
// their numbers.
func waiters(e *event.AsyncEvent, ctx func(i int) context.Context, n int) (results func() []string) {
	var mu sync.Mutex
	var got []string
	for i := range n {
		go func() {
			err := e.Wait(ctx(i))
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
		slices.Sort(out)
		return out
	}
}

func TestModel(t *testing.T) {
	check.Events(state).Everywhere(t, func(int) *event.AsyncEvent { return new(event.AsyncEvent) })
}

func TestStress(t *testing.T) {
	s := check.Stress{
		Runner: &check.Mixed{Of: []check.Stepper{new(check.Goroutines), &check.Hosts{Nag: true}}},
		N:      100, Ops: check.Times(100, 5000),
	}
	var e event.AsyncEvent
	if err := s.Event(&e); err != nil {
		t.Fatal(err)
	}
	want(t, &e, false, 0)
}

func TestDoneContextLoses(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var e event.AsyncEvent
	for _, set := range []bool{false, true} {
		if set {
			e.Fire()
		}
		if err := e.Wait(ctx); err != context.Canceled {
			t.Errorf("set %t: Wait() = %v", set, err)
		}
		want(t, &e, set, 0)
	}
}

func TestFire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e event.AsyncEvent
		results := waiters(&e, func(int) context.Context { return t.Context() }, 3)
		want(t, &e, false, 3)
		e.Fire()
		want(t, &e, true, 0)
		if got := results(); !slices.Equal(got, []string{"0 <nil>", "1 <nil>", "2 <nil>"}) {
			t.Fatalf("got %v", got)
		}
		e.Fire()
		if err := e.Wait(t.Context()); err != nil {
			t.Fatalf("Wait() on a set event = %v", err)
		}
		e.Clear()
		e.Clear()
		want(t, &e, false, 0)
	})
}

func TestFireThenClear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e event.AsyncEvent
		// With and without a Done channel: they wait in different ways.
		results := waiters(&e, func(i int) context.Context {
			if i%2 == 0 {
				return context.Background()
			}
			return t.Context()
		}, 4)
		e.Fire()
		e.Clear()
		want(t, &e, false, 0)
		if got := results(); !slices.Equal(got, []string{"0 <nil>", "1 <nil>", "2 <nil>", "3 <nil>"}) {
			t.Fatalf("got %v", got)
		}
		// Who comes after the Clear waits for the next Fire.
		results = waiters(&e, func(int) context.Context { return t.Context() }, 1)
		if got := results(); got != nil {
			t.Fatalf("a wait on a cleared event returned: %v", got)
		}
		e.Fire()
		results()
	})
}

func TestCancelWaiter(t *testing.T) {
	for victim, name := range []string{"head", "middle", "tail"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var e event.AsyncEvent
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				results := waiters(&e, func(i int) context.Context {
					if i == victim {
						return ctx
					}
					return t.Context()
				}, 3)
				<-ctx.Done()
				if got := results(); !slices.Equal(got, []string{fmt.Sprint(victim, " context deadline exceeded")}) {
					t.Fatalf("got %v", got)
				}
				want(t, &e, false, 2)
				e.Fire()
				if got := results(); len(got) != 2 {
					t.Fatalf("got %v, want two more", got)
				}
			})
		})
	}
}

func TestFireThenCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 50 { // the select of the waiter is fair to both channels
			var e event.AsyncEvent
			ctx, cancel := context.WithCancel(t.Context())
			results := waiters(&e, func(int) context.Context { return ctx }, 1)
			e.Fire()
			e.Clear()
			cancel()
			if got := results(); !slices.Equal(got, []string{"0 <nil>"}) {
				t.Fatalf("got %v", got)
			}
			if err := e.Wait(ctx); err != context.Canceled {
				t.Fatalf("the next Wait() = %v", err)
			}
		}
	})
}

func TestNoAllocations(t *testing.T) {
	var e event.AsyncEvent
	e.Fire()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if n := testing.AllocsPerRun(1000, func() { _ = e.Wait(ctx) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// An event that nobody waits for any more belongs to no bubble: the next ones to wait may be in another.
func TestEventInOneBubbleAfterTheOther(t *testing.T) {
	var e event.AsyncEvent
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			var c calls
			gone, cancel := context.WithCancel(t.Context())
			for _, name := range []string{"a", "b"} {
				c.start(name, func() string { return text(e.Wait(gone)) })
			}
			c.want(t)
			same(t, "Stats()", e.Stats(), event.Stats{Waiting: 2})
			cancel()
			c.want(t, "a context canceled", "b context canceled")
			same(t, "Stats()", e.Stats(), event.Stats{})
		})
	}
}
