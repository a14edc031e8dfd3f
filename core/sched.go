package core

import (
	"context"
	"sync"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/gid"
	"github.com/seed-1e54c410/turnstile/internal/park"
	"github.com/seed-1e54c410/turnstile/internal/seam"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// maxNested is how deep tasks that start tasks are run inside each other. What is deeper is
// queued: a task that starts its successor and ends must not pile up coroutines.
const maxNested = 64

// sched is what core knows of one dispatcher. All but loop, blocking and
// idlers is used on the loop only.
type sched struct {
	loop      seam.Loop
	sim       *seam.Sim
	first     *task // the tasks that have begun and not ended
	live      int
	idle      []*coroutine
	nested    int
	closing   *ending // Close has begun: no new tasks
	abandoned bool    // Close is at its end: no more waits
	gaveUp    bool    // and the tasks that are left were told off
	burials   int     // coroutines that wait for their end, after a Goexit
	parked    int     // coroutines that could not be ended

	blocking struct { // functions of Blocking
		mu    sync.Mutex
		n     int
		queue xsync.WaitQueue[struct{}]
	}
	idlers idlers // has a mutex of its own
	chans  []*chanWait
}

// schedFor returns what core has attached to d.
func schedFor(d *dispatch.Dispatcher) *sched {
	if d == nil {
		panic("core: a nil dispatcher")
	}
	loop := seam.Of(d)
	return loop.Tasks(func() seam.Tasks {
		return &sched{loop: loop, sim: loop.Sim(), idlers: idlers{loop: d}}
	}).(*sched)
}

// here reports whether the caller runs on the loop of s, in a task or a callback; ctx is
// a guess at the task.
func (s *sched) here(ctx context.Context) bool {
	if c, ok := ctx.(*scope); ok && c.task != nil && c.task.gid.Load() == gid.Current() {
		return c.task.sched == s
	}
	g := park.Current()
	return g != nil && g.Loop == s.loop.Dispatcher()
}

// begin runs a new task up to its first wait.
func (s *sched) begin(t *task) {
	s.link(t)
	var c *coroutine
	if n := len(s.idle); n > 0 {
		c = s.idle[n-1]
		s.idle[n-1] = nil
		s.idle = s.idle[:n-1]
	} else {
		c = newCoroutine(s)
	}
	c.task, t.co = t, c
	s.nested++
	c.next()
	s.nested--
	if c.dead {
		s.bury(c)
	}
}

// keep puts c among the idle coroutines, unless they are enough.
func (s *sched) keep(c *coroutine) bool {
	if len(s.idle) >= s.loop.Settings().MaxIdleCoroutines {
		return false
	}
	s.idle = append(s.idle, c)
	return true
}

func (s *sched) link(t *task) {
	if s.first != nil {
		s.first.prevLive = t
	}
	t.nextLive, s.first = s.first, t
	s.live++
}

func (s *sched) unlink(t *task) {
	if t.prevLive == nil {
		s.first = t.nextLive
	} else {
		t.prevLive.nextLive = t.nextLive
	}
	if t.nextLive != nil {
		t.nextLive.prevLive = t.prevLive
	}
	t.nextLive, t.prevLive = nil, nil
	s.live--
}

// count adds n to the number of tasks that a tree has on its loop, whether they have begun or not.
func (s *sched) count(tr *tree, n int64) {
	if tr.sched == s {
		tr.live.Add(n)
	}
}

// cancelTree cancels the tasks of a tree, now and from now on.
func (s *sched) cancelTree(tr *tree, e *ending) {
	tr.over = e
	for t := s.first; t != nil; t = t.nextLive {
		if t.tree == tr {
			t.end(e)
		}
	}
}

// startedBy tells a simulation of a task that was started with ctx.
func (s *sched) startedBy(ctx context.Context, t *task) {
	if s.sim != nil && s.sim.Started != nil {
		s.sim.Started(&t.scope, ctx, t.body)
	}
}

// afterFunc is context.AfterFunc, but where a simulation lets nothing happen beside it. s may be nil.
func (s *sched) afterFunc(ctx context.Context, fn func()) (stop func() bool) {
	if s != nil && s.sim.Closed() {
		return s.sim.Context(ctx, hasTimer(ctx), fn)
	}
	return context.AfterFunc(ctx, fn)
}

// hasTimer reports whether ctx has a deadline that does not come from a ctx of this package.
func hasTimer(ctx context.Context) bool {
	d, ok := ctx.Deadline()
	if !ok {
		return false
	}
	if above := scopeOf(ctx); above != nil {
		if ours, ok := above.Deadline(); ok && ours.Equal(d) {
			return !above.cut && above.up != nil && hasTimer(above.up.ctx)
		}
	}
	return true
}

// Live implements seam.Tasks; a coroutine that is being ended counts as a task.
func (s *sched) Live() int { return s.live + s.burials }

// CancelAll implements seam.Tasks.
func (s *sched) CancelAll(cause error) {
	s.closing = &ending{context.Canceled, cause}
	for t := s.first; t != nil; t = t.nextLive {
		t.end(s.closing)
	}
	s.idlers.close()
}

// Abandon implements seam.Tasks.
func (s *sched) Abandon() {
	s.abandoned = true
	if tr := tracker.Load(); tr != nil {
		tr.closing(s)
	}
	for t := s.first; t != nil; t = t.nextLive {
		t.Wake()
	}
}

// Left implements seam.Tasks.
func (s *sched) Left() []string { return s.left(nil) }

// left tells where the functions are of the tasks of a tree, nil for all.
func (s *sched) left(tr *tree) []string {
	var left []string
	for t := s.first; t != nil; t = t.nextLive {
		if tr == nil || t.tree == tr {
			left = append(left, t.body.place())
		}
	}
	return left
}

// Counts implements seam.Tasks.
func (s *sched) Counts() seam.Counts {
	return seam.Counts{Tasks: s.live, Idle: len(s.idle), Parked: s.parked}
}

// Blocking implements seam.Tasks.
func (s *sched) Blocking() int {
	s.blocking.mu.Lock()
	defer s.blocking.mu.Unlock()
	return s.blocking.n
}

// Simulate implements seam.Tasks.
func (s *sched) Simulate(sim *seam.Sim) { s.sim = sim }

// Release implements seam.Tasks.
func (s *sched) Release() {
	for i, c := range s.idle {
		s.idle[i] = nil
		c.stop()
	}
	s.idle = nil
	if s.abandoned && !s.gaveUp {
		s.gaveUp = true
		s.giveUp()
	}
}

// giveUp finishes what the tasks that are left were to finish: they are suspended for ever, and those
// that wait for them elsewhere must not be. No lock is held.
func (s *sched) giveUp() {
	for t := s.first; t != nil; t = t.nextLive {
		if _, ok := t.body.(*mainTask); ok {
			continue // Run and RunOn hear of the end of the dispatcher by themselves
		}
		t.leave()
		t.untrack()
		t.body.fail(dispatch.ErrClosed)
	}
}
