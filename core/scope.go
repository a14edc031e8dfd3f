package core

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-1e54c410/turnstile/internal/timer"
)

// scope is every context.Context that this package makes: the ctx of a task, and
// those of WithTimeout, WithCancel, Shield and Detach. Scopes form trees, along
// which cancellation goes down at once.
//
// A scope is cheap as long as nobody asks for its Done channel, which tasks never do.
// Then it makes a standard context, see [scope.standard], so that contexts that are
// derived from it find one of their kind, and start no goroutine to wait for it.
type scope struct {
	tree  *tree
	sched *sched // where Async starts tasks; nil: on goroutines
	task  *task  // the task whose code this scope was made for; nil on a goroutine
	owner *task  // the task that has this scope as its own ctx, else nil

	// special is set once, before over, hook or std, so that Err is a single load as long as nothing
	// has happened.
	special atomic.Bool
	cut     bool                   // shielded: the deadline of up does not count
	over    atomic.Pointer[ending] // set once, under tree.mu: canceled, or the task has ended
	// hook is the nearest one on the way up, if a context that is not ours can end this scope.
	hook atomic.Pointer[hook]
	std  atomic.Pointer[standard]
	// up is the nearest ctx above that is not a scope: scopes carry no values, so
	// they need not be held. A task that starts its successor for ever makes no chain.
	up       *link
	own      link         // where up points to if that is the very next one
	deadline *time.Time   // the earliest of the scopes between up and here, nil if none
	timer    *timer.Timer // of a WithTimeout

	// Guarded by tree.mu.
	parent            *scope
	first, next, prev *scope     // children, and the siblings
	armed             *coroutine // whose tasks wait with this scope, but its owner
}

// tree is what the scopes below one root have in common. Its mutex comes after that of a
// primitive and before that of a dispatcher.
type tree struct {
	mu sync.Mutex

	sched   *sched       // of the root; nil if that is on a goroutine
	live    atomic.Int64 // tasks of this tree on its loop, begun or not
	reports atomic.Int64 // errors of such tasks on their way to Unhandled
	over    *ending      // main has returned: new tasks are canceled at once; that loop only
}

// ending is why a scope is over.
type ending struct{ err, cause error }

// link is a ctx that is not a scope.
type link struct{ ctx context.Context }

// hook is a scope's hold on a context that is not ours and can be canceled. Such a context
// tells us by a goroutine of its own, some microseconds late, so Err asks it.
type hook struct {
	s     *scope
	ctx   context.Context
	above *scope      // that ctx was derived from, if any
	stop  func() bool // guarded by tree.mu; nil once s is over
}

// keys of Value.
type (
	scopeKey struct{}
	schedKey struct{}
)

// scopeOf returns the nearest scope of ctx, nil if there is none.
func scopeOf(ctx context.Context) *scope {
	if s, ok := ctx.(*scope); ok {
		return s
	}
	s, _ := ctx.Value(scopeKey{}).(*scope)
	return s
}

// schedOf returns where ctx says that tasks are to run, nil for nowhere.
func schedOf(ctx context.Context) *sched {
	if s, ok := ctx.(*scope); ok {
		return s.sched
	}
	s, _ := ctx.Value(schedKey{}).(*sched)
	return s
}

// init makes s a scope below ctx that is canceled with it.
func (s *scope) init(ctx context.Context, sched *sched) {
	s.below(ctx, s.place(ctx, sched))
}

// initRoot is init for the root of a new tree.
func (s *scope) initRoot(ctx context.Context, sched *sched) {
	s.sched = sched
	s.tree = &tree{sched: sched}
	s.own.ctx = ctx
	s.up = &s.own
	s.below(ctx, nil)
}

// below makes s end with ctx, whose nearest scope is above.
func (s *scope) below(ctx context.Context, above *scope) {
	if above == nil || above != ctx {
		// There is something between that is not ours: does it only carry values?
		done := ctx.Done()
		switch {
		case done == nil:
			return
		case above == nil || done != above.Done():
			s.hang(ctx)
			return
		}
	}
	t := s.tree
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := above.over.Load(); e != nil {
		if e == errEnded {
			e = errAbove
		}
		s.special.Store(true)
		s.over.Store(e)
		return
	}
	if h := above.hook.Load(); h != nil {
		s.special.Store(true)
		s.hook.Store(h)
	}
	above.adopt(s)
}

// place sets what does not depend on cancellation, and returns the nearest scope above.
func (s *scope) place(ctx context.Context, sched *sched) *scope {
	s.sched = sched
	above := scopeOf(ctx)
	if above == nil {
		s.tree = &tree{sched: sched}
	} else {
		s.tree, s.task = above.tree, above.task
	}
	if above != nil && above == ctx {
		s.up, s.deadline, s.cut = above.up, above.deadline, above.cut
	} else {
		s.own.ctx = ctx
		s.up = &s.own
	}
	return above
}

// hang makes s hear of the end of a context that is not ours.
func (s *scope) hang(ctx context.Context) {
	h := &hook{s: s, ctx: ctx, above: scopeOf(ctx)}
	s.special.Store(true)
	s.hook.Store(h)
	stop := s.sched.afterFunc(ctx, h.ask)
	s.tree.mu.Lock()
	over := s.over.Load() != nil
	if !over {
		h.stop = stop
	}
	s.tree.mu.Unlock()
	if over {
		stop()
	}
}

// ask ends the scope if the context it hangs on has ended.
func (h *hook) ask() {
	if h.above != nil {
		_ = h.above.Err() // which may have a hook as well, and ends what is derived from it
	}
	if err := h.ctx.Err(); err != nil {
		h.s.end(&ending{err, context.Cause(h.ctx)})
	}
}

// release takes the hook of s off, if it has one of its own, and returns how. The mutex
// of the tree is held.
func (s *scope) release() (stop func() bool) {
	if h := s.hook.Load(); h != nil && h.s == s {
		stop, h.stop = h.stop, nil
	}
	return stop
}

// adopt makes c a child of s. The mutex of the tree is held.
func (s *scope) adopt(c *scope) {
	c.parent, c.prev, c.next = s, nil, s.first
	if s.first != nil {
		s.first.prev = c
	}
	s.first = c
}

// unlink takes s away from its parent. The mutex of the tree is held.
func (s *scope) unlink() {
	if s.parent == nil {
		return
	}
	if s.prev == nil {
		s.parent.first = s.next
	} else {
		s.prev.next = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	}
	s.parent, s.next, s.prev = nil, nil, nil
}

// end makes s and everything below it over, and reports whether s was not before.
func (s *scope) end(e *ending) bool {
	s.tree.mu.Lock()
	if s.over.Load() != nil {
		s.tree.mu.Unlock()
		return false
	}
	var stops []func() bool
	s.walk(func(at *scope) bool {
		if at.over.Load() != nil {
			return false
		}
		if stop := at.release(); stop != nil {
			stops = append(stops, stop)
		}
		if at != s && e == errEnded {
			at.finish(errAbove)
			return true
		}
		at.finish(e)
		return true
	})
	s.tree.mu.Unlock()
	for _, stop := range stops {
		stop()
	}
	return true
}

// walk calls fn for s and for what is below each scope for which fn answers true. Trees can
// be deep, so it does not recurse. The mutex of the tree is held.
func (s *scope) walk(fn func(*scope) bool) {
	for at := s; ; {
		if fn(at) && at.first != nil {
			at = at.first
			continue
		}
		for at != s && at.next == nil {
			at = at.parent
		}
		if at == s {
			return
		}
		at = at.next
	}
}

// finish makes s over. The mutex of the tree is held.
func (s *scope) finish(e *ending) {
	if std := s.std.Load(); std != nil {
		std.end(e) // first: where Err is not nil, Done is closed
	}
	s.special.Store(true)
	s.over.Store(e)
	if s.owner != nil && e != errEnded {
		s.owner.Wake()
	}
	for c := s.armed; c != nil; c = c.armedNext {
		c.task.Wake()
	}
	if s.timer != nil && s.sched != nil {
		s.sched.loop.Disarm(s.timer) // it would keep the loop busy for nothing
	}
}

// errEnded is the end of the ctx of a task that has ended by itself.
var errEnded = &ending{context.Canceled, ErrTaskEnded}

// errCanceled is the end of a ctx that was canceled without a cause.
var errCanceled = &ending{context.Canceled, context.Canceled}

// canceledBy is the end of a ctx that was canceled with this cause, if any.
func canceledBy(cause error) *ending {
	if cause == nil || cause == context.Canceled {
		return errCanceled
	}
	return &ending{context.Canceled, cause}
}

// errAbove is the end of a ctx below one that had ended so before.
var errAbove = &ending{context.Canceled, ErrTaskEnded}

// leave ends s, the scope of a task that has ended or of a WithTimeout or
// WithCancel that was canceled, and takes it out of the tree. What is below it goes to its
// parent.
func (s *scope) leave() {
	t := s.tree
	t.mu.Lock()
	parent, h := s.parent, s.hook.Load()
	s.unlink()
	over := s.over.Load() != nil // and so is all below
	var orphans []*scope
	for c := s.first; c != nil; {
		next := c.next
		c.parent, c.next, c.prev = nil, nil, nil
		switch {
		case over:
		case parent != nil:
			parent.adopt(c)
		case h != nil && h.s == s:
			orphans = append(orphans, c) // it needs a hook of its own
		}
		c = next
	}
	s.first = nil
	if orphans != nil {
		t.mu.Unlock()
		for _, c := range orphans { // first they, so that no cancel is missed
			c.inherit(h)
		}
		s.end(errEnded)
		return
	}
	var stop func() bool
	if !over {
		stop = s.release()
		s.finish(errEnded)
	}
	t.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// cancel is end, and then leave: in one step where nothing is below s, which is the usual case.
func (s *scope) cancel(e *ending) {
	s.tree.mu.Lock()
	if h := s.hook.Load(); s.first == nil && s.over.Load() == nil && (h == nil || h.s != s) {
		s.unlink()
		s.finish(e)
		s.tree.mu.Unlock()
		return
	}
	s.tree.mu.Unlock()
	s.end(e)
	s.leave()
}

// inherit gives s a hook in place of h, which was that of the scope above.
func (s *scope) inherit(h *hook) {
	s.hang(h.ctx)
	s.tree.mu.Lock()
	defer s.tree.mu.Unlock()
	s.walk(func(at *scope) bool {
		at.hook.CompareAndSwap(h, s.hook.Load())
		return true
	})
}

// Deadline implements context.Context.
func (s *scope) Deadline() (time.Time, bool) {
	var d time.Time
	ok := false
	if !s.cut {
		d, ok = s.up.ctx.Deadline()
	}
	if s.deadline != nil && (!ok || s.deadline.Before(d)) {
		return *s.deadline, true
	}
	return d, ok
}

// Done implements context.Context.
func (s *scope) Done() <-chan struct{} { return s.standard().ctx.Done() }

// Err implements context.Context.
func (s *scope) Err() error {
	if !s.special.Load() {
		return nil
	}
	return s.err()
}

func (s *scope) err() error {
	if e := s.over.Load(); e != nil {
		return e.err
	}
	if h := s.hook.Load(); h != nil {
		h.ask()
		if e := s.over.Load(); e != nil {
			return e.err
		}
	}
	if std := s.std.Load(); std != nil {
		return std.ctx.Err() // Done is closed a moment before over is set
	}
	return nil
}

// Value implements context.Context.
func (s *scope) Value(key any) any {
	switch key {
	case scopeKey{}:
		return s
	case schedKey{}:
		return s.sched
	}
	// The standard library finds its own contexts by Value, with a key that we do
	// not know: where there is one, or its cause is of interest, it answers.
	if std := s.std.Load(); std != nil {
		return std.ctx.Value(key)
	}
	if s.over.Load() != nil {
		return s.standard().ctx.Value(key)
	}
	return s.up.ctx.Value(key)
}

// arm makes the end of s wake the task of c.
func (s *scope) arm(c *coroutine) {
	s.tree.mu.Lock()
	defer s.tree.mu.Unlock()
	c.armedOn, c.armedNext, c.armedPrev = s, s.armed, nil
	if s.armed != nil {
		s.armed.armedPrev = c
	}
	s.armed = c
}

func (s *scope) disarm(c *coroutine) {
	s.tree.mu.Lock()
	defer s.tree.mu.Unlock()
	if c.armedPrev == nil {
		s.armed = c.armedNext
	} else {
		c.armedPrev.armedNext = c.armedNext
	}
	if c.armedNext != nil {
		c.armedNext.armedPrev = c.armedPrev
	}
	c.armedOn, c.armedNext, c.armedPrev = nil, nil, nil
}
