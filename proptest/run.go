package proptest

import (
	"context"
	"errors"
	"time"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
)

// epoch is when virtual time begins, as in a bubble of testing/synctest.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// run is one case.
type run struct {
	check *check
	p     *P
	world *world

	ctx    context.Context // of all tasks
	cancel context.CancelFunc

	always  []claim
	finally []claim

	plan    *plan
	phase   phase
	now     int64 // virtual time in nanoseconds
	step    int   // steps made
	tasks   []*task
	left    int // tasks of P.Go that have not ended
	watches []*watch
	holds   holdings
	fault   *failure   // the first
	rec     *recording // nil: none
}

// phase is how far a case is.
type phase uint8

const (
	preparing phase = iota // the property function runs
	working                // the tasks run
	clearing               // the tasks of P.Go have ended, and the others were canceled
	leaving                // the case has failed, and is got out of the way
)

// task is one of P.Go.
type task struct {
	name   string
	handle *core.Task
	ctx    context.Context // its own, once it has begun
	doomed bool            // it is to die in its next wait
	actor  *actor          // nil while nothing is recorded
}

func newRun(c *check, t *rapid.T) *run {
	r := &run{check: c}
	r.p = &P{T: t, run: r}
	if c.world == nil {
		c.world = newWorld(c, t)
	}
	r.world = c.world
	r.world.run = r
	r.ctx, r.cancel = core.WithCancel(core.On(context.Background(), r.world.d))
	if c.recording {
		r.rec = newRecording()
	}
	return r
}

// start is P.Go.
func (r *run) start(name string, fn func(ctx context.Context) error) *core.Task {
	t := &task{name: name}
	r.tasks = append(r.tasks, t)
	r.left++
	if r.rec != nil {
		t.actor = r.rec.root(name)
	}
	t.handle = core.Start(r.ctx, func(ctx context.Context) error {
		t.ctx = ctx
		defer func() { r.left-- }()
		err := fn(ctx)
		if err != nil && (ctx.Err() == nil || !errors.Is(err, context.Canceled)) {
			r.fail(&failure{kind: taskError, who: name, err: err})
		}
		return err
	})
	return t.handle
}

// perform runs the tasks to their end, and looks at what they leave.
func (r *run) perform() {
	r.phase = working
	r.disturb()
	r.claim()
	r.turn(func() bool { return r.left == 0 })
	if r.fault != nil {
		return
	}
	r.phase = clearing
	r.cancel()
	r.turn(func() bool { return r.left > 0 })
	if r.fault == nil {
		r.inspect()
	}
}

// turn runs the loop until done answers true, the case has failed, or nothing can happen.
func (r *run) turn(done func() bool) {
	err := r.world.loop.RunUntil(func() bool { return r.fault != nil || done() })
	if err != nil && !errors.Is(err, dispatch.ErrStuck) {
		r.fail(&failure{kind: broken, err: err})
	}
}

// inspect looks at what is left when nothing can happen any more.
func (r *run) inspect() {
	s := r.world.d.Stats()
	switch {
	case s.Tasks > 0:
		r.fail(&failure{kind: unfinished})
	case s.Timers > 0:
		r.fail(&failure{kind: leftTimers})
	case r.world.d.Pending() > 0:
		r.fail(&failure{kind: leftOthers})
	}
	if what := r.holds.lock(); what != "" {
		r.fail(&failure{kind: heldLock, what: what})
	}
	for i, c := range r.finally {
		if r.fault == nil && !c.ok() {
			r.fail(&failure{kind: finallyFalse, what: c.name, index: i})
		}
	}
}

// end gets the case out of the way, also while a panic is on its way.
func (r *run) end() {
	r.phase = leaving
	r.cancel()
	if r.rec != nil {
		r.rec.finish(r)
	}
	if r.world.d.Pending() > 0 {
		limit := r.step + r.check.steps
		_ = r.world.loop.RunUntil(func() bool { return r.step > limit || r.world.d.Pending() == 0 })
	}
	if r.world.d.Pending() > 0 || r.fault != nil {
		r.check.close()
	}
}

// fail notes why the case has failed; only the first reason counts.
func (r *run) fail(f *failure) {
	if r.fault == nil && r.phase != leaving {
		f.step = r.step
		r.fault = f
		r.check.recording = true
	}
}

// claim asks what is always to hold.
func (r *run) claim() {
	for i, c := range r.always {
		if !c.ok() {
			r.fail(&failure{kind: alwaysFalse, what: c.name, index: i})
			return
		}
	}
}
