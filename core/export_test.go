package core

import (
	"context"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// Waker returns what wakes the task of ctx, as a wake that comes late or for nothing does.
func Waker(ctx context.Context) func() { return ctx.(*scope).task.Wake }

// Watchers counts the combinators that look on at w.
func Watchers(w Waitable) int {
	p := w.ended()
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for at := p.watch; at != nil; at = at.next {
		n++
	}
	return n
}

// Waiters counts the tasks and goroutines that await w.
func Waiters(w Waitable) int {
	p := w.ended()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waiters.Len()
}

// Armed counts the tasks that wait with ctx and are not its owner.
func Armed(ctx context.Context) int {
	s := ctx.(*scope)
	s.tree.mu.Lock()
	defer s.tree.mu.Unlock()
	n := 0
	for t := s.armed; t != nil; t = t.armedNext {
		n++
	}
	return n
}

// Children counts the scopes right below ctx.
func Children(ctx context.Context) int {
	s := ctx.(*scope)
	s.tree.mu.Lock()
	defer s.tree.mu.Unlock()
	n := 0
	for c := s.first; c != nil; c = c.next {
		n++
	}
	return n
}

// Coroutines returns how many coroutines of ctx's dispatcher are idle, are being ended, and
// could not be ended.
func Coroutines(ctx context.Context) (idle, burials, parked int) {
	s := schedOf(ctx)
	return len(s.idle), s.burials, s.parked
}

// WrapLoop makes core use w(loop) in place of the loop of d. It must not run.
func WrapLoop(d *dispatch.Dispatcher, w func(loop seam.Loop) seam.Loop) {
	s := schedFor(d)
	s.loop = w(s.loop)
}

// MaxNested is how deep tasks that start tasks run inside each other.
const MaxNested = maxNested

// MaxRefused is how many waits of a task may fail on a closed dispatcher.
const MaxRefused = maxRefused

// OwnContext returns the ctx of the task that calls.
func OwnContext() context.Context { return &current().scope }
