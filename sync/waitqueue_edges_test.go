package xsync_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/internal/check"
)

func TestDoneContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var o owner
	take := func(*int) (bool, error) { t.Error("take was asked for a done ctx"); return true, nil }
	if v, err := o.queue.Wait(ctx, &o.mu, 3, take); v != 3 || err != context.Canceled {
		t.Errorf("Wait() = %d, %v", v, err)
	}
	o.mu.Lock()
	if v, err := o.queue.WaitLocked(ctx, &o.mu, 3, nil); v != 3 || err != context.Canceled {
		t.Errorf("WaitLocked() = %d, %v", v, err)
	}
	o.free(t)
	if o.queue.Len() != 0 {
		t.Errorf("%d wait", o.queue.Len())
	}
}

// A ctx may close Done before Err says so, and the other way round.
func TestContextsInTwoHalves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o owner
		ctx := check.NewCtx()
		results := o.wait(ctx, 1, never)
		ctx.CloseDone()
		equal(t, results(), outcome{0, 0, context.Canceled})

		ctx = check.NewCtx()
		results = o.wait(ctx, 1, never)
		over := errors.New("over")
		ctx.SetErr(over)
		equal(t, results()) // nothing tells the waiter
		ctx.CloseDone()
		equal(t, results(), outcome{0, 0, over})
		if o.queue.Len() != 0 {
			t.Errorf("%d wait", o.queue.Len())
		}
	})
}

// With the mutex held, the order of a cancel and a grant is in the hands of the test; the
// waiter sees both at once.
func TestGrantWinsOverCancel(t *testing.T) {
	for name, first := range map[string]bool{"cancel first": true, "grant first": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for range 20 {
					var o owner
					ctx, cancel := context.WithCancel(t.Context())
					results := o.wait(ctx, 2, never)
					o.mu.Lock()
					if first {
						cancel() // wakes the waiter, which cannot go on
					}
					o.queue.Hand(5)
					o.queue.Fail(1, errors.ErrUnsupported)
					cancel() // again, or now
					o.mu.Unlock()
					equal(t, results(), outcome{0, 5, nil}, outcome{1, 10, errors.ErrUnsupported})
				}
			})
		})
	}
}

// A canceled wait whose grant never came has no part in the next one.
func TestLateCancelOfEarlierWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o owner
		for range 20 {
			ctx := check.NewCtx()
			second := make(chan error)
			go func() {
				_, _ = o.queue.Wait(ctx, &o.mu, 0, never)
				_, err := o.queue.Wait(context.Background(), &o.mu, 0, never)
				second <- err
			}()
			synctest.Wait()
			o.mu.Lock()
			o.queue.Grant()
			o.mu.Unlock()
			synctest.Wait()
			ctx.Cancel()
			synctest.Wait()
			select {
			case err := <-second:
				t.Fatalf("the late cancel ended the next wait: %v", err)
			default:
			}
			o.mu.Lock()
			o.queue.Grant()
			o.mu.Unlock()
			if err := <-second; err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Only the first one that gives up can have kept others waiting.
func TestCancelAsksTakeForTheFirstOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o owner
		asked := 0
		take := func(*int) (bool, error) { asked++; return false, nil }
		var cancels [3]func()
		for i := range cancels {
			ctx, cancel := context.WithCancel(t.Context())
			cancels[i] = cancel
			o.wait(ctx, 1, take)
		}
		for _, step := range []struct{ victim, want int }{{1, 1}, {0, 2}, {2, 2}} {
			cancels[step.victim]()
			synctest.Wait()
			// Once for the first newcomer, and once for the last one when the head had gone.
			if asked != step.want {
				t.Fatalf("after the cancel of %d take was asked %d times, want %d", step.victim, asked, step.want)
			}
		}
	})
}

func TestWaitLockedWithoutTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o owner
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan outcome, 2)
		for i := range 2 {
			ctx := ctx
			if i == 1 {
				ctx = t.Context()
			}
			go func() {
				o.mu.Lock()
				v, err := o.queue.WaitLocked(ctx, &o.mu, i, nil)
				ended <- outcome{i, v, err}
			}()
			synctest.Wait()
		}
		cancel()
		if got := <-ended; got != (outcome{0, 0, context.Canceled}) {
			t.Fatalf("got %v", got)
		}
		o.mu.Lock()
		o.queue.Grant()
		o.mu.Unlock()
		if got := <-ended; got != (outcome{1, 1, nil}) {
			t.Fatalf("got %v", got)
		}
	})
}

// panics reports what fn panics with.
func panics(fn func()) (r any) {
	defer func() { r = recover() }()
	fn()
	return nil
}

func TestPanicOfTakeUnlocks(t *testing.T) {
	boom := func(*int) (bool, error) { panic("boom") }
	var o owner
	if r := panics(func() { _, _ = o.queue.Wait(t.Context(), &o.mu, 0, boom) }); r != "boom" {
		t.Errorf("Wait panicked with %v", r)
	}
	o.free(t)
	if r := panics(func() { _, _, _ = o.queue.Try(&o.mu, 0, boom) }); r != "boom" {
		t.Errorf("Try panicked with %v", r)
	}
	o.free(t)
	if o.queue.Len() != 0 {
		t.Errorf("%d wait", o.queue.Len())
	}
	// Goexit too, as of a t.FailNow in take.
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = o.queue.Wait(t.Context(), &o.mu, 0, func(*int) (bool, error) { runtime.Goexit(); return true, nil })
	})
	wg.Wait()
	o.free(t)
}

func TestPanicOfTakeOnCancelUnlocks(t *testing.T) {
	boom := func(*int) (bool, error) { panic("boom") }
	synctest.Test(t, func(t *testing.T) {
		for name, start := range map[string]func(o *owner, ctx context.Context){
			"Wait": func(o *owner, ctx context.Context) {
				asked := false
				_, _ = o.queue.Wait(ctx, &o.mu, 0, func(v *int) (bool, error) {
					if !asked {
						asked = true
						return false, nil
					}
					return boom(v)
				})
			},
			"WaitLocked": func(o *owner, ctx context.Context) {
				o.mu.Lock()
				_, _ = o.queue.WaitLocked(ctx, &o.mu, 0, boom)
			},
		} {
			var o owner
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan any)
			go func() { ended <- panics(func() { start(&o, ctx) }) }()
			synctest.Wait()
			results := o.wait(t.Context(), 2, never)
			cancel()
			if r := <-ended; r != "boom" {
				t.Errorf("%s: the canceled wait panicked with %v", name, r)
			}
			o.free(t)
			// The others still wait.
			o.mu.Lock()
			if n := o.queue.GrantN(-1); n != 2 {
				t.Errorf("%s: %d wait, want 2", name, n)
			}
			o.mu.Unlock()
			equal(t, results(), outcome{0, 0, nil}, outcome{1, 10, nil})
		}
	})
}

// A panic that leaves Settle finds the mutex locked, for the owner's deferred Unlock.
func TestPanicOfTakeInSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o owner
		results := o.wait(t.Context(), 1, never)
		if r := panics(func() {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.queue.Settle(func(*int) (bool, error) { panic("boom") })
		}); r != "boom" {
			t.Errorf("Settle panicked with %v", r)
		}
		o.mu.Lock()
		o.queue.Grant()
		o.mu.Unlock()
		equal(t, results(), outcome{0, 0, nil})
	})
}

// The nodes that a queue keeps for re-use carry nothing over.
func TestManyRounds(t *testing.T) {
	bubbles(t, func(t *testing.T, ctx context.Context, o *owner) {
		for round := range 5 {
			results := o.wait(ctx, 40, never) // more than it keeps
			o.mu.Lock()
			if round%2 == 0 {
				o.queue.Fail(20, errors.ErrUnsupported)
			}
			o.queue.GrantN(-1)
			o.mu.Unlock()
			for i, got := range results() {
				want := outcome{i, 10 * i, nil}
				if round%2 == 0 && i < 20 {
					want.err = errors.ErrUnsupported
				}
				if got != want {
					t.Fatalf("round %d: got %v, want %v", round, got, want)
				}
			}
		}
	})
}

func TestNoAllocations(t *testing.T) {
	s := semaphore{free: 1}
	take := s.take
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := s.queue.Wait(ctx, &s.mu, 1, take); err == nil {
			s.mu.Lock()
			s.free++
			s.queue.Settle(take)
			s.mu.Unlock()
		}
		if _, ok, _ := s.queue.Try(&s.mu, 2, take); ok {
			t.Fatal("there are not so many")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
