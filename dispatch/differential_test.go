//go:build unix

package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// errReset is the error of a connection whose peer has gone.
var errReset error = unix.EPIPE

// lineAct is one call of a script. Those that make a callback have what it does in body.
type lineAct struct {
	what    string
	l, o, k int
	send    bool
	body    []lineAct
}

func (a lineAct) String() string {
	s := fmt.Sprintf("%s(l%d o%d %d %t)", a.what, a.l, a.o, a.k, a.send)
	if len(a.body) > 0 {
		s += fmt.Sprint(a.body)
	}
	return s
}

// What scripts are made of. Not all kinds come together: with operations there are no panics, which would
// tell when an operation was served.
var (
	loopActs  = []string{"post", "soon", "idle", "after", "every", "stop", "reset", "advance", "hold", "release"}
	watchActs = []string{
		"watch", "watch", "watch", "unwatch", "give", "give", "take", "fill", "drain", "hang",
		"unregister", "register", "closefd", "event", "event", "trigger", "trigger", "trigger",
	}
	opActs = []string{"start", "start", "start", "start", "cancel", "give", "give", "drain", "fill", "take"}
)

// lineActs generates up to n calls. Callbacks are nested depth deep.
func lineActs(n, depth int, kinds []string) *rapid.Generator[[]lineAct] {
	inside := slices.DeleteFunc(slices.Clone(kinds), func(s string) bool { return s == "poll" })
	var bodies *rapid.Generator[[]lineAct]
	if depth > 0 {
		bodies = lineActs(3, depth-1, inside)
	}
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) lineAct {
		a := lineAct{what: rapid.SampledFrom(kinds).Draw(t, "what")}
		switch a.what {
		case "poll":
			return a
		case "watch", "start":
			a.send = rapid.Bool().Draw(t, "send")
			a.k = rapid.IntRange(0, 3).Draw(t, "times")
			a.o = rapid.IntRange(0, opCount-1).Draw(t, "op")
		default:
			a.k = rapid.IntRange(0, 6).Draw(t, "k")
		}
		a.l = rapid.IntRange(0, 3).Draw(t, "line")
		switch a.what {
		case "post", "soon", "idle", "after", "every", "watch", "event":
			if depth > 0 {
				a.body = bodies.Draw(t, "body")
			}
		}
		return a
	}), 0, n)
}

// lineScript runs acts in a world and writes down all that can be seen: what operations tell, by their
// connection and direction, and everything else in one order.
type lineScript struct {
	w       lineWorld
	ops     bool // there are operations
	lines   []lineState
	next    int
	turns   int
	inside  bool
	timers  []stopper
	stops   []func() bool
	holds   []func()
	again   [opCount]int
	on      [opCount]int // the line of the last start
	send    [opCount]bool
	live    map[int]bool // watches that have not ended
	flying  int
	trace   []string
	results map[string][]string
}

type lineState struct {
	kind        lineKind
	hung        bool
	given, sent int
}

func newLineScript(w lineWorld, kinds []lineKind, ops bool) *lineScript {
	s := &lineScript{w: w, ops: ops, live: map[int]bool{}, results: map[string][]string{}}
	for _, k := range kinds {
		s.lines = append(s.lines, lineState{kind: k})
	}
	w.done(s.result)
	return s
}

func (s *lineScript) say(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if !s.ops || !s.inside {
		line += fmt.Sprintf(", pending %d", s.w.Pending())
	}
	s.trace = append(s.trace, line)
}

// told is the text of an error, without what systems differ by.
func told(err error) string {
	switch {
	case err == nil:
		return "nil"
	case isReset(err):
		return "reset"
	case errors.Is(err, errNoSocket):
		return "no socket"
	}
	return err.Error()
}

func (s *lineScript) callback(body []lineAct) func() {
	s.next++
	name := s.next
	return func() {
		s.say("ran %d", name)
		s.run(body)
	}
}

// times answers true at the nth call, never if n is 0. Only the first call has a body.
func (s *lineScript) times(n int, body []lineAct) (name int, cb func() bool) {
	first := s.callback(body)
	name, ran := s.next, 0
	return name, func() bool {
		if ran++; ran == 1 {
			first()
		} else {
			s.say("ran %d for the %dth time", name, ran)
		}
		return ran == n
	}
}

func (s *lineScript) result(r result) {
	o := r.o
	s.flying--
	key := fmt.Sprintf("line %d send %t", s.on[o], s.send[o])
	if errors.Is(r.err, context.Canceled) {
		key += " canceled" // it may overtake those before it
	}
	s.results[key] = append(s.results[key], fmt.Sprintf("turn %d op %d: %d %d %s", s.turns, o, r.n, r.data, told(r.err)))
	if s.again[o] > 0 && r.err == nil {
		s.again[o]--
		s.start(o, s.on[o], s.send[o])
	}
}

func (s *lineScript) start(o, l int, send bool) error {
	if send {
		if s.lines[l].sent++; s.lines[l].sent > 50 {
			return nil // a socket with that much in it does not count as writable
		}
	}
	err := s.w.Start(o, l, send)
	if err == nil {
		s.flying++
	}
	return err
}

func (s *lineScript) run(list []lineAct) {
	for _, a := range list {
		a.l %= len(s.lines)
		s.do(a, &s.lines[a.l])
	}
}

func (s *lineScript) do(a lineAct, l *lineState) {
	move := lineMove{what: a.what, l: a.l, o: a.o, send: a.send}
	switch a.what {
	case "post":
		s.say("post: %v", s.w.Post(s.callback(a.body)))
	case "soon":
		s.w.CallSoon(s.callback(a.body))
	case "idle":
		s.w.CallIdle(s.callback(a.body))
	case "after":
		s.timers = append(s.timers, s.w.AfterFunc(time.Duration(a.k), s.callback(a.body)))
	case "every":
		_, cb := s.times(a.k/2, a.body)
		tm, err := s.w.AddTimer(time.Duration(a.k), a.k == 3, cb)
		if err == nil {
			s.timers = append(s.timers, tm)
		}
		s.say("every: %v", err)
	case "stop":
		if n := len(s.timers); n > 0 {
			s.say("stop: %v", s.timers[a.k%n].Stop())
		}
	case "reset":
		if n := len(s.timers); n > 0 {
			s.say("reset: %v", s.timers[a.k%n].Reset(time.Duration(a.k+1)))
		}
	case "advance":
		s.w.advance(int64(a.k))
	case "hold":
		s.holds = append(s.holds, s.w.Hold())
	case "release":
		if n := len(s.holds); n > 0 {
			s.holds[n-1]()
			s.holds = s.holds[:n-1]
		}
	case "panic":
		if s.inside {
			panic(s.next)
		}
	case "poll":
		s.poll()
	case "event":
		_, cb := s.times(a.k%3, a.body)
		stop, err := s.w.AddEvent(a.k%2, cb)
		if err == nil {
			s.stops = append(s.stops, stop)
		}
		s.say("event: %v", err)
	case "trigger":
		s.w.Trigger(a.k % 2)
		s.say("trigger")
	case "watch":
		if l.kind.can(a.send) && s.w.may(move) {
			s.watch(a)
		}
	case "unwatch":
		if n := len(s.stops); n > 0 {
			s.say("unwatch: %v", s.stops[a.k%n]())
		}
	case "register":
		s.say("register: %v, %v", s.w.Register(a.l), s.w.Contains(a.l))
	case "unregister":
		if s.w.may(move) {
			s.say("unregister: %v, %v", s.w.Unregister(a.l), s.w.Contains(a.l))
		}
	case "closefd":
		if s.w.may(move) {
			err := s.w.CloseFD(a.l)
			if err == nil {
				*l = lineState{kind: l.kind}
			}
			s.say("closefd: %v, %v", err, s.w.Contains(a.l))
		}
	case "start":
		if s.w.may(move) {
			err := s.start(a.o, a.l, a.send)
			if err == nil {
				s.again[a.o], s.on[a.o], s.send[a.o] = a.k, a.l, a.send
			}
			s.say("start: %s", told(err))
		}
	case "cancel":
		move.o = a.k % opCount
		if s.w.may(move) {
			s.say("cancel: %v", s.w.Cancel(move.o))
		}
	case "give":
		if l.given++; l.kind.can(false) && !l.hung && l.given < 50 {
			s.w.give(a.l, byte(l.given))
		}
	case "take":
		move.what = "raw"
		if l.kind.can(false) && s.w.may(move) {
			s.say("take: %d", s.w.take(a.l))
		}
	case "fill":
		move.what, move.send = "raw", true
		if l.kind.can(true) && !l.hung && s.w.may(move) {
			s.w.fill(a.l)
		}
	case "drain":
		if l.kind.can(true) && !l.hung {
			l.sent = 0
			s.w.drain(a.l) // how much depends on when operations were served
		}
	case "hang":
		move.what = "hang"
		if !l.hung && s.w.may(move) {
			l.hung = true
			s.w.hang(a.l)
		}
	}
}

func (s *lineScript) watch(a lineAct) {
	name, cb := s.times(a.k, a.body)
	stop, err := s.w.Watch(a.l, a.send, func(err error) bool {
		if err != nil {
			if !s.live[name] {
				s.say("a second end")
			}
			delete(s.live, name)
			s.say("ended %d: %v", name, err)
			return true
		}
		done := cb()
		if done {
			delete(s.live, name)
		}
		return done
	})
	if err == nil {
		s.live[name] = true
		s.stops = append(s.stops, func() bool {
			was := stop()
			if was {
				delete(s.live, name)
			}
			return was
		})
	}
	s.say("watch: %v", err)
}

func (s *lineScript) poll() {
	s.turns++
	s.inside = true
	var n int
	var err error
	p := panicOf(func() { n, err = s.w.Poll(0) })
	s.inside = false
	s.say("poll: %d, %v, panic %v", n, err, p)
}

// play runs a whole script, up to the end of the world.
func (s *lineScript) play(registered bool, list []lineAct) (end int) {
	for l := range s.lines {
		if registered {
			s.say("register: %v", s.w.Register(l))
		}
	}
	s.run(list)
	for !s.w.may(lineMove{what: "end"}) {
		s.poll()
	}
	end = len(s.trace)
	var err error
	s.inside = true
	p := panicOf(func() { err = s.w.finish() })
	s.inside = false
	s.say("end: %v, %v", err, p)
	return end
}

// differ says where two traces part.
func differ(got, want []string) string {
	for i := range max(len(got), len(want)) {
		g, w := got[i:min(i+1, len(got))], want[i:min(i+1, len(want))]
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			return fmt.Sprintf("step %d: got %q, want %q", i, g, w)
		}
	}
	return ""
}

// TestDifferential plays one script on each backend and on the model: the order of all callbacks, what
// each call returns and what is pending at every step must be the same; and among the backends also what happens
// in Close, after which nothing hangs.
func TestDifferential(t *testing.T) {
	for name, kinds := range map[string][]string{
		"watches":    slices.Concat(watchActs, loopActs, []string{"panic", "poll", "poll", "poll", "poll", "poll", "poll"}),
		"operations": slices.Concat(opActs, []string{"post", "after", "advance", "hang", "closefd", "unregister", "register", "poll", "poll", "poll"}),
		"both":       slices.Concat(opActs, watchActs, loopActs, []string{"poll", "poll", "poll", "poll", "poll", "poll", "poll", "poll"}),
	} {
		t.Run(name, func(t *testing.T) {
			acts := lineActs(20, 2, kinds)
			check := func(r *rapid.T) {
				lines := []lineKind{pairLine}
				if name != "operations" {
					lines = []lineKind{pairLine, inLine, outLine, pairLine}
				}
				registered := rapid.IntRange(0, 4).Draw(r, "registered") < 4
				var list []lineAct
				for range 5 { // rapid prefers short ones, and makes them shorter
					list = append(list, acts.Draw(r, "acts")...)
				}
				compareWorlds(t, r, lines, registered, list, name != "watches")
			}
			for range 5 { // a case takes half a millisecond
				rapid.Check(t, check)
			}
		})
	}
}

func compareWorlds(tb testing.TB, r *rapid.T, kinds []lineKind, registered bool, list []lineAct, ops bool) {
	var decisions []bool
	want := newLineScript(newLineModel(kinds, &decisions), kinds, ops)
	end := want.play(registered, list)
	var first *lineScript
	for _, backend := range poll.Backends() {
		for _, wait := range []dispatch.WaitStyle{dispatch.WaitPark, dispatch.WaitBlock} {
			if backend == "poll" && wait == dispatch.WaitPark {
				continue // it blocks in either style
			}
			w := newRealLines(tb, dispatch.Config{Backend: backend, Wait: wait}, kinds, decisions)
			got := newLineScript(w, kinds, ops)
			fail := func(text string) {
				if text != "" {
					r.Fatalf("%s/%d, script %v\n%s\nup to there %q", backend, wait, list, text, got.trace)
				}
			}
			e := got.play(registered, list)
			fail(differ(got.trace[:e], want.trace[:end]))
			if first == nil {
				first = got
			}
			fail(differ(got.trace, first.trace))
			for _, key := range slices.Sorted(maps.Keys(first.results)) {
				fail(differ(got.results[key], first.results[key]))
				before := want.results[key]
				fail(differ(got.results[key][:min(len(before), len(got.results[key]))], before))
			}
			if len(got.live) > 0 || got.flying != 0 || w.Pending() != len(got.holds) {
				fail(fmt.Sprintf("after Close: watches %v, %d operations, %d pending", got.live, got.flying, w.Pending()))
			}
		}
	}
}
