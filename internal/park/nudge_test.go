package park_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/internal/park"
)

// counted is an owner of permits, whose waiters take for themselves.
type counted struct {
	owner
	permits int
	asked   int
}

func (c *counted) take(*int) (bool, error) {
	c.asked++
	if c.permits == 0 {
		return false, nil
	}
	c.permits--
	return true, nil
}

// add makes permits, and tells the head.
func (c *counted) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.permits += n
	c.queue.Nudge()
}

// participants run fn as a task, as a goroutine with a ctx that can end, and as one without.
func participants(fn func(ctx context.Context)) map[string]func(ctx context.Context) {
	return map[string]func(ctx context.Context){
		"task":       func(ctx context.Context) { check.NewHost(ctx).Run(fn) },
		"goroutine":  fn,
		"background": func(context.Context) { fn(context.Background()) },
	}
}

// A waiter that is nudged takes by itself, and lets those behind it go.
func TestNudge(t *testing.T) {
	var c *counted
	var order []int
	wait := func(ctx context.Context) {
		if _, err := c.queue.Wait(ctx, &c.mu, 1, c.take); err != nil {
			t.Error(err)
		}
	}
	for name, run := range participants(wait) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, order = &counted{}, nil
				if c.queue.Nudge() {
					t.Error("Nudge of nobody")
				}
				var wg sync.WaitGroup
				for i := range 5 {
					wg.Go(func() {
						run(t.Context())
						c.mu.Lock()
						order = append(order, i)
						c.mu.Unlock()
					})
					synctest.Wait()
				}
				c.waiting(t, 5)
				c.add(0) // for nothing
				synctest.Wait()
				c.waiting(t, 5)
				c.add(1)
				synctest.Wait()
				c.waiting(t, 4)
				c.add(0)
				c.add(1) // two nudges, one look
				synctest.Wait()
				c.waiting(t, 3)
				c.add(2) // one nudge, two go
				synctest.Wait()
				c.waiting(t, 1)
				c.grant(t)
				wg.Wait()
				c.waiting(t, 0)
				if c.permits != 0 {
					t.Errorf("%d permits are left", c.permits)
				}
				if len(order) != 5 || order[0] != 0 || order[1] != 1 || order[4] != 4 {
					t.Errorf("order %v", order)
				}
			})
		})
	}
}

// A head that was nudged and gives up leaves what there is to the next.
func TestNudgeAndCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c counted
		ctx, cancel := context.WithCancel(t.Context())
		first := task(check.NewHost(ctx), func(ctx context.Context) {
			if _, err := c.queue.Wait(ctx, &c.mu, 1, c.take); err != context.Canceled {
				t.Errorf("Wait() = %v", err)
			}
		})
		second := task(check.NewHost(t.Context()), func(ctx context.Context) {
			if _, err := c.queue.Wait(ctx, &c.mu, 1, c.take); err != nil {
				t.Errorf("Wait() = %v", err)
			}
		})
		c.mu.Lock()
		c.permits++
		c.queue.Nudge()
		cancel()
		c.mu.Unlock()
		<-first
		<-second
		c.waiting(t, 0)
	})
}

// A panic of take in a waiter that was nudged takes that one away, with the mutex free.
func TestNudgePanic(t *testing.T) {
	boom := func(*int) (bool, error) { panic("boom") }
	var c *counted
	wait := func(ctx context.Context) {
		if r := panics(func() {
			c.mu.Lock()
			_, _ = c.queue.WaitLocked(ctx, &c.mu, 1, boom)
		}); r != "boom" {
			t.Errorf("panic %v", r)
		}
	}
	for name, run := range participants(wait) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c = &counted{}
				ended := make(chan struct{})
				go func() { defer close(ended); run(t.Context()) }()
				synctest.Wait()
				c.waiting(t, 1)
				c.add(1)
				<-ended
				c.waiting(t, 0)
			})
		})
	}
}

// A call without a ctx ends with the task that makes it, and on a goroutine with a grant alone.
func TestWaitOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o owner
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		h := check.NewHost(ctx)
		for _, known := range []bool{false, true} {
			ended := task(h, func(context.Context) {
				o.mu.Lock()
				var err error
				if known {
					err = o.queue.WaitOwn(h, &o.mu, new(1), never, false)
				} else {
					err = o.queue.WaitHere(&o.mu, new(1), never)
				}
				if want := ctx.Err(); err != want {
					t.Errorf("WaitOwn() = %v, want %v", err, want)
				}
			})
			o.waiting(t, 1)
			if known {
				cancel()
			} else {
				o.grant(t)
			}
			<-ended
			o.waiting(t, 0)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			o.mu.Lock()
			if err := o.queue.WaitHere(&o.mu, new(1), never); err != nil {
				t.Errorf("WaitHere() = %v", err)
			}
		}()
		synctest.Wait()
		o.grant(t)
		<-ended
	})
}

// Whoever gets a place does not look because the one who had it before was told to.
func TestPlaceForgetsNudge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var q park.Queue[int]
		for _, nudged := range []bool{true, false} {
			go func() {
				mu.Lock()
				_, _ = q.WaitLocked(context.Background(), &mu, 0, nil)
			}()
			synctest.Wait()
			mu.Lock()
			if nudged {
				q.Nudge()
			}
			q.Grant()
			mu.Unlock()
			synctest.Wait()
		}
	})
}

// A wait in a simulation may end by a panic of Suspend, and leaves nothing in the queue then.
func TestWaitOwnLeavesTheQueue(t *testing.T) {
	var o owner
	h := check.NewHost(t.Context())
	h.Panic = "over"
	var seat park.Seat[int]
	for what, wait := range map[string]func(){
		"WaitOwn": func() { _ = o.queue.WaitOwn(h, &o.mu, new(1), never, false) },
		"WaitIn":  func() { _ = o.queue.WaitIn(&seat, h, &o.mu) },
	} {
		o.mu.Lock()
		if r := panics(wait); r != "over" {
			t.Errorf("%s panics with %v", what, r)
		}
		o.waiting(t, 0)
	}
}
