package dispatch_test

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// world is a dispatcher as a script sees it: the real one, or the model.
type world interface {
	Post(fn func()) error
	CallSoon(fn func())
	CallIdle(fn func())
	Pending() int
	AfterFunc(t time.Duration, fn func()) stopper
	AddTimer(t time.Duration, oneshot bool, cb func() bool) (stopper, error)
	Hold() func()
	Poll(limit time.Duration) (int, error)
	Turns(n int) error // as many as Run would make
	advance(t int64)
}

// stopper is a timer.
type stopper interface {
	Stop() bool
	Reset(t time.Duration) bool
}

// real is a dispatcher with a virtual clock.
type real struct {
	*dispatch.Dispatcher
	v *virtual
}

func (r real) AfterFunc(t time.Duration, fn func()) stopper {
	return r.Dispatcher.AfterFunc(t, fn)
}

func (r real) AddTimer(t time.Duration, oneshot bool, cb func() bool) (stopper, error) {
	return r.Dispatcher.AddTimer(t, oneshot, cb)
}

func (r real) Turns(n int) error {
	return seam.Of(r.Dispatcher).RunUntil(func() bool { n--; return n < 0 })
}

func (r real) advance(t int64) { r.v.now = plus(r.v.now, t) }

// plus returns a + b, or the end of time.
func plus(a, b int64) int64 {
	if b > math.MaxInt64-a {
		return math.MaxInt64
	}
	return a + b
}

// model is the turn as the package comment describes it, and nothing else.
type model struct {
	clock  int64 // the real time
	read   int64 // the time as last read
	since  int   // callbacks since then
	fifo   []func()
	posts  []func()
	idle   []func()
	timers []*modelTimer // by deadline and order of arming
	holds  int
}

type modelTimer struct {
	m      *model
	fn     func()
	when   int64
	period int64 // 0: it runs once
	due    int   // entries of the FIFO that still count; those of a stopped timer do not
}

func (m *model) Post(fn func()) error { m.posts = append(m.posts, fn); return nil }
func (m *model) CallSoon(fn func())   { m.posts = append(m.posts, fn) }
func (m *model) CallIdle(fn func())   { m.idle = append(m.idle, fn) }
func (m *model) advance(t int64)      { m.clock = plus(m.clock, t) }

func (m *model) Hold() func() {
	m.holds++
	held := true
	return func() {
		if held {
			held = false
			m.holds--
		}
	}
}

func (m *model) AfterFunc(t time.Duration, fn func()) stopper {
	tm := &modelTimer{m: m, fn: fn}
	tm.Reset(t)
	return tm
}

func (m *model) AddTimer(t time.Duration, oneshot bool, cb func() bool) (stopper, error) {
	if t <= 0 {
		return nil, dispatch.ErrDuration
	}
	if oneshot {
		return m.AfterFunc(t, func() { cb() }), nil
	}
	tm := &modelTimer{m: m, period: int64(t)}
	tm.fn = func() {
		if cb() {
			tm.Stop()
		}
	}
	tm.Reset(t)
	return tm, nil
}

func (t *modelTimer) Stop() bool {
	was := t.due > 0
	t.due = 0
	i := slices.Index(t.m.timers, t)
	if i >= 0 {
		t.m.timers = slices.Delete(t.m.timers, i, i+1)
	}
	return was || i >= 0
}

func (t *modelTimer) Reset(d time.Duration) bool {
	if t.period > 0 && d <= 0 {
		panic("dispatch: period not positive")
	}
	was := t.Stop()
	if t.period > 0 {
		t.period = int64(d)
	}
	t.arm(plus(t.m.clock, max(0, int64(d))))
	return was
}

func (t *modelTimer) arm(when int64) {
	t.when = when
	t.m.timers = append(t.m.timers, t)
	slices.SortStableFunc(t.m.timers, func(a, b *modelTimer) int { return cmp.Compare(a.when, b.when) })
}

func (m *model) Pending() int {
	return len(m.fifo) + len(m.posts) + len(m.idle) + len(m.timers) + m.holds
}

func (m *model) join() {
	m.fifo = append(m.fifo, m.posts...)
	m.posts = nil
}

func (m *model) expire() {
	for len(m.timers) > 0 && m.timers[0].when <= m.read {
		t := m.timers[0]
		m.timers = m.timers[1:]
		if t.period > 0 {
			next := t.when
			for next <= m.read && next < math.MaxInt64 {
				// In one step over all but the last of what was missed.
				next = plus(next+(m.read-next)/t.period*t.period, t.period)
			}
			if next > m.read {
				t.arm(next)
			}
		}
		if t.due > 0 {
			continue
		}
		t.due = 1
		m.fifo = append(m.fifo, func() {
			if t.due > 0 {
				t.due = 0
				t.fn()
			}
		})
	}
}

func (m *model) turn(limit int64, ask bool) (int, error) {
	m.join() // 1
	if ask || len(m.fifo) == 0 || m.since >= 64 {
		m.since, m.read = 0, m.clock
		m.expire() // 2
		if len(m.fifo) == 0 && len(m.idle) == 0 && limit != 0 && (!ask || m.Pending() > 0) {
			switch { // 3: it sleeps
			case len(m.timers) == 0 && limit < 0:
				return 0, dispatch.ErrStuck
			case len(m.timers) == 0 || limit > 0 && m.timers[0].when-m.clock > limit:
				m.advance(limit)
			default:
				m.clock = m.timers[0].when
			}
			m.read = m.clock
		}
		m.expire() // 5
		if len(m.fifo) == 0 && len(m.idle) > 0 {
			m.fifo, m.idle = m.idle[:1:1], m.idle[1:] // 6
		}
	}
	n := len(m.fifo)
	for range n { // 7
		fn := m.fifo[0]
		m.fifo = m.fifo[1:]
		m.since++
		fn()
	}
	return n, nil
}

func (m *model) Poll(limit time.Duration) (int, error) {
	if m.Pending() == 0 {
		return 0, dispatch.ErrIdle
	}
	return m.turn(int64(limit), true)
}

func (m *model) Turns(n int) error {
	m.since = 64
	for range n {
		if _, err := m.turn(-1, false); err != nil {
			return err
		}
	}
	return nil
}

// action is one call of a script. Those that make a callback have what it does in body.
type action struct {
	what string
	arg  int
	wait time.Duration
	once bool
	body []action
}

func (a action) String() string {
	s := fmt.Sprintf("%s(%d %d)", a.what, a.arg, int64(a.wait))
	if len(a.body) > 0 {
		s += fmt.Sprint(a.body)
	}
	return s
}

// drawActions draws up to n calls. Callbacks are nested depth deep.
func drawActions(t *rapid.T, n, depth int, kinds []string) []action {
	list := make([]action, rapid.IntRange(0, n).Draw(t, "n"))
	for i := range list {
		a := action{what: rapid.SampledFrom(kinds).Draw(t, "what")}
		switch a.what {
		case "every":
			a.arg = rapid.IntRange(0, 5).Draw(t, "runs")
			a.once = rapid.IntRange(0, 3).Draw(t, "once") == 0
		}
		switch a.what {
		case "post", "soon", "idle", "after", "every":
			if depth > 0 {
				a.body = drawActions(t, 3, depth-1, inCallback)
				if rapid.IntRange(0, 15).Draw(t, "panics") == 0 {
					a.body = append(a.body, action{what: "panic"})
				}
			}
		case "repeat": // adds itself that often
			a.arg = rapid.IntRange(1, 150).Draw(t, "times")
		case "stop", "reset", "release":
			a.arg = rapid.IntRange(0, 20).Draw(t, "which")
		case "turns":
			a.arg = rapid.IntRange(1, 100).Draw(t, "turns")
		}
		switch a.what {
		case "after", "every", "reset", "advance":
			a.wait = time.Duration(rapid.IntRange(0, 6).Draw(t, "wait"))
			if rapid.IntRange(0, 20).Draw(t, "odd") == 0 && a.what != "advance" {
				a.wait = rapid.SampledFrom(odd).Draw(t, "wait")
			}
		case "poll":
			a.wait = rapid.SampledFrom([]time.Duration{0, 0, 0, 1, 3, -1}).Draw(t, "limit")
		}
		list[i] = a
	}
	return list
}

// odd are durations behind all others, before all others, and of years.
var odd = []time.Duration{-1, math.MinInt64, math.MaxInt64, math.MaxInt64 - 3, 100 * 365 * 24 * time.Hour}

var (
	inCallback = []string{"post", "soon", "idle", "after", "after", "every", "every", "stop", "reset", "hold", "release", "advance", "repeat"}
	outside    = append([]string{"poll", "poll", "poll", "turns"}, inCallback...)
)

// script runs actions in a world and writes down all that can be seen.
type script struct {
	w        world
	next     int // the name of the next callback
	timers   []stopper
	releases []func()
	trace    []string
}

func (s *script) say(format string, args ...any) {
	s.trace = append(s.trace, fmt.Sprintf(format, args...)+fmt.Sprintf(", pending %d", s.w.Pending()))
}

func (s *script) callback(body []action) func() {
	s.next++
	name := s.next
	return func() {
		s.say("ran %d", name)
		s.run(body)
	}
}

// ticks is callback for a timer that runs again and again, n times in all, for ever if n is 0. Only
// the first run has a body.
func (s *script) ticks(n int, body []action) func() bool {
	first := s.callback(body)
	name, ran := s.next, 0
	return func() bool {
		if ran++; ran == 1 {
			first()
		} else {
			s.say("ran %d for the %dth time", name, ran)
		}
		return ran == n
	}
}

func (s *script) run(list []action) {
	for _, a := range list {
		switch a.what {
		case "post":
			s.say("post: %v", s.w.Post(s.callback(a.body)))
		case "soon":
			s.w.CallSoon(s.callback(a.body))
		case "idle":
			s.w.CallIdle(s.callback(a.body))
		case "repeat":
			left := a.arg
			var again func()
			again = func() {
				s.say("again")
				if left--; left > 0 {
					s.w.CallSoon(again)
				}
			}
			s.w.CallSoon(again)
		case "after":
			s.timers = append(s.timers, s.w.AfterFunc(a.wait, s.callback(a.body)))
		case "every":
			tm, err := s.w.AddTimer(a.wait, a.once, s.ticks(a.arg, a.body))
			if err == nil {
				s.timers = append(s.timers, tm)
			}
			s.say("every: %v", err)
		case "stop":
			if n := len(s.timers); n > 0 {
				s.say("stop %d: %v", a.arg%n, s.timers[a.arg%n].Stop())
			}
		case "reset":
			if n := len(s.timers); n > 0 {
				if p := panicOf(func() { s.say("reset %d: %v", a.arg%n, s.timers[a.arg%n].Reset(a.wait)) }); p != nil {
					s.say("reset %d panics: %v", a.arg%n, p)
				}
			}
		case "hold":
			s.releases = append(s.releases, s.w.Hold())
		case "release":
			if n := len(s.releases); n > 0 {
				i := a.arg % n
				s.releases[i]()
				s.releases = slices.Delete(s.releases, i, i+1)
			}
		case "advance":
			s.w.advance(int64(a.wait))
		case "poll":
			if p := panicOf(func() {
				n, err := s.w.Poll(a.wait)
				s.say("poll: %d, %v", n, err)
			}); p != nil {
				s.say("poll panics: %v", p)
			}
		case "turns":
			if p := panicOf(func() { s.say("turns: %v", s.w.Turns(a.arg)) }); p != nil {
				s.say("turns panic: %v", p)
			}
		case "panic":
			panic(s.next)
		}
		s.say("%s", a.what)
	}
}

// TestModel compares the dispatcher with the model: the order of callbacks, what each call
// returns, and Pending at every step.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := drawActions(t, 25, 3, outside)
		d, err := dispatch.New(dispatch.Config{})
		if err != nil {
			t.Fatal(err)
		}
		v := new(virtual)
		seam.Of(d).Simulate(v.sim())
		got, want := &script{w: real{d, v}}, &script{w: new(model)}
		got.run(list)
		want.run(list)
		for i, line := range want.trace {
			if i >= len(got.trace) || got.trace[i] != line {
				t.Fatalf("script %v\nstep %d: got %q, want %q", list, i, got.trace[min(i, len(got.trace)):min(i+1, len(got.trace))], line)
			}
		}
		if len(got.trace) != len(want.trace) {
			t.Fatalf("script %v\nwent on: %q", list, got.trace[len(want.trace):])
		}
		// Some of what is left may panic; the first leaves Close when all is done.
		_ = panicOf(func() { err = d.Close() })
		if err != nil || d.Pending() != len(got.releases) {
			t.Fatalf("script %v\nClose = %v, %d pending", list, err, d.Pending())
		}
	})
}
