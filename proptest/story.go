package proptest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// story is a recording as one reads it: step by step, with how things stand behind each.
type story struct {
	*recording
	names  *names
	scenes []*scene
	last   *scene // how things stand at the end; not nil
}

// scene is one step.
type scene struct {
	step   int
	now    time.Duration
	who    string   // runs
	actor  *actor   // who it is, nil for a callback
	before []string // what happened before, without a task: cancels, the clock
	passed []string // whom it has overtaken, against the FIFO
	acts   []act    // what was done
	states []status // of all tasks of the recording, behind the step
	woke   bool     // it has made another task ready
	holds  []hold   // behind the step
	edges  []edge   // behind the step
}

// act is something that a task does.
type act struct {
	actor *actor // nil: a callback
	text  string
	dull  bool // it is of no interest by itself: that it goes on, yields, sleeps
}

// state is how a task stands.
type state uint8

const (
	absent  state = iota // it has not begun, and is not ready
	ready                // it is in the FIFO
	waiting              // it waits
	over                 // it has ended
)

// status is how a task stands behind a step.
type status struct {
	state state
	ran   bool   // it had the loop in this step
	text  string // such as "waits in lock.AsyncLock.Acquire (pool.go:31) for AsyncLock 1"
	wait  *event // the last wait that it has begun, if it has not gone on
	hit   bool   // it was canceled right before the step

	panicked bool
	bad      bool // it has panicked, or ended with an error other than a cancel
}

// hold says who holds what.
type hold struct {
	thing string
	obj   any
	actor *actor // nil: a callback
	n     int64
	step  int
	place *place
}

func (h *hold) holder() string {
	if h.actor == nil {
		return "a callback"
	}
	return h.actor.name
}

func (h *hold) text() string { return "held by " + h.holder() + h.since() }

// since is the end of a sentence.
func (h *hold) since() string {
	some := ""
	if h.n > 1 {
		some = fmt.Sprintf(", %d of it,", h.n)
	}
	return fmt.Sprintf("%s since step %d%s", some, h.step, h.place.inParens())
}

// edge says that a task waits for another, directly or because that holds what it wants.
type edge struct {
	from, to *actor
	thing    string // empty: for the end of the other
	sole     bool   // nobody else could end the wait
}

// inParens is the place in the code under test, as something to append.
func (p *place) inParens() string {
	if at := p.at(); at != nil && at.file != "" {
		return " (" + (&site{file: at.file, line: at.line}).String() + ")"
	}
	return ""
}

// teller makes a story.
type teller struct {
	*story
	status  []status
	since   []int // since which step a task is ready; -1: it is not
	holds   []hold
	cancels map[int][]*actor // by the step before which they came
}

// kept is for how many steps, the last ones, a story knows how things stood.
const kept = 400

// tell makes the story of a recording.
func (rec *recording) tell() *story {
	t := &teller{story: &story{recording: rec, names: newNames(rec)}}
	t.status = make([]status, len(rec.tasks))
	t.since = slices.Repeat([]int{-1}, len(rec.tasks))
	t.cancels = map[int][]*actor{}
	for _, e := range rec.events {
		if e.kind == canceled {
			t.cancels[e.step] = append(t.cancels[e.step], e.actor)
		}
	}
	var before []string
	for _, e := range rec.events[:t.until(0)] {
		before = append(before, t.happens(e, nil)...)
	}
	for k := range rec.steps {
		before = t.scene(k, before)
	}
	if t.last == nil {
		t.last = &scene{step: -1, before: before}
		t.settle(t.last, rec.final.ready)
	}
	return t.story
}

// until returns the end of the events that come before step k.
func (t *teller) until(k int) int {
	if k < len(t.steps) {
		return t.steps[k].first
	}
	return len(t.events)
}

// scene tells step k. It takes and returns what happens between two steps.
func (t *teller) scene(k int, before []string) (after []string) {
	at := &t.steps[k]
	s := &scene{step: k, now: time.Duration(at.now), before: before}
	for i, a := range t.tasks {
		t.status[i].ran = false
		t.status[i].hit = slices.Contains(t.cancels[k], a)
	}
	t.queue(k, at.ready)
	runs := at.ready[at.pick]
	s.actor, s.who = runs.actor, runs.what
	for _, e := range t.events[at.first:t.until(k+1)] {
		if e.kind < canceled && s.actor == nil && e.actor != nil && len(s.acts) == 0 {
			s.actor = e.actor // whom a timer has woken
		}
		if e.step > k {
			after = append(after, t.happens(e, nil)...)
		} else {
			after = append(after, t.happens(e, s)...)
		}
	}
	if s.actor != nil {
		s.who = s.actor.name
	}
	for _, e := range at.ready[:at.pick] {
		s.passed = append(s.passed, e.name())
	}
	next := t.final.ready
	if k+1 < len(t.steps) {
		next = t.steps[k+1].ready
	}
	t.settle(s, next)
	t.scenes = append(t.scenes, s)
	t.last = s
	if k >= kept {
		old := t.scenes[k-kept]
		old.states, old.holds, old.edges = nil, nil, nil
	}
	return after
}

func (e entry) name() string {
	if e.actor != nil {
		return e.actor.name
	}
	return e.what
}

func (s *story) index(a *actor) int { return slices.Index(s.tasks, a) }

// queue notes who is ready at the beginning of step k.
func (t *teller) queue(k int, queued []entry) {
	for i, a := range t.tasks {
		switch in := slices.ContainsFunc(queued, func(e entry) bool { return e.actor == a }); {
		case !in:
			t.since[i] = -1
		case t.since[i] < 0:
			t.since[i] = k
		}
	}
}

// settle notes how things stand behind a step, when next is ready.
func (t *teller) settle(s *scene, next []entry) {
	for i, a := range t.tasks {
		st := &t.status[i]
		switch {
		case st.state == over:
		case slices.ContainsFunc(next, func(e entry) bool { return e.actor == a }):
			hit := slices.Contains(t.cancels[s.step+1], a)
			s.woke = s.woke || st.state == waiting && st.wait != nil && !t.isPause(st.wait) && !hit
			st.state, st.text = ready, "is ready"
			if st.wait == nil {
				st.text = "is ready to begin"
			}
		case st.wait != nil:
			st.state = waiting
		}
	}
	s.edges = t.waitsFor()
	for i := range t.status {
		if st := &t.status[i]; st.state == waiting {
			st.text = t.waitText(st.wait, true)
		}
	}
	s.states = slices.Clone(t.status)
	s.holds = slices.Clone(t.holds)
}

// happens plays an event. What happens without a task is returned, what is done goes to s.
func (t *teller) happens(e event, s *scene) (before []string) {
	do := func(dull bool, format string, args ...any) {
		if s != nil {
			s.acts = append(s.acts, act{e.actor, fmt.Sprintf(format, args...), dull})
		}
	}
	var st *status
	if e.actor != nil && e.kind < canceled {
		st = &t.status[t.index(e.actor)]
		if s != nil {
			st.ran = true
		}
	}
	switch e.kind {
	case begins:
		do(false, "begins")
	case resumes:
		do(true, "goes on%s", t.why(e))
		st.wait = nil
	case waits:
		st.wait = &e
		do(t.isPause(&e), "%s", t.waitText(&e, false))
	case ends:
		st.state, st.wait, st.text = over, nil, "has ended"
		switch {
		case st.panicked:
			st.text, st.bad = "has panicked", true
		case e.actor.err != nil:
			text := oneLine(plain(e.actor.err))
			st.text = "has ended with the error: " + text
			st.bad = !isCanceled(e.actor.err)
			do(false, "ends with the error: %s", text)
		default:
			do(false, "ends")
		}
	case took:
		t.holds = append(t.holds, hold{t.names.of(e.obj), e.obj, e.actor, e.n, e.step, e.place})
		do(false, "takes %s%s", t.some(e), e.place.inParens())
	case gave:
		if t.give(e) {
			do(false, "gives back %s%s", t.some(e), e.place.inParens())
		} else {
			do(false, "gives back %s, which nobody holds%s", t.some(e), e.place.inParens())
		}
	case starts:
		if s != nil && e.actor != nil {
			do(false, "starts %s%s", e.other.name, e.place.inParens())
		}
	case panics:
		st.panicked = true
		do(false, "panics: %s", oneLine(e.text))
	case opBegins:
		do(false, "calls %s%s", e.text, e.place.inParens())
	case opEnds:
		do(false, "is back from %s", e.text)
	case dies:
		do(false, "is made to panic here, by Panics")
	case canceled:
		return []string{fmt.Sprintf("%s is canceled", e.actor.name)}
	case timePasses:
		return []string{fmt.Sprintf("the clock goes on to %v", time.Duration(e.now))}
	case clears:
		return []string{"all tasks of P.Go have ended: the others are canceled"}
	}
	return nil
}

// isCanceled reports whether an error is that of a cancel. The error is of the code under test: it may
// panic when it is asked, as nil pointers do.
func isCanceled(err error) (is bool) {
	defer func() { _ = recover() }()
	return errors.Is(err, context.Canceled)
}

func (t *teller) some(e event) string {
	if e.n > 1 {
		return fmt.Sprintf("%d of %s", e.n, t.names.of(e.obj))
	}
	return t.names.of(e.obj)
}

// give is holdings.give for the story. It reports whether anything was held.
func (t *teller) give(e event) (held bool) {
	n := e.n
	for _, own := range []bool{true, false} {
		for i := 0; i < len(t.holds) && n > 0; {
			h := &t.holds[i]
			if h.obj != e.obj || own != (h.actor == e.actor) {
				i++
				continue
			}
			held = true
			k := min(n, h.n)
			h.n -= k
			n -= k
			if h.n == 0 {
				t.holds = slices.Delete(t.holds, i, i+1)
			}
		}
	}
	return held
}

// isPause reports whether a wait is one for nothing but time or the others' turn.
func (t *teller) isPause(e *event) bool { return reflect.ValueOf(e.obj).Kind() == reflect.String }

// waitText says what a task waits for; if now is set, as it stands, with who has that.
func (t *teller) waitText(e *event, now bool) string {
	at := e.place.at()
	if t.isPause(e) {
		text := fmt.Sprint(e.obj) + "s"
		if at != nil && at.call != "core.Yield" && at.call != "core.Sleep" {
			text += " in " + at.call
		}
		return text + e.place.inParens()
	}
	if at == nil || at.call == "" {
		return "waits" + e.place.inParens()
	}
	text := "waits in " + at.call + e.place.inParens()
	thing, task := t.names.waited(e)
	switch {
	case thing == "":
		return text
	case task != nil:
		text += " for the end of " + thing
		if now && t.status[t.index(task)].state == over {
			text += ", which has ended"
		}
		return text
	}
	text += " for " + thing
	if !now {
		return text
	}
	var holders []string
	for i := range t.holds {
		if h := &t.holds[i]; h.thing == thing {
			who := h.text()
			if h.actor != nil && t.status[t.index(h.actor)].state == over {
				who += ", which has ended"
			}
			holders = append(holders, who)
		}
	}
	if len(holders) > 0 {
		text += ", " + strings.Join(holders, ", and ")
	}
	return text
}

// waitsFor returns who waits for whom.
func (t *teller) waitsFor() (all []edge) {
	for i, a := range t.tasks {
		if t.status[i].state != waiting {
			continue
		}
		thing, task := t.names.waited(t.status[i].wait)
		if task != nil {
			all = append(all, edge{from: a, to: task, sole: true})
			continue
		}
		if thing == "" {
			continue
		}
		var holders []*actor
		for _, h := range t.holds {
			if h.thing == thing && h.actor != nil && !slices.Contains(holders, h.actor) {
				holders = append(holders, h.actor)
			}
		}
		for _, to := range holders {
			all = append(all, edge{a, to, thing, len(holders) == 1})
		}
	}
	return all
}

// why tells why a task goes on, if that is not plain.
func (t *teller) why(e event) string {
	i := t.index(e.actor)
	st := &t.status[i]
	since := t.since[i]
	t.since[i] = -1
	hit := slices.Contains(t.cancels[since], e.actor)
	switch {
	case hit && st.wait != nil:
		return " (it was canceled)"
	case st.wait == nil || t.isPause(st.wait) || since <= 0 || since > len(t.scenes):
		return ""
	}
	by := t.scenes[since-1]
	if by.who == e.actor.name {
		return ""
	}
	return fmt.Sprintf(" (woken by %s in step %d)", by.who, by.step)
}

// cycle returns the tasks of a circle of waits at the end, such as w0, w1, w0, nil if there is none.
// In a circle with several holders of one thing each of the others may end it, which counts only when
// nothing can happen any more.
func (s *story) cycle() []*actor {
	stuck := s.final.fault != nil && s.final.fault.kind == deadlock
	var path []*actor
	done := map[*actor]bool{}
	var visit func(a *actor) []*actor
	visit = func(a *actor) []*actor {
		if i := slices.Index(path, a); i >= 0 {
			return append(slices.Clone(path[i:]), a)
		}
		if done[a] {
			return nil
		}
		path = append(path, a)
		for _, e := range s.last.edges {
			if e.from == a && (e.sole || stuck) {
				if circle := visit(e.to); circle != nil {
					return circle
				}
			}
		}
		path = path[:len(path)-1]
		done[a] = true
		return nil
	}
	for _, a := range s.tasks {
		if circle := visit(a); circle != nil {
			return circle
		}
	}
	return nil
}
