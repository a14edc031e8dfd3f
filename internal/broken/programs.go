package broken

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/lock"
	"github.com/seed-1e54c410/turnstile/proptest"
)

// The bugs of this file are found by properties of a few lines, not by laws.

// tick is a unit of virtual time.
const tick = time.Millisecond

// notifier is a condition that tasks wait for, as of a sync.Cond without its lock.
type notifier interface {
	Wait(ctx context.Context) error
	Notify()
}

// losesNotify is a condition whose waiter, when it is canceled after it was notified, takes the notification with
// it.
type losesNotify struct{ line line[struct{}] }

func (c *losesNotify) Wait(ctx context.Context) error {
	_, _ = c.line.wait(ctx)
	return ctx.Err() // who was notified has to notify another
}

func (c *losesNotify) Notify() { c.line.wake(struct{}{}) }

// notifies is the property of a condition: a notification that is passed on from one to the next reaches all.
func notifies(t proptest.TB, mk func() notifier) {
	proptest.Check(t, func(p *proptest.P) {
		c := mk()
		for i := range p.IntRange(2, 3, "waiters") {
			p.Go(fmt.Sprint("w", i), func(ctx context.Context) error {
				if err := c.Wait(ctx); err != nil {
					return err
				}
				c.Notify()
				return nil
			})
		}
		p.Go("notifier", func(ctx context.Context) error {
			err := core.Sleep(core.Shield(ctx), tick)
			c.Notify()
			return err
		})
	}, proptest.Cancels(2))
}

// dropsListener is a condition on which one listens with a future, besides something else.
type dropsListener struct{ line line[struct{}] }

// waitOr waits for a notification or for other, and drops the listener if other has come.
func (c *dropsListener) waitOr(ctx context.Context, other *core.Future[struct{}]) (notified bool, err error) {
	f := c.line.join()
	defer c.line.leave(f)
	i, err := core.Race(ctx, other, f)
	return i == 1, err // f may have been notified, too
}

// listens is the property of it: what one listener does not take another gets.
func listens(t proptest.TB) {
	proptest.Check(t, func(p *proptest.P) {
		var c dropsListener
		never := core.NewFuture[struct{}]()
		other := core.NewFuture[struct{}]()
		at := time.Duration(p.IntRange(1, 2, "other comes at")) * tick
		for i, end := range []*core.Future[struct{}]{other, never} {
			p.Go(fmt.Sprint("w", i), func(ctx context.Context) error {
				ok, err := c.waitOr(ctx, end)
				if ok {
					never.TryComplete(struct{}{})
				}
				return err
			})
		}
		p.Go("notifier", func(ctx context.Context) error {
			err := core.Sleep(ctx, tick)
			c.line.wake(struct{}{})
			return err
		})
		p.Go("other", func(ctx context.Context) error {
			err := core.Sleep(ctx, at)
			other.Complete(struct{}{})
			return err
		})
	})
}

// swallowsCancel runs functions as tasks and waits for them. It takes each cancel for its own, by which a
// failure of one ends the others.
func swallowsCancel(ctx context.Context, fns ...func(ctx context.Context) error) error {
	inner, cancel := core.WithCancel(ctx)
	defer cancel()
	var tasks []*core.Task
	for _, fn := range fns {
		tasks = append(tasks, core.Start(inner, fn))
	}
	var first error
	for _, t := range tasks {
		if err := t.Wait(core.Shield(ctx)); err != nil && !errors.Is(err, context.Canceled) && first == nil {
			first = err
			cancel()
		}
	}
	return first // the cancel may have come from outside
}

// endsCanceled is the property of a group of tasks: it does not succeed without what they were to do.
func endsCanceled(t proptest.TB, group func(ctx context.Context, fns ...func(ctx context.Context) error) error) {
	proptest.Check(t, func(p *proptest.P) {
		n := p.IntRange(1, 3, "tasks")
		p.Go("parent", func(ctx context.Context) error {
			done := 0
			work := func(ctx context.Context) error {
				if err := core.Yield(ctx); err != nil {
					return err
				}
				done++
				return nil
			}
			var fns []func(context.Context) error
			for range n {
				fns = append(fns, work)
			}
			err := group(ctx, fns...)
			if err == nil && done < n {
				p.Fatalf("a cancel was swallowed: the group succeeds with %d of %d tasks done", done, n)
			}
			return err
		})
	}, proptest.Cancels(1))
}

// forgottenWaiter is the property of a program in which one task waits for a lock twice: a first wait, which it gives
// up without ending it, gets the lock, and the second one never does.
func forgottenWaiter(t proptest.TB) {
	proptest.Check(t, func(p *proptest.P) {
		var l lock.AsyncLock
		held := p.IntRange(1, 2, "held for")
		p.Go("holder", func(ctx context.Context) error {
			return l.Do(ctx, func(ctx context.Context) error { return core.Sleep(ctx, time.Duration(held)*tick) })
		})
		p.Go("racer", func(ctx context.Context) error {
			get := core.Async(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, l.Acquire(ctx) })
			late := core.Async(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, core.Sleep(ctx, tick) })
			if i, err := core.Race(ctx, get, late); err != nil {
				return err
			} else if i == 1 { // get is still in the line
				if err := l.Acquire(ctx); err != nil {
					return err
				}
			}
			l.Release()
			return nil
		})
	})
}

// hangsOthers makes a value once, while all others wait. When making it panics, they are not woken.
type hangsOthers struct {
	running, done bool
	line          line[struct{}]
}

func (o *hangsOthers) Do(ctx context.Context, fn func(ctx context.Context) error) error {
	for o.running {
		if _, err := o.line.wait(ctx); err != nil {
			return err
		}
	}
	if o.done {
		return nil
	}
	o.running = true
	err := fn(ctx) // a panic has to end the running, too
	o.running, o.done = false, err == nil
	for o.line.wake(struct{}{}) {
	}
	return err
}

// once is the property of it: whatever becomes of one, the others come to an end.
func once(t proptest.TB) {
	proptest.Check(t, func(p *proptest.P) {
		var o hangsOthers
		for i := range p.IntRange(2, 3, "tasks") {
			p.Go(fmt.Sprint("w", i), func(ctx context.Context) error { return o.Do(ctx, core.Yield) })
		}
	}, proptest.Panics(1))
}

// keepsLock is the property of a program that does not release its lock where it gives up.
func keepsLock(t proptest.TB) {
	proptest.Check(t, func(p *proptest.P) {
		var l lock.AsyncLock
		for i := range p.IntRange(1, 3, "tasks") {
			p.Go(fmt.Sprint("w", i), func(ctx context.Context) error {
				if err := l.Acquire(ctx); err != nil {
					return err
				}
				if err := core.Yield(ctx); err != nil {
					return err // without a release
				}
				l.Release()
				return nil
			})
		}
	}, proptest.Cancels(1))
}
