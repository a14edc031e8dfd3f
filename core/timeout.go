package core

import (
	"context"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/timer"
)

// WithCancel is context.WithCancel for the ctx of a task, one that was derived from it, and one of [On]:
// its cancel reaches the tasks below it at once, and where the task ends they go on. It is
// context.WithCancel itself for any other.
func WithCancel(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := WithCancelCause(ctx)
	return ctx, func() { cancel(nil) }
}

// WithCancelCause is [WithCancel] whose cancel takes the cause that context.Cause returns then, which
// is Canceled if that is nil.
func WithCancelCause(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	sched := schedOf(ctx)
	if sched == nil && scopeOf(ctx) == nil {
		return context.WithCancelCause(ctx)
	}
	s := &scope{}
	s.init(ctx, sched)
	return s, func(cause error) {
		s.cancel(canceledBy(cause))
	}
}

// WithTimeout is context.WithTimeout on the clock of ctx's dispatcher, which is virtual
// in a simulation. For that of a task on a goroutine it is the real one, and where ctx is of no task
// and belongs to no dispatcher it is context.WithTimeout itself. Call cancel when what the ctx was
// made for is done.
//
// It is the loop that ends the ctx: that does not end while nobody turns the dispatcher, or a task
// or callback holds it up. A goroutine that is not to wait for a loop which hangs, such as that of
// a request to a server, has context.WithTimeout. When the dispatcher has closed the ctx is
// canceled, also one that is made then, with dispatch.ErrClosed as the cause.
func WithTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	sched := schedOf(ctx)
	if sched == nil {
		return WithDeadline(ctx, time.Now().Add(d))
	}
	when := sched.loop.After(d)
	return withDeadline(ctx, sched, when, sched.loop.Time(when), d <= 0)
}

// WithDeadline is context.WithDeadline on the clock of ctx's dispatcher, see [WithTimeout]: the
// ctx ends when dispatch.Dispatcher.Now has reached t. Its Deadline is t, or that of ctx if that
// is earlier. Elsewhere it is as with WithTimeout.
func WithDeadline(ctx context.Context, t time.Time) (context.Context, context.CancelFunc) {
	sched := schedOf(ctx)
	switch {
	case sched != nil:
	case scopeOf(ctx) == nil:
		return context.WithDeadline(ctx, t)
	default:
		return onGoroutine(ctx, t)
	}
	d := t.Sub(sched.loop.Time(sched.loop.Now()))
	return withDeadline(ctx, sched, sched.loop.After(d), t, d <= 0)
}

// withDeadline makes a scope that ends when the loop's clock shows when, which users see as
// at.
func withDeadline(ctx context.Context, sched *sched, when int64, at time.Time, over bool) (context.Context, context.CancelFunc) {
	s := &deadline{at: at}
	s.scope.timer = &s.timer
	s.init(ctx, sched)
	if s.deadline == nil || s.at.Before(*s.deadline) {
		s.deadline = &s.at
	}
	switch {
	case s.over.Load() != nil: // ctx has ended
	case over:
		s.RunReady()
	case !sched.loop.Arm(s, when):
		s.Dropped()
	case s.over.Load() != nil:
		sched.loop.Disarm(&s.timer) // it has ended meanwhile, and found nothing to disarm
	}
	return &s.scope, func() {
		s.cancel(errCanceled)
	}
}

// onGoroutine is withDeadline for the ctx of a task on a goroutine.
func onGoroutine(ctx context.Context, at time.Time) (context.Context, context.CancelFunc) {
	s := &deadline{at: at}
	s.scope.timer = &s.timer // which is not armed
	s.init(ctx, nil)
	if s.deadline == nil || at.Before(*s.deadline) {
		s.deadline = &s.at
	}
	d := time.Until(at)
	if d <= 0 {
		s.RunReady()
		return &s.scope, func() {}
	}
	clock := time.AfterFunc(d, s.RunReady)
	return &s.scope, func() {
		clock.Stop()
		s.cancel(errCanceled)
	}
}

// ShieldTimeout is [Shield] with a limit, for cleaning up that waits and must not wait for ever:
// the ctx does not end with that of the task, nor at its deadline, but after d, with
// DeadlineExceeded. The clean-up goes on in the same task. Call cancel when it is done.
func ShieldTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return WithTimeout(Shield(ctx), d)
}

// deadline is a scope that ends at its deadline.
type deadline struct {
	scope
	timer timer.Timer
	at    time.Time
}

func (s *deadline) Timer() *timer.Timer { return &s.timer }

// Dropped comes when the dispatcher is closed: the time would never be over.
func (s *deadline) Dropped() {
	s.cancel(&ending{context.Canceled, dispatch.ErrClosed})
}

// RunReady comes when the time is over. The tree does not keep s until somebody calls its cancel
// function: that may be forgotten, and the ctx above may live long.
func (s *deadline) RunReady() {
	s.cancel(&ending{context.DeadlineExceeded, context.DeadlineExceeded})
}
