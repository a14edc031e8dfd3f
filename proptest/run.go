package proptest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/gid"
	"github.com/seed-1e54c410/turnstile/internal/park"
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
	reach   int // the step at which more of the plan is drawn
	phase   phase
	now     int64 // virtual time in nanoseconds
	step    int   // steps made
	tasks   []*task
	left    int // tasks of P.Go that have not ended
	watches watches
	holds   holdings
	fault   *failure   // the first
	rec     *recording // nil: none

	cleanups []func()
	trace    *trace   // of Exhaustive, else nil
	ranking  *ranking // of PCT, else nil
	crowd    *crowd   // of Goroutines, else nil; world is nil then
	idled    bool     // in a bubble: nothing can happen any more
	over     bool     // only claims of Finally and functions of Cleanup are to come

	// room is memory for what a small case needs, in one piece with the run.
	room struct {
		p     P
		tasks [4]task
		all   [4]*task
	}
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
	r.room.p = P{T: t, run: r}
	r.p = &r.room.p
	r.tasks = r.room.all[:0]
	if c.recording {
		r.rec = newRecording()
	}
	if c.goroutines {
		r.crowd = &crowd{run: r}
		r.ctx, r.cancel = context.WithCancel(context.Background())
		return r
	}
	if c.world == nil {
		c.world = newWorld(c, t)
	}
	r.world = c.world
	r.world.run = r
	r.world.outside.home.Store(gid.Current())
	r.ctx, r.cancel = core.WithCancel(core.On(context.Background(), r.world.d))
	return r
}

// start is P.Go.
func (r *run) start(name string, fn func(ctx context.Context) error) *core.Task {
	if r.over {
		panic("proptest: P.Go when the tasks of the case have ended")
	}
	r.check.started = true
	t := new(task)
	if n := len(r.tasks); n < len(r.room.tasks) {
		t = &r.room.tasks[n]
	}
	t.name = name
	r.tasks = append(r.tasks, t)
	r.left++
	if r.rec != nil {
		t.actor = r.rec.root(name)
	}
	t.handle = core.Start(r.ctx, func(ctx context.Context) error {
		t.ctx = ctx
		defer func() { r.left-- }()
		err := fn(ctx)
		if t.actor != nil {
			t.actor.returned, t.actor.err = true, err
		}
		if err != nil && !harmless(err, ctx.Err() != nil) {
			r.fail(&failure{kind: taskError, who: "task " + name, err: err})
		}
		return err
	})
	return t.handle
}

// whole is the property and its tasks.
func (r *run) whole(pl *plan, tr *trace) {
	r.trace = tr
	r.reach = math.MaxInt // of a plan that is not drawn
	r.check.prop(r.p)
	if pl == nil {
		pl = r.check.draw(r.p.T, len(r.tasks))
		if r.check.priorities > 0 {
			r.ranking = r.check.drawRanking(r.p.T, len(r.tasks))
		}
		if r.check.replay == nil {
			r.reach = horizon
		}
	}
	r.plan = pl
	r.perform()
	if r.p.Failed() {
		r.fail(&failure{kind: errored})
	}
}

// bar makes waits of the property, of its claims and of its clean-up panic, until undo: while they wait the loop does not
// run, so they would wait for ever.
func (r *run) bar() (undo func()) {
	if r.world == nil || !r.world.sim.Closed() {
		return func() {}
	}
	return park.Bar()
}

// perform runs the tasks to their end, and looks at what they leave.
func (r *run) perform() {
	if r.crowd != nil {
		r.crowd.perform()
		return
	}
	r.phase = working
	r.disturb()
	r.claim()
	r.turn(func() bool { return r.left == 0 })
	if r.fault != nil {
		return
	}
	r.phase = clearing
	if r.rec != nil && r.world.d.Stats().Tasks > 0 {
		r.rec.add(r, nil, clears, "")
	}
	r.cancel()
	r.turn(func() bool { return r.left > 0 || r.quiet() })
	if r.fault == nil {
		r.inspect()
	}
}

// turn runs the loop until done answers true, the case has failed, or nothing can happen.
func (r *run) turn(done func() bool) {
	who := "a callback"
	defer r.catch(&who)
	r.check.sampler.begin()
	defer r.check.sampler.rest()
	err := r.runUntil(func() bool { return r.fault != nil || done() })
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
	if s := r.world.outside.take(); s != nil {
		r.fail(&failure{kind: foreignCall, where: s})
	}
	r.over = true
	r.ask(r.finally, finallyFalse)
}

// ask looks at claims, and fails with the first that is not so.
func (r *run) ask(claims []claim, as kind) {
	if r.fault != nil || len(claims) == 0 {
		return
	}
	name := ""
	defer func() {
		if value := recover(); value != nil {
			r.died(fmt.Sprintf("claim %q", name), value)
		}
	}()
	for i, c := range claims {
		name = c.name
		if !c.ok() {
			r.fail(&failure{kind: as, what: c.name, index: i})
			return
		}
	}
}

// end gets the case out of the way, also while a panic is on its way.
func (r *run) end() {
	defer r.part()
	defer r.cleanup()
	if r.crowd != nil {
		r.crowd.clear()
	} else {
		r.phase = leaving
	}
	switch {
	case r.rec == nil:
	case r.fault != nil && r.fault.kind == skipped:
		r.rec.over = true
	default:
		r.rec.finish(r)
	}
	r.cancel()
	if r.crowd != nil {
		synctest.Wait() // functions of Cleanup do not run beside what still runs
	}
	if r.world == nil {
		return
	}
	if r.world.d.Pending() > 0 {
		r.drain()
	}
	if r.world.d.Pending() > 0 || r.fault != nil || r.check.bubble {
		r.check.close()
	}
}

// cleanup runs the functions of P.Cleanup, and in a bubble gives goroutines the time to end.
func (r *run) cleanup() {
	defer func() {
		if r.check.bubble || r.check.goroutines {
			time.Sleep(grace)
		}
	}()
	r.close()
	r.cleanNext()
}

// cleanNext calls the last function of P.Cleanup, and then those before it, also if it does not return.
func (r *run) cleanNext() {
	unlock := r.guard()
	last := len(r.cleanups) - 1
	if last < 0 {
		unlock()
		return
	}
	fn := r.cleanups[last]
	r.cleanups = r.cleanups[:last]
	unlock()
	defer r.cleanNext()
	fn()
}

// close has the case begin no more tasks.
func (r *run) close() {
	defer r.guard()()
	r.over = true
}

// guard locks what tasks may change at the same time where they run on goroutines.
func (r *run) guard() (unlock func()) {
	if r.crowd == nil {
		return func() {}
	}
	r.crowd.mu.Lock()
	return r.crowd.mu.Unlock
}

// part keeps what functions of P.Cleanup have posted or started away from the next case.
func (r *run) part() {
	if r.world != nil && r.check.world == r.world && r.world.d.Pending() > 0 {
		r.check.close()
	}
}

// fail notes why the case has failed; only the first reason counts.
func (r *run) fail(f *failure) {
	if r.fault == nil && r.phase != leaving {
		f.step = r.step
		r.fault = f
		r.check.recording = r.check.recording || f.kind != skipped
	}
}

// claim asks what is always to hold.
func (r *run) claim() { r.ask(r.always, alwaysFalse) }

// drain runs the loop until nothing is pending, or it has taken too long.
func (r *run) drain() {
	who := ""
	defer r.catch(&who)
	r.check.sampler.begin()
	defer r.check.sampler.rest()
	limit := r.step + r.check.steps
	_ = r.runUntil(func() bool { return r.step > limit || r.world.d.Pending() == 0 })
}
