package proptest

import (
	"context"
	"errors"
	"reflect"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// choose picks the callback of this step.
func (r *run) choose(ready []seam.Runnable) int {
	pick := 0
	if r.phase == working || r.phase == clearing {
		if r.ranking != nil {
			if pick = r.ranking.choose(r.step, ready); pick > 0 {
				r.plan.deviations = append(r.plan.deviations, disturbance{r.step, pick})
			}
		} else {
			for _, d := range r.plan.deviations {
				if d.Step == r.step {
					pick = d.Pick % len(ready)
				}
			}
		}
		if r.trace != nil {
			r.trace.chosen(r.step, len(ready))
		}
	}
	if r.rec != nil {
		r.rec.pick = pick
	}
	return pick
}

// stepped is behind each step.
func (r *run) stepped() bool {
	r.step++
	r.check.started = true
	r.check.sampler.beat()
	if b := r.check.sampler.take(); b != nil {
		r.fail(b.failure())
	}
	r.watches.poll() // first, since whoever can go on by now does not wait any more
	if r.phase != working && r.phase != clearing {
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
	r.watches.poll()
	return true
}

// disturb does what the plan has in store for the moment before a step.
func (r *run) disturb() {
	r.extend(len(r.tasks))
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
			if t.handle.CancelCause(errDrawn) && r.rec != nil {
				r.rec.add(r, t.actor, canceled, "")
			}
		}
	}
	for _, p := range r.plan.panics {
		if p.Step == r.step && len(r.tasks) > 0 {
			r.tasks[p.Pick%len(r.tasks)].doomed = true
		}
	}
	if r.trace != nil {
		r.trace.disturbed(r)
	}
}

// pass moves the clock.
func (r *run) pass(to int64) {
	if r.check.bubble {
		time.Sleep(time.Duration(to - r.now)) // the loop's goroutine: nothing that is ready runs
	}
	r.now = max(r.now, to)
	if r.rec != nil {
		r.rec.add(r, nil, timePasses, "")
	}
}

// sleep is asked when nothing is ready.
func (r *run) sleep(next int64, armed bool) bool {
	r.check.sampler.rest()
	defer r.check.sampler.begin()
	if r.watches.poll() {
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
		r.fail(r.stuck())
	}
	return false
}

// errDrawn is the cause of the cancels of a plan.
var errDrawn = errors.New("drawn by proptest")

// killed is what a task dies of.
type killed struct{}

func (killed) Error() string { return "proptest: this task was drawn to die here" }

// sentence is asked in a wait that has not got what it waits for: an error is to end it.
func (r *run) sentence(ctx context.Context) error {
	for i, t := range r.tasks {
		if t.ctx != ctx {
			continue
		}
		if t.doomed {
			return killed{}
		}
		if r.trace != nil {
			r.trace.resumed(r, i)
		}
	}
	return nil
}

// execute comes when a wait has failed, and has left the queue: a task that dies there takes nothing
// along.
func (r *run) execute(ctx context.Context) {
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

// unhandled hears of an error that nobody has looked at.
func (r *run) unhandled(err error) {
	if !harmless(err, false) {
		r.fail(&failure{kind: unhandled, err: err})
	}
}

// panicked hears of a task that does not return.
func (r *run) panicked(ctx context.Context, value any) {
	if r.rec != nil {
		r.rec.panicked(r, ctx, value)
	}
	r.died(r.nameOf(ctx), value)
}

// catch ends a panic on the loop, outside of all tasks.
func (r *run) catch(who *string) {
	if value := recover(); value != nil {
		r.died(*who, value)
	}
}

// died notes a panic, or a Goexit (value nil).
func (r *run) died(who string, value any) {
	for {
		p, ok := value.(*core.PanicError)
		if !ok {
			break
		}
		value = p.Value // it went through core.Blocking, or was raised again
	}
	switch {
	case value == any(killed{}):
	case value == nil:
		r.fail(&failure{kind: goexit, who: who, where: callSite()})
	case !isRapid(value):
		r.fail(&failure{kind: panicked, who: who, value: value, where: callSite()})
	case isSkip(value):
		r.fail(&failure{kind: skipped, value: value, where: callSite()})
	default:
		r.fail(&failure{kind: steered, value: value, where: callSite()})
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

// isSkip reports whether one throws the case away, as SkipNow does, or a Draw that finds no value.
func isSkip(value any) bool { return reflect.TypeOf(value).Name() == "invalidData" }

// nameOf returns the name of the task with that ctx. It has to be the same whether the case is recorded or
// not.
func (r *run) nameOf(ctx context.Context) string {
	for _, t := range r.tasks {
		if t.ctx == ctx {
			return "task " + t.name
		}
	}
	return "a task that is not of P.Go"
}
