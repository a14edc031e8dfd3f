package proptest

import (
	"context"
	"fmt"

	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// recording is what has happened in a case, for the report.
type recording struct {
	tasks    []*actor
	of       map[context.Context]*actor
	next     *actor // the next task that is started, if it is one of P.Go
	events   []event
	choices  map[int]choiceRec // of the steps in which there was one
	finalize final
	over     bool // what happens now only gets the case out of the way
}

// actor is a task as the report knows it.
type actor struct {
	name   string
	root   bool // of P.Go
	parent *actor
	kids   int
	begun  bool
	ended  bool
	waits  *event // what it waits for, or did at the end; nil: it runs, is ready, or has ended
}

// event is one thing that has happened.
type event struct {
	step  int
	now   int64
	actor *actor // nil: a callback, or nobody
	kind  eventKind
	text  string
	obj   any   // what was taken, given or waited for
	n     int64 // how much of it
	site  *site // where the code was
}

// eventKind says what has happened.
type eventKind uint8

const (
	begins     eventKind = iota // a task runs for the first time
	resumes                     // a task goes on
	waits                       // a task begins to wait
	ends                        // a task ends
	callback                    // something else than a task runs
	took                        // something was taken: a lock, permits
	gave                        // it was given back
	canceled                    // the plan has canceled a task
	dies                        // the plan makes a task panic
	timePasses                  // the clock has moved
	starts                      // a task was started
	opBegins                    // an operation of P.Op begins
	opEnds                      // and ends
)

// choiceRec is a choice that there was between ready callbacks.
type choiceRec struct {
	of, pick int
	ready    []string // who could have run, in order of arrival
}

// final is the state when the case was over.
type final struct {
	holds   holdings
	waiting []*actor
	step    int
	plan    *plan
	fault   *failure
}

func newRecording() *recording {
	return &recording{of: map[context.Context]*actor{}, choices: map[int]choiceRec{}}
}

func (rec *recording) add(r *run, a *actor, k eventKind, text string) *event {
	if rec.over {
		return &event{}
	}
	rec.events = append(rec.events, event{step: r.step, now: r.now, actor: a, kind: k, text: text})
	return &rec.events[len(rec.events)-1]
}

// root makes way for a task of P.Go, which is started next.
func (rec *recording) root(name string) *actor {
	rec.next = &actor{name: name, root: true}
	return rec.next
}

// started hears of a new task.
func (rec *recording) started(r *run, task, parent context.Context) {
	a := rec.next
	rec.next = nil
	if a == nil {
		a = &actor{}
		a.parent = rec.actorOf(parent)
		if a.parent == nil {
			a.name = fmt.Sprintf("task %d", len(rec.tasks))
		} else {
			a.parent.kids++
			a.name = fmt.Sprintf("%s.%d", a.parent.name, a.parent.kids)
		}
	}
	rec.tasks = append(rec.tasks, a)
	rec.of[task] = a
	rec.add(r, a, starts, "").site = callSite()
}

// actorOf returns the task whose ctx it is, or from whose ctx it was derived.
func (rec *recording) actorOf(ctx context.Context) *actor {
	return rec.of[ctx]
}

func (rec *recording) nameOf(ctx context.Context) string {
	if a := rec.of[ctx]; a != nil {
		return a.name
	}
	return "a callback"
}

// nameOfReady names what stands in the FIFO.
func (rec *recording) nameOfReady(r seam.Runnable) string {
	if t, ok := r.(interface{ Context() context.Context }); ok {
		return rec.nameOf(t.Context())
	}
	return "a callback"
}

// choice hears of a choice.
func (rec *recording) choice(r *run, ready []seam.Runnable, pick int) {
	c := choiceRec{of: len(ready), pick: pick}
	for _, at := range ready {
		c.ready = append(c.ready, rec.nameOfReady(at))
	}
	rec.choices[r.step] = c
}

// began hears what runs in this step.
func (rec *recording) began(r *run, at seam.Runnable) {
	if t, ok := at.(interface{ Context() context.Context }); ok {
		if a := rec.of[t.Context()]; a != nil {
			if !a.begun {
				a.begun = true
				rec.add(r, a, begins, "")
			}
			return // resumed follows
		}
	}
	rec.add(r, nil, callback, fmt.Sprintf("%T", at))
}

// parked hears of a wait.
func (rec *recording) parked(r *run, task context.Context, reason any) {
	a := rec.of[task]
	if a == nil || rec.over {
		return
	}
	e := rec.add(r, a, waits, "")
	e.obj = reason
	e.site = callSite()
	w := *e
	a.waits = &w
}

// resumed hears that a task goes on.
func (rec *recording) resumed(r *run, task context.Context) {
	if a := rec.of[task]; a != nil && !rec.over {
		a.waits = nil
		rec.add(r, a, resumes, "")
	}
}

// ended hears of the end of a task.
func (rec *recording) ended(r *run, task context.Context) {
	if a := rec.of[task]; a != nil && !rec.over {
		a.ended = true
		rec.add(r, a, ends, "")
	}
}

// took hears that a task has taken n of obj.
func (rec *recording) took(r *run, task context.Context, obj any, n int64) {
	e := rec.add(r, rec.of[task], took, "")
	e.obj, e.n, e.site = obj, n, callSite()
}

// gave hears that a task has given back n of obj.
func (rec *recording) gave(r *run, task context.Context, obj any, n int64) {
	e := rec.add(r, rec.of[task], gave, "")
	e.obj, e.n, e.site = obj, n, callSite()
}

// finish notes how things stand at the end, before the case is got out of the way.
func (rec *recording) finish(r *run) {
	f := final{holds: append(holdings(nil), r.holds...), step: r.step, fault: r.fault}
	if r.plan != nil {
		f.plan = r.plan.trim(r.step)
	}
	for _, a := range rec.tasks {
		if a.waits != nil && !a.ended {
			f.waiting = append(f.waiting, a)
		}
	}
	rec.finalize = f
	rec.over = true
}
