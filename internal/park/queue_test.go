package park_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/internal/park"
)

// owner is a mutex and a queue.
type owner struct {
	mu    sync.Mutex
	queue park.Queue[int]
}

func never(*int) (bool, error) { return false, nil }

func (o *owner) grant(t *testing.T) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.queue.Grant() {
		t.Fatal("nobody waits")
	}
}

// waiting fails the test unless n wait and the mutex is free.
func (o *owner) waiting(t *testing.T, n int) {
	t.Helper()
	if !o.mu.TryLock() {
		t.Fatal("the mutex is locked")
	}
	defer o.mu.Unlock()
	if got := o.queue.Len(); got != n {
		t.Fatalf("%d wait, want %d", got, n)
	}
}

// task runs a body as a task by hand.
func task(h *check.Host, body func(ctx context.Context)) (ended chan struct{}) {
	ended = make(chan struct{})
	go func() {
		defer close(ended)
		h.Run(body)
	}()
	synctest.Wait()
	return ended
}

func isClosed(ch chan struct{}) bool {
	synctest.Wait()
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

func TestTaskWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o owner
		h := check.NewHost(t.Context())
		ended := task(h, func(ctx context.Context) {
			v, err := o.queue.Wait(ctx, &o.mu, 1, never)
			if v != 8 || err != nil {
				t.Errorf("Wait() = %d, %v", v, err)
			}
		})
		o.waiting(t, 1)
		if !h.Suspended() || !h.Armed() || h.Suspends() != 1 {
			t.Fatalf("suspended %t, armed %t, %d times", h.Suspended(), h.Armed(), h.Suspends())
		}
		o.mu.Lock()
		o.queue.Hand(8)
		o.mu.Unlock()
		<-ended
		if h.Armed() {
			t.Error("still armed")
		}
		o.waiting(t, 0)
	})
}

// What decides is who waits, and the ctx only says when it ends: a task that waits with a
// foreign ctx, or with one that never ends, is suspended too.
func TestTaskWithForeignContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o owner
		ctx := check.NewCtx()
		h := check.NewHost(t.Context())
		ended := task(h, func(context.Context) {
			if _, err := o.queue.Wait(ctx, &o.mu, 1, never); err != context.Canceled {
				t.Errorf("Wait() = %v", err)
			}
			if _, err := o.queue.Wait(context.Background(), &o.mu, 1, never); err != nil {
				t.Errorf("Wait() = %v", err)
			}
		})
		ctx.Cancel()
		synctest.Wait()
		o.waiting(t, 1)
		if !h.Suspended() {
			t.Fatal("not suspended")
		}
		o.grant(t)
		<-ended
	})
}

// Wakes that were meant for an earlier wait, or for none, find nothing to do.
func TestStaleWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o owner
		h := check.NewHost(context.Background())
		first := check.NewCtx()
		waits := 0
		ended := task(h, func(ctx context.Context) {
			for _, ctx := range []context.Context{first, ctx, ctx} {
				if _, err := o.queue.Wait(ctx, &o.mu, 1, never); err != nil {
					t.Errorf("wait %d: %v", waits, err)
				}
				waits++
				h.Wake() // by one that woke just before the next wait begins
			}
		})
		for i := range 3 {
			// The cancel of the first wait's ctx comes in the second one.
			if i == 1 {
				first.Cancel()
			}
			for range 3 {
				h.Wake()
				synctest.Wait()
			}
			if waits != i || !h.Suspended() || isClosed(ended) {
				t.Fatalf("a stale wake ended wait %d", i)
			}
			o.waiting(t, 1)
			o.grant(t)
			synctest.Wait()
		}
		<-ended
		if n := h.Suspends(); n < 9 {
			t.Errorf("%d suspensions: the wakes came to nothing before they were stale", n)
		}
	})
}

func TestTaskGrantWinsOverCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o owner
		ctx, cancel := context.WithCancel(t.Context())
		h := check.NewHost(ctx)
		ended := task(h, func(ctx context.Context) {
			if v, err := o.queue.Wait(ctx, &o.mu, 1, never); v != 6 || err != nil {
				t.Errorf("Wait() = %d, %v", v, err)
			}
			if _, err := o.queue.Wait(ctx, &o.mu, 1, never); err != context.Canceled {
				t.Errorf("the next Wait() = %v", err)
			}
		})
		o.mu.Lock()
		cancel()
		h.Close(errors.ErrUnsupported)
		o.queue.Hand(6)
		o.mu.Unlock()
		<-ended
		o.waiting(t, 0)
	})
}

func TestTaskCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o owner
		ctx, cancel := context.WithCancel(t.Context())
		open := false
		take := func(*int) (bool, error) { return open, nil }
		first := task(check.NewHost(ctx), func(ctx context.Context) {
			if v, err := o.queue.Wait(ctx, &o.mu, 1, take); v != 1 || err != context.Canceled {
				t.Errorf("Wait() = %d, %v", v, err)
			}
		})
		second := task(check.NewHost(t.Context()), func(ctx context.Context) {
			if _, err := o.queue.Wait(ctx, &o.mu, 2, take); err != nil {
				t.Errorf("Wait() = %v", err)
			}
		})
		// The state changes, and nobody has told the queue, when the head gives up.
		o.mu.Lock()
		open = true
		o.mu.Unlock()
		cancel()
		<-first
		<-second
		o.waiting(t, 0)
	})
}

func TestTaskOfClosedDispatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o owner
		over := errors.New("over")
		h := check.NewHost(t.Context())
		ended := task(h, func(ctx context.Context) {
			if v, err := o.queue.Wait(ctx, &o.mu, 1, never); v != 1 || err != over {
				t.Errorf("the wait that was on: %d, %v", v, err)
			}
			if v, err := o.queue.Wait(ctx, &o.mu, 2, never); v != 2 || err != over {
				t.Errorf("a new wait: %d, %v", v, err)
			}
			o.mu.Lock()
			if v, err := o.queue.WaitLocked(ctx, &o.mu, 3, nil); v != 3 || err != over {
				t.Errorf("a new wait: %d, %v", v, err)
			}
			// What is there can still be taken.
			take := func(*int) (bool, error) { return true, nil }
			if _, err := o.queue.Wait(ctx, &o.mu, 4, take); err != nil {
				t.Errorf("a call that need not wait: %v", err)
			}
		})
		o.waiting(t, 1)
		h.Close(over)
		<-ended
		o.waiting(t, 0)
		if h.Suspends() != 1 || h.Refusals() != 3 {
			t.Errorf("suspended %d times, refused %d times, want 1 and 3", h.Suspends(), h.Refusals())
		}
	})
}

// A panic of take on the way out of a canceled wait leaves neither the mutex locked nor the
// ctx armed, so the task can go on.
func TestTaskPanicOfTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o owner
		ctx, cancel := context.WithCancel(t.Context())
		h := check.NewHost(ctx)
		first := task(h, func(ctx context.Context) {
			o.mu.Lock()
			boom := func(*int) (bool, error) { panic("boom") }
			if r := panics(func() { _, _ = o.queue.WaitLocked(ctx, &o.mu, 1, boom) }); r != "boom" {
				t.Errorf("panic %v", r)
			}
			if h.Armed() {
				t.Error("still armed")
				return
			}
			if _, err := o.queue.Wait(context.Background(), &o.mu, 1, never); err != nil {
				t.Errorf("the next Wait() = %v", err)
			}
		})
		second := task(check.NewHost(t.Context()), func(ctx context.Context) {
			_, _ = o.queue.Wait(ctx, &o.mu, 2, never)
		})
		cancel()
		if isClosed(first) || isClosed(second) {
			t.Fatal("a wait ended without a grant")
		}
		o.waiting(t, 2)
		o.grant(t)
		o.grant(t)
		<-first
		<-second
	})
}

// On the goroutine of a loop a call may take what is there; it must not wait.
func TestWaitInCallbackPanics(t *testing.T) {
	var o owner
	var g park.G
	g.Enter()
	defer g.Leave()
	const text = "core: wait inside a dispatcher callback"
	take := func(*int) (bool, error) { return true, nil }
	if _, err := o.queue.Wait(t.Context(), &o.mu, 1, take); err != nil {
		t.Errorf("a call that need not wait: %v", err)
	}
	if r := panics(func() { _, _ = o.queue.Wait(t.Context(), &o.mu, 1, never) }); r != text {
		t.Errorf("Wait: panic %v", r)
	}
	o.waiting(t, 0)
	if r := panics(func() {
		o.mu.Lock()
		_, _ = o.queue.WaitLocked(t.Context(), &o.mu, 1, nil)
	}); r != text {
		t.Errorf("WaitLocked: panic %v", r)
	}
	o.waiting(t, 0)
	if _, ok, _ := o.queue.Try(&o.mu, 1, take); !ok {
		t.Error("Try() = false")
	}
	o.waiting(t, 0)
}

// A goroutine that a task starts is an ordinary one, though it has the task's ctx.
func TestGoroutineWithContextOfTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o owner
		h := check.NewHost(t.Context())
		inner := make(chan struct{})
		<-task(h, func(ctx context.Context) {
			go func() {
				defer close(inner)
				if _, err := o.queue.Wait(ctx, &o.mu, 1, never); err != nil {
					t.Errorf("Wait() = %v", err)
				}
			}()
		})
		synctest.Wait()
		if h.Suspends() != 0 {
			t.Error("the task was suspended")
		}
		o.grant(t)
		<-inner
	})
}

// A goroutine is granted while it asks its ctx for Done, which is not under the mutex.
func TestGrantBeforeGoroutineBlocks(t *testing.T) {
	var o owner
	ctx := &lateCtx{Ctx: check.NewCtx(), owner: &o}
	if v, err := o.queue.Wait(ctx, &o.mu, 1, never); v != 9 || err != nil {
		t.Errorf("Wait() = %d, %v", v, err)
	}
	ctx.nothing = true
	if v, err := o.queue.Wait(ctx, &o.mu, 1, never); v != 9 || err != nil {
		t.Errorf("Wait() without a Done channel = %d, %v", v, err)
	}
	o.waiting(t, 0)
}

// lateCtx makes the grant inside Done.
type lateCtx struct {
	*check.Ctx
	owner   *owner
	nothing bool
}

func (c *lateCtx) Done() <-chan struct{} {
	c.owner.mu.Lock()
	defer c.owner.mu.Unlock()
	c.owner.queue.Hand(9)
	if c.nothing {
		return nil
	}
	return c.Ctx.Done()
}

func BenchmarkWaitNoBlock(b *testing.B) {
	var o owner
	take := func(*int) (bool, error) { return true, nil }
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		_, _ = o.queue.Wait(ctx, &o.mu, 1, take)
	}
}

// A ctx whose methods panic while its call is in the queue takes the call out with it, so that
// nothing is granted to nobody.
func TestPanicOfContextLeavesTheQueue(t *testing.T) {
	for _, at := range []string{"Done", "Err", "Err after a wake"} {
		for name, start := range map[string]func(ctx context.Context, fn func(ctx context.Context)){
			"task":      func(ctx context.Context, fn func(ctx context.Context)) { check.NewHost(ctx).Run(fn) },
			"goroutine": func(ctx context.Context, fn func(ctx context.Context)) { fn(ctx) },
		} {
			if name == "task" && at == "Err after a wake" {
				continue // the standard library would ask it on a goroutine of its own
			}
			t.Run(name+"/"+at, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var o owner
					ctx := &panicky{Context: t.Context(), done: make(chan struct{}), at: at}
					panicked := make(chan any, 1)
					go start(t.Context(), func(context.Context) {
						defer func() { panicked <- recover() }()
						_, _ = o.queue.Wait(ctx, &o.mu, 1, never)
					})
					synctest.Wait()
					close(ctx.done) // wakes it, if it has come as far
					synctest.Wait()
					if p := <-panicked; p != any(at) {
						t.Fatalf("panicked with %v, want %q", p, at)
					}
					o.mu.Lock()
					defer o.mu.Unlock()
					if n := o.queue.Len(); n != 0 {
						t.Errorf("%d waiters are left", n)
					}
				})
			})
		}
	}
}

// panicky is a ctx one of whose methods panics.
type panicky struct {
	context.Context
	done chan struct{}
	at   string
	errs atomic.Int32 // calls of Err
}

func (p *panicky) Done() <-chan struct{} {
	if p.at == "Done" {
		panic(p.at)
	}
	return p.done
}

func (p *panicky) Err() error {
	n := p.errs.Add(1)
	if p.at == "Err" && n > 1 {
		panic(p.at)
	}
	select {
	case <-p.done:
		if p.at == "Err after a wake" {
			panic(p.at)
		}
		return context.Canceled
	default:
		return nil
	}
}
