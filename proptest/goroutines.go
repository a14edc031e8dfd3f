package proptest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/core"
)

// Goroutines runs the tasks of each case on ordinary goroutines, in a bubble of [testing/synctest]: for code that blocks
// its goroutine, on Go channels or a [sync.Mutex], and to see that what holds for tasks holds there, too.
//
// What is drawn is the order in which they start, after which starts the next one follows at once, and
// which are canceled when. What they do beside each other is up to Go: such a case stresses the code, it does not
// schedule it. When rapid runs a case that has failed again, and smaller ones, each is tried up to 20 times; a failure that depends on more luck
// than that is called flaky. Claims of [P.Always] are asked whenever all goroutines are
// blocked: behind a start that is not followed by the next one at once, and while time
// passes, at intervals that double; they take the locks that the code under test takes. The ctx of the tasks is one without a dispatcher. P may be used by
// several of them at the same time, but for the drawing of values.
//
// A deadlock, an error, a panic in a task and goroutines that are left are found as under [Bubble], which
// this includes. A mutex is for what is done in one go: if it is held over a wait, or two are taken in opposite orders, a
// case may be unable to go on, which ends the process as under Bubble. A panic in a goroutine that the code under test has started itself ends the process. Livelocks, locks that are held at the end, timers
// that are left and unhandled errors are not seen. Steps does nothing; Panics, Timers, PCT and Exhaustive are refused.
func Goroutines() Option {
	return func(c *config) { c.goroutines = true }
}

// tries is how often a case is run that may fail by luck.
const tries = 20

// insist is once for a case that may be about to fail again.
func (c *check) insist(t *rapid.T) *run {
	tape, err := tapeOf(t)
	if err != nil {
		return c.once(t, nil, nil)
	}
	r := c.once(t, nil, nil)
	for range tries {
		if r.fault != nil {
			break
		}
		tape.rewind()
		r = c.once(t, nil, nil)
	}
	return r
}

// crowd is the tasks of a case as goroutines.
type crowd struct {
	run   *run
	mu    sync.Mutex      // guards gates, and what tasks change of run and its recording
	gates []chan struct{} // of tasks that have not started yet
}

// start is P.Go.
func (c *crowd) start(name string, fn func(ctx context.Context) error) *core.Task {
	r := c.run
	t := &task{name: name}
	gate := make(chan struct{})
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.over {
		panic("proptest: P.Go when the tasks of the case have ended")
	}
	r.check.started = true
	r.tasks = append(r.tasks, t)
	r.left++
	if r.phase == preparing {
		c.gates = append(c.gates, gate)
	} else {
		close(gate)
	}
	t.handle = core.Start(context.WithValue(r.ctx, taskKey{}, t), func(ctx context.Context) error {
		<-gate
		c.mu.Lock()
		t.ctx = ctx
		c.mu.Unlock()
		returned := false
		defer func() {
			if returned {
				c.ended(nil)
				return
			}
			p := recover()
			c.ended(func() { r.panicked(ctx, p) })
			if p != nil {
				panic(p) // the error of the task
			}
		}()
		err := fn(ctx)
		returned = true
		if err != nil && !harmless(err, ctx.Err() != nil) {
			c.fail(&failure{kind: taskError, who: "task " + name, err: err})
		}
		return err
	})
	return t.handle
}

// ended notes the end of a task, and with fn how.
func (c *crowd) ended(fn func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if fn != nil {
		fn()
	}
	c.run.left--
}

func (c *crowd) fail(f *failure) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.run.fail(f)
}

func (c *crowd) to(p phase) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.run.phase = p
}

// perform runs the tasks to their end.
func (c *crowd) perform() {
	r := c.run
	c.to(working)
	c.cancels()
	for len(c.gates) > 0 && !c.over() {
		at := 0
		for _, d := range r.plan.deviations {
			if d.Step == r.step {
				at = d.Pick % len(c.gates)
			}
		}
		close(c.gates[at])
		c.gates = append(c.gates[:at], c.gates[at+1:]...)
		rush := false
		for _, step := range r.plan.rushes {
			rush = rush || step == r.step && len(c.gates) > 0
		}
		if !rush {
			c.settle()
		}
		r.step++
		c.cancels()
	}
	c.settle()
	for d := time.Nanosecond; !c.over(); d *= 2 {
		if d > forever {
			r.p.Logf("proptest: not ended: %s", strings.Join(c.unfinished(), ", "))
			c.fail(&failure{kind: deadlock})
			return
		}
		time.Sleep(d)
		c.settle()
		r.step++
		c.cancels()
	}
	c.to(clearing)
	if r.fault != nil {
		return
	}
	r.cancel()
	synctest.Wait()
	r.close()
	c.ask(r.finally, finallyFalse)
}

// over reports whether the tasks have ended, or the case has failed.
func (c *crowd) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.run.fault != nil || len(c.gates) == 0 && c.run.left == 0
}

// settle waits until all goroutines are blocked, and asks what is always to hold.
func (c *crowd) settle() {
	synctest.Wait()
	c.ask(c.run.always, alwaysFalse)
}

// ask looks at claims, and fails with the first that is not so.
func (c *crowd) ask(claims []claim, as kind) {
	who := ""
	defer func() {
		if value := recover(); value != nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.run.died(who, value)
		}
	}()
	for i, claim := range claims {
		who = fmt.Sprintf("claim %q", claim.name)
		if !claim.ok() {
			c.fail(&failure{kind: as, what: claim.name, index: i})
			return
		}
	}
}

// cancels makes the cancels of this point of the plan.
func (c *crowd) cancels() {
	c.mu.Lock()
	tasks := c.run.tasks
	c.mu.Unlock()
	c.run.extend(len(tasks))
	for _, d := range c.run.plan.cancels {
		if d.Step == c.run.step && len(tasks) > 0 {
			tasks[d.Pick%len(tasks)].handle.CancelCause(errDrawn)
		}
	}
}

// unfinished names the tasks that have not ended.
func (c *crowd) unfinished() (names []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.run.tasks {
		if !t.handle.Finished() {
			names = append(names, t.name)
		}
	}
	return names
}

// clear lets the tasks of a case that has failed go, also those that have not started.
func (c *crowd) clear() {
	c.to(leaving)
	for _, gate := range c.gates {
		close(gate)
	}
	c.gates = nil
}
