package dispatch_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

// eventWorld is some events and two dispatchers as a script sees them: the real ones, or the
// model.
type eventWorld interface {
	Trigger(e int)
	CloseEvent(e int)
	Add(d, e int, cb func() bool) (stop func() bool, err error)
	Poll(d int) (int, error)
	Close(d int) error
	Pending(d int) int
}

const eventCount = 2

// realEvents are the real ones.
type realEvents struct {
	d [2]*dispatch.Dispatcher
	e [eventCount]dispatch.Event
}

func (r *realEvents) Trigger(e int)           { r.e[e].Trigger() }
func (r *realEvents) CloseEvent(e int)        { r.e[e].Close() }
func (r *realEvents) Poll(d int) (int, error) { return r.d[d].Poll(0) }
func (r *realEvents) Close(d int) error       { return r.d[d].Close() }
func (r *realEvents) Pending(d int) int       { return r.d[d].Pending() }

func (r *realEvents) Add(d, e int, cb func() bool) (func() bool, error) {
	w, err := r.d[d].AddEvent(&r.e[e], cb)
	if err != nil {
		return nil, err
	}
	return w.Stop, nil
}

// modelEvents is what the comments of Event and AddEvent say, and nothing else.
type modelEvents struct {
	loops  [2]modelLoop
	events [eventCount]modelEvent
	on     bool // in a callback
}

type modelLoop struct {
	fifo    []*modelReg
	refuses bool // Close has been called
	closed  bool
}

type modelEvent struct {
	triggered, closed bool
	reg               *modelReg
}

type modelReg struct {
	d, e int
	cb   func() bool
}

func (m *modelEvents) Trigger(e int) {
	ev := &m.events[e]
	if ev.closed || ev.triggered {
		return
	}
	ev.triggered = true
	m.queue(ev)
}

func (m *modelEvents) queue(ev *modelEvent) {
	if r := ev.reg; r != nil && ev.triggered {
		m.loops[r.d].fifo = append(m.loops[r.d].fifo, r)
	}
}

func (m *modelEvents) CloseEvent(e int) { m.events[e] = modelEvent{closed: true} }

func (m *modelEvents) Add(d, e int, cb func() bool) (func() bool, error) {
	ev := &m.events[e]
	switch {
	case ev.closed:
		return nil, dispatch.ErrEventClosed
	case ev.reg != nil:
		return nil, dispatch.ErrRegistered
	case m.loops[d].refuses:
		return nil, dispatch.ErrClosed
	}
	r := &modelReg{d, e, cb}
	ev.reg = r
	m.queue(ev)
	return func() bool { return m.stop(r) }, nil
}

func (m *modelEvents) stop(r *modelReg) bool {
	was := m.events[r.e].reg == r
	if was {
		m.events[r.e].reg = nil
	}
	return was
}

// turn runs what is in the FIFO now.
func (m *modelEvents) turn(d int) int {
	m.on = true
	defer func() { m.on = false }()
	l := &m.loops[d]
	n := len(l.fifo)
	for range n {
		r := l.fifo[0]
		l.fifo = l.fifo[1:]
		if ev := &m.events[r.e]; ev.reg == r {
			ev.triggered = false
			if r.cb() {
				m.stop(r)
			}
		}
	}
	return n
}

func (m *modelEvents) Poll(d int) (int, error) {
	switch l := &m.loops[d]; {
	case m.on:
		return 0, dispatch.ErrRunning
	case l.refuses:
		return 0, dispatch.ErrClosed
	case len(l.fifo) == 0:
		return 0, dispatch.ErrIdle
	}
	return m.turn(d), nil
}

func (m *modelEvents) Close(d int) error {
	l := &m.loops[d]
	if l.closed {
		return nil
	}
	l.refuses = true
	defer func() { // also if a callback panics
		for i := range m.events {
			if r := m.events[i].reg; r != nil && r.d == d {
				m.stop(r)
			}
		}
		l.fifo, l.closed = nil, true
	}()
	m.turn(d)
	return nil
}

func (m *modelEvents) Pending(d int) int { return len(m.loops[d].fifo) }

// eventAct is one call of a script.
type eventAct struct {
	what   string
	d, e   int
	which  int // the watch to stop; after how many calls a callback is done
	inside []eventAct
}

func drawEventActs(t *rapid.T, n, depth int, kinds []string) []eventAct {
	acts := make([]eventAct, rapid.IntRange(0, n).Draw(t, "n"))
	for i := range acts {
		a := eventAct{
			what:  rapid.SampledFrom(kinds).Draw(t, "what"),
			d:     rapid.IntRange(0, 1).Draw(t, "d"),
			e:     rapid.IntRange(0, eventCount-1).Draw(t, "e"),
			which: rapid.IntRange(0, 3).Draw(t, "which"),
		}
		if a.what == "add" && depth > 0 {
			a.inside = drawEventActs(t, 3, depth-1, insideEvent)
		}
		acts[i] = a
	}
	return acts
}

var (
	insideEvent  = []string{"trigger", "trigger", "stop", "add", "close", "panic", "poll"}
	outsideEvent = []string{"trigger", "trigger", "add", "add", "add", "stop", "poll", "poll", "poll", "close", "end"}
)

// eventScript runs acts in a world and writes down all that can be seen.
type eventScript struct {
	w     eventWorld
	stops []func() bool
	trace []string
}

func (s *eventScript) say(format string, args ...any) {
	s.trace = append(s.trace, fmt.Sprintf(format, args...)+fmt.Sprintf(" [%d %d]", s.w.Pending(0), s.w.Pending(1)))
}

func (s *eventScript) run(acts []eventAct) {
	for _, a := range acts {
		switch a.what {
		case "trigger":
			s.w.Trigger(a.e)
			s.say("trigger %d", a.e)
		case "close":
			s.w.CloseEvent(a.e)
			s.say("close %d", a.e)
		case "add":
			name, calls := len(s.trace), 0
			stop, err := s.w.Add(a.d, a.e, func() bool {
				s.say("callback %d begins", name)
				calls++
				s.run(a.inside)
				s.say("callback %d ends", name)
				return calls >= a.which
			})
			if err == nil {
				s.stops = append(s.stops, stop)
			}
			s.say("add %d on %d: %v", a.e, a.d, err)
		case "stop":
			if n := len(s.stops); n > 0 {
				s.say("stop: %v", s.stops[max(0, n-1-a.which)]())
			}
		case "poll":
			s.guard("poll", func() (int, error) { return s.w.Poll(a.d) })
		case "end":
			s.guard("end", func() (int, error) { return 0, s.w.Close(a.d) })
		case "panic":
			panic(len(s.trace))
		}
	}
}

func (s *eventScript) guard(what string, f func() (int, error)) {
	if p := panicOf(func() {
		n, err := f()
		s.say("%s: %d, %v", what, n, err)
	}); p != nil {
		s.say("%s panics: %v", what, p)
	}
}

// TestEventModel compares events on two dispatchers with the model: which callback runs when,
// what each call returns, and what is pending at every step.
func TestEventModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		acts := drawEventActs(t, 30, 2, outsideEvent)
		r := new(realEvents)
		for i := range r.d {
			d, err := dispatch.New(dispatch.Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = panicOf(func() { _ = d.Close() }) }()
			r.d[i] = d
		}
		got, want := &eventScript{w: r}, &eventScript{w: new(modelEvents)}
		got.run(acts)
		want.run(acts)
		if !slices.Equal(got.trace, want.trace) {
			i := 0
			for i < min(len(got.trace), len(want.trace)) && got.trace[i] == want.trace[i] {
				i++
			}
			t.Fatalf("script %+v\nbegins %q\ngoes on %q\nwant %q", acts, got.trace[:i], got.trace[i:], want.trace[i:])
		}
	})
}
