package proptest

import (
	"context"
	"fmt"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/seed-1e54c410/turnstile/internal/park"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// recording is what has happened in a case, for the report. Only cases that come after one that has
// failed have one: rapid runs that again, shrinks it, and runs the smallest one last.
type recording struct {
	tasks  []*actor
	of     map[context.Context]*actor
	next   *actor // the next task that is started, if it is one of P.Go
	pick   int    // by the plan, for the callback that runs next
	now    int64  // of the last event that tells the time
	events []event
	steps  []turn
	names  []named // by P.Name
	final  final
	over   bool // what happens now only gets the case out of the way
}

// actor is a task as the report knows it.
type actor struct {
	name     string
	kids     int
	piece    any // of memory, with the task and its future; nil: unknown
	begun    bool
	ended    bool
	returned bool // its function has returned err
	err      error
}

// event is one thing that has happened.
type event struct {
	step  int // the step in which it did, or before which, if nobody did it
	now   int64
	actor *actor // nil: a callback, or nobody
	kind  eventKind
	text  string
	obj   any    // what was taken or given, or the reason of a wait
	n     int64  // how much of it
	other *actor // who was started
	place *place // where the code was
}

// eventKind says what has happened.
type eventKind uint8

const (
	begins     eventKind = iota // a task runs for the first time
	resumes                     // a task goes on
	waits                       // a task begins to wait
	ends                        // a task ends
	took                        // something was taken: a lock, permits
	gave                        // it was given back
	starts                      // a task was started
	panics                      // a task panics, or calls Goexit
	opBegins                    // an operation of P.Op begins
	opEnds                      // and ends
	canceled                    // the plan has canceled a task
	dies                        // the plan makes a task panic
	timePasses                  // the clock has moved
	clears                      // the tasks of P.Go have ended, and the others are canceled
)

// entry is something in the FIFO.
type entry struct {
	actor *actor // nil: a callback
	what  string // that callback
}

// turn is one step.
type turn struct {
	now   int64
	ready []entry // who could run, in order of arrival
	pick  int     // who did
	first int     // of the events in it
}

// final is the state when the case was over.
type final struct {
	plan  *plan
	fault *failure
	step  int
	now   int64
	ready []entry
	ops   []Operation
}

func newRecording() *recording {
	return &recording{of: map[context.Context]*actor{}}
}

// add notes an event. The answer is good until the next one.
func (rec *recording) add(r *run, a *actor, k eventKind, text string) *event {
	if rec.over {
		return &event{}
	}
	if a != nil && k < canceled {
		a.begun = true
	}
	if k == timePasses {
		rec.now = r.now
	}
	rec.events = append(rec.events, event{step: r.step, now: r.now, actor: a, kind: k, text: text})
	return &rec.events[len(rec.events)-1]
}

// root makes way for a task of P.Go, which is started next.
func (rec *recording) root(name string) *actor {
	rec.next = &actor{name: oneLine(name)}
	return rec.next
}

// started hears of a new task.
func (rec *recording) started(r *run, task context.Context, piece any) {
	a := rec.next
	rec.next = nil
	var by *actor
	if host := park.Running(); host != nil {
		by = rec.of[host.Context()]
	}
	if a == nil {
		a = &actor{}
		if by == nil {
			a.name = fmt.Sprintf("task %d", len(rec.tasks))
		} else {
			by.kids++
			a.name = fmt.Sprintf("%s.%d", by.name, by.kids)
		}
	}
	a.piece = piece
	rec.tasks = append(rec.tasks, a)
	rec.of[task] = a
	e := rec.add(r, by, starts, "")
	e.other, e.place = a, here()
}

// entryOf tells what stands in the FIFO.
func (rec *recording) entryOf(at seam.Runnable) entry {
	if t, ok := at.(interface{ Context() context.Context }); ok {
		if a := rec.of[t.Context()]; a != nil {
			return entry{actor: a}
		}
	}
	v := reflect.ValueOf(at)
	if v.Kind() == reflect.Func {
		if f := runtime.FuncForPC(v.Pointer()); f != nil {
			file, line := f.FileLine(f.Entry())
			return entry{what: "the callback at " + (&site{file: file, line: line}).String()}
		}
	}
	name := v.Type().String()
	if strings.Contains(name, "alarm") || strings.Contains(name, "firing") || strings.Contains(name, "deadline") || strings.Contains(name, "imer") {
		return entry{what: "a timer"}
	}
	return entry{what: "a callback"}
}

// began hears what runs in this step.
func (rec *recording) began(r *run, at seam.Runnable) {
	if rec.over {
		return
	}
	if rec.now != r.now {
		rec.add(r, nil, timePasses, "") // in a bubble nobody tells
	}
	s := turn{now: r.now, pick: rec.pick, first: len(rec.events)}
	rec.pick = 0
	for _, q := range r.world.loop.Queued() {
		s.ready = append(s.ready, rec.entryOf(q))
	}
	e := rec.entryOf(at)
	s.pick = min(s.pick, len(s.ready))
	s.ready = slices.Insert(s.ready, s.pick, e)
	rec.steps = append(rec.steps, s)
	if e.actor != nil && !e.actor.begun {
		rec.add(r, e.actor, begins, "")
	}
}

// parked hears of a wait.
func (rec *recording) parked(r *run, task context.Context, reason any) {
	if a := rec.of[task]; a != nil {
		e := rec.add(r, a, waits, "")
		e.obj, e.place = reason, here()
	}
}

// resumed hears that a task goes on.
func (rec *recording) resumed(r *run, task context.Context) {
	if a := rec.of[task]; a != nil {
		rec.add(r, a, resumes, "")
	}
}

// panicked hears of a task that does not return.
func (rec *recording) panicked(r *run, task context.Context, value any) {
	if a := rec.of[task]; a != nil {
		text := "runtime.Goexit"
		if value != nil {
			text = fmt.Sprint(value)
		}
		rec.add(r, a, panics, text).place = here()
	}
}

// ended hears of the end of a task.
func (rec *recording) ended(r *run, task context.Context) {
	if a := rec.of[task]; a != nil && !rec.over {
		rec.add(r, a, ends, "")
		a.ended = true
	}
}

// held hears that a task has taken n of obj, or given back -n.
func (rec *recording) held(r *run, task context.Context, obj any, n int64) {
	kind := took
	if n < 0 {
		kind, n = gave, -n
	}
	e := rec.add(r, rec.of[task], kind, "")
	e.obj, e.n, e.place = obj, n, here()
}

// finish notes how things stand at the end, before the case is got out of the way.
func (rec *recording) finish(r *run) {
	f := final{step: r.step, now: r.now, fault: r.fault, plan: &plan{}, ops: r.p.History()}
	if r.plan != nil {
		f.plan = r.plan.trim(r.step)
	}
	if r.world != nil {
		for _, at := range r.world.loop.Queued() {
			f.ready = append(f.ready, rec.entryOf(at))
		}
	}
	for _, a := range rec.tasks {
		if o, ok := a.piece.(seam.Outcome); ok && !a.returned {
			a.err = o.Outcome()
		}
	}
	rec.final = f
	rec.over = true
}

// place is where code was, and is looked up only for the report: there, most cases are forgotten.
type place struct {
	pcs  []uintptr
	site *site
}

// here is the place of the call of the module in which the calling goroutine is.
func here() *place {
	var pcs [64]uintptr
	return &place{pcs: slices.Clone(pcs[:runtime.Callers(2, pcs[:])])}
}

// at returns the site, nil if there is none.
func (p *place) at() *site {
	if p == nil {
		return nil
	}
	if p.site == nil {
		p.site = p.find()
	}
	return p.site
}

// find looks the site up. Where a task is nothing but a call of the module it has no file.
func (p *place) find() *site {
	if s, _ := siteOf(p.pcs); s != nil {
		return s
	}
	s := &site{}
	frames := runtime.CallersFrames(p.pcs)
	for {
		f, more := frames.Next()
		if in, ok := strings.CutPrefix(f.Function, module); ok && !strings.HasPrefix(in, "proptest.") {
			if call := apiName(in); exported.MatchString(call) {
				s.call = call
			}
		}
		if !more {
			return s
		}
	}
}

// exported matches the name of a call that users can make.
var exported = regexp.MustCompile(`^\w+(\.[A-Z]\w*)+$`)

// stack returns the functions outside of this module, with the calls of the module that they make, the
// innermost first.
func (p *place) stack() (all []string) {
	frames := runtime.CallersFrames(p.pcs)
	call := ""
	for {
		f, more := frames.Next()
		switch in, ok := strings.CutPrefix(f.Function, module); {
		case f.Function == "runtime.gopanic" || f.Function == "runtime.Goexit":
			all, call = nil, "" // what runs since then only looks after it
		case !ours(f.Function, f.File):
			if call != "" {
				all = append(all, call)
			}
			call = ""
			all = append(all, fmt.Sprintf("%s (%v)", f.Function[strings.LastIndexByte(f.Function, '/')+1:], &site{file: f.File, line: f.Line}))
		case ok:
			call = apiName(in)
		}
		if !more {
			return all
		}
	}
}
