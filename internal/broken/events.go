package broken

import (
	"context"

	"github.com/seed-1e54c410/turnstile/core"
)

// breaksChain is an event whose waiters wake each other one after the other, and where one that was canceled
// meanwhile wakes nobody.
type breaksChain struct {
	set  bool
	line line[struct{}]
	fire []*core.Future[struct{}] // those that are to be let go, as of the last Fire
}

func (e *breaksChain) Wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil || e.set {
		return err
	}
	f := e.line.join()
	_, _ = f.Await(ctx)
	e.line.leave(f)
	if err := ctx.Err(); err != nil {
		return err // who was woken has to wake the next
	}
	e.next()
	return nil
}

func (e *breaksChain) Fire() {
	e.set = true
	e.fire = append(e.fire[:0:0], e.line.waiting...)
	e.next()
}

// next wakes one that has not been woken.
func (e *breaksChain) next() {
	for _, f := range e.fire {
		if f.TryComplete(struct{}{}) {
			return
		}
	}
}

func (e *breaksChain) Clear() { e.set = false }

// wakesLater is an event that lets its waiters go one after the other until nobody is left, among
// them those who have come after it was cleared.
type wakesLater struct {
	set  bool
	line line[struct{}]
}

func (e *wakesLater) Wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil || e.set {
		return err
	}
	_, err := e.line.wait(ctx)
	if err == nil || len(e.line.waiting) > 0 {
		e.line.wake(struct{}{})
	}
	return err
}

func (e *wakesLater) Fire() {
	e.set = true
	e.line.wake(struct{}{})
}

func (e *wakesLater) Clear() { e.set = false }
