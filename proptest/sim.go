package proptest

import (
	"context"
	"reflect"

	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// choose picks the callback of this step.
func (r *run) choose(ready []seam.Runnable) int {
	pick := 0
	if r.phase == working || r.phase == clearing {
		for _, d := range r.plan.deviations {
			if d.Step == r.step {
				pick = d.Pick % len(ready)
			}
		}
	}
	if r.rec != nil {
		r.rec.choice(r, ready, pick)
	}
	return pick
}

// stepped is behind each step.
func (r *run) stepped() bool {
	r.step++
	if r.phase != working && r.phase != clearing {
		r.poll()
		return true
	}
	if r.fault == nil {
		r.claim()
	}
	if r.fault == nil && r.step >= r.check.steps {
		r.fail(&failure{kind: livelock})
	}
	if s := r.world.outside.take(); s != nil {
		r.fail(&failure{kind: foreignCall, where: s})
	}
	if r.fault != nil {
		return false
	}
	r.disturb()
	r.poll()
	return true
}

// disturb does what the plan has in store for the moment before a step.
func (r *run) disturb() {
	for _, step := range r.plan.timers {
		if step == r.step {
			if next, armed := r.world.loop.Next(); armed && next > r.now {
				r.pass(next)
			}
		}
	}
	for _, c := range r.plan.cancels {
		if c.Step == r.step && len(r.tasks) > 0 {
			t := r.tasks[c.Pick%len(r.tasks)]
			if t.handle.Cancel() && r.rec != nil {
				r.rec.add(r, t.actor, canceled, "")
			}
		}
	}
	for _, p := range r.plan.panics {
		if p.Step == r.step && len(r.tasks) > 0 {
			r.tasks[p.Pick%len(r.tasks)].doomed = true
		}
	}
}

// pass moves the clock.
func (r *run) pass(to int64) {
	r.now = max(r.now, to)
	if r.rec != nil {
		r.rec.add(r, nil, timePasses, "")
	}
}

// sleep is asked when nothing is ready.
func (r *run) sleep(next int64, armed bool) bool {
	if r.poll() {
		return true
	}
	if r.phase == clearing && r.world.d.Stats().Tasks == 0 {
		return false // what is armed is left over
	}
	if armed {
		r.pass(next)
		return true
	}
	if r.phase == working && r.left > 0 {
		r.fail(&failure{kind: deadlock})
	}
	return false
}

// killed is what a task dies of.
type killed struct{}

func (killed) Error() string { return "proptest: this task was drawn to die here" }

// resumed comes when a task goes on.
func (r *run) resumed(ctx context.Context) {
	if r.rec != nil {
		r.rec.resumed(r, ctx)
	}
	for _, t := range r.tasks {
		if t.doomed && t.ctx == ctx {
			t.doomed = false
			if r.rec != nil {
				r.rec.add(r, t.actor, dies, "")
			}
			panic(killed{})
		}
	}
}

// panicked hears of a task that does not return.
func (r *run) panicked(ctx context.Context, value any) {
	if _, ok := value.(killed); ok {
		return
	}
	switch {
	case value == nil:
		r.fail(&failure{kind: goexit, who: r.nameOf(ctx), where: callSite()})
	case isRapid(value):
		r.fail(&failure{kind: steered, value: value, where: callSite()})
	default:
		r.fail(&failure{kind: panicked, who: r.nameOf(ctx), value: value, where: callSite()})
	}
}

// isRapid reports whether a panic is one by which rapid steers, as Fatalf and SkipNow do.
func isRapid(value any) bool {
	t := reflect.TypeOf(value)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.PkgPath() == "pgregory.net/rapid"
}

// nameOf returns the name of the task with that ctx.
func (r *run) nameOf(ctx context.Context) string {
	for _, t := range r.tasks {
		if t.ctx == ctx {
			return t.name
		}
	}
	if r.rec != nil {
		return r.rec.nameOf(ctx)
	}
	return "another task"
}
