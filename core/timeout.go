package core

import (
	"context"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/timer"
)

// WithCancel is context.WithCancel for a ctx of this package, whose cancel reaches the tasks
// below it at once; it is context.WithCancel itself for any other.
func WithCancel(ctx context.Context) (context.Context, context.CancelFunc) {
	if scopeOf(ctx) == nil {
		return context.WithCancel(ctx)
	}
	s := &scope{}
	s.init(ctx, schedOf(ctx))
	return s, func() {
		s.end(&ending{context.Canceled, context.Canceled})
		s.leave()
	}
}

// WithTimeout is context.WithTimeout on the clock of ctx's dispatcher, which is virtual
// in a simulation. Where ctx belongs to no dispatcher it is context.WithTimeout
// itself. Call cancel when what the ctx was made for is done.
func WithTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	sched := schedOf(ctx)
	if sched == nil {
		return context.WithTimeout(ctx, d)
	}
	when := sched.loop.After(d)
	s := &deadline{at: sched.loop.Time(when)}
	s.init(ctx, sched)
	if s.deadline == nil || s.at.Before(*s.deadline) {
		s.deadline = &s.at
	}
	if d <= 0 {
		s.RunReady()
	} else if !sched.loop.Arm(s, when) {
		s.Dropped()
	}
	return &s.scope, func() {
		sched.loop.Disarm(&s.timer)
		s.end(&ending{context.Canceled, context.Canceled})
		s.leave()
	}
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
	s.end(&ending{context.Canceled, dispatch.ErrClosed})
}

// RunReady comes when the time is over.
func (s *deadline) RunReady() {
	s.end(&ending{context.DeadlineExceeded, context.DeadlineExceeded})
}
