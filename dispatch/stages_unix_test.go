//go:build unix

package dispatch_test

import (
	"context"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// scripted is a poller that sleeps for nobody: it remembers how long it was to, and reports what it is told.
type scripted struct {
	poll.Poller
	waits   []time.Duration
	tags    []poll.Tag // in the order of registration
	reports []int
	asked   func(timeout time.Duration)
}

func (s *scripted) Add(fd int, tag poll.Tag, interest poll.Mode, trigger poll.Trigger) error {
	s.tags = append(s.tags, tag)
	return s.Poller.Add(fd, tag, interest, trigger)
}

func (s *scripted) Wait(events []poll.Event, timeout time.Duration) (int, error) {
	s.waits = append(s.waits, timeout)
	if s.asked != nil {
		s.asked(timeout)
	}
	for i, tag := range s.reports {
		events[i] = poll.Event{Tag: s.tags[tag], Ready: poll.Read}
	}
	n := len(s.reports)
	s.reports = nil
	return n, nil
}

// openScripted makes a dispatcher with a scripted poller, a virtual clock, and n descriptors of which the
// watches record their number.
func openScripted(t *testing.T, n int) (*dispatch.Dispatcher, *scripted, *virtual, *record) {
	d, s, v, r := open(t, dispatch.Config{}), new(scripted), new(virtual), new(record)
	d.Handle()
	d.WrapPoller(func(p poll.Poller) poll.Poller { s.Poller = p; return s })
	sim := v.sim()
	sim.Sleep = nil
	simulate(d, sim)
	for i := range n {
		p := pipe(t)
		must(t, d.Register(p.r))
		addRead(t, d, p.r, r.watches(string(rune('a'+i)), false))
	}
	return d, s, v, r
}

// TestAskedFor: the system is asked once in a turn, and for how long: not at all if there is something in
// the FIFO or an idle callback, and else until the next timer or the end of the time given.
func TestAskedFor(t *testing.T) {
	for _, c := range []struct {
		name  string
		limit time.Duration
		add   func(d *dispatch.Dispatcher)
		want  time.Duration
	}{
		{"nothing", -1, func(*dispatch.Dispatcher) {}, -1},
		{"nothing for an hour", time.Hour, func(*dispatch.Dispatcher) {}, time.Hour},
		{"no time", 0, func(*dispatch.Dispatcher) {}, 0},
		{"post", -1, func(d *dispatch.Dispatcher) { d.CallSoon(func() {}) }, 0},
		{"idle", time.Hour, func(d *dispatch.Dispatcher) { d.CallIdle(func() {}) }, 0},
		{"timer", -1, func(d *dispatch.Dispatcher) { d.AfterFunc(7, func() {}) }, 7},
		{"timer and less", 5, func(d *dispatch.Dispatcher) { d.AfterFunc(7, func() {}) }, 5},
		{"timer and more", 9, func(d *dispatch.Dispatcher) { d.AfterFunc(7, func() {}) }, 7},
		{"the first timer", -1, func(d *dispatch.Dispatcher) {
			d.AfterFunc(7, func() {})
			d.AfterFunc(3, func() {})
		}, 3},
		{"timer that is due", -1, func(d *dispatch.Dispatcher) { d.AfterFunc(0, func() {}) }, 0},
		{"event", -1, func(d *dispatch.Dispatcher) {
			e := dispatch.NewEvent()
			e.Trigger()
			_, _ = d.AddEvent(e, func() bool { return true })
		}, 0},
		{"hold", -1, func(d *dispatch.Dispatcher) { d.Hold() }, -1},
	} {
		d, s, _, r := openScripted(t, 1)
		c.add(d)
		_, err := d.Poll(c.limit)
		must(t, err)
		if !slices.Equal(s.waits, []time.Duration{c.want}) {
			t.Errorf("%s: asked for %v, want once for %v", c.name, s.waits, c.want)
		}
		r.want(t)
	}
}

// TestPollAlwaysAsks: each call of Poll asks, however few callbacks have run since the last time, and Run
// only after 64 while the FIFO stays filled.
func TestPollAlwaysAsks(t *testing.T) {
	d, s, _, _ := openScripted(t, 1)
	for range 10 {
		d.CallSoon(func() {})
		turn(t, d)
	}
	if len(s.waits) != 10 {
		t.Errorf("asked %d times in 10 calls of Poll", len(s.waits))
	}
	s.waits = nil
	n := 0
	ctx, cancel := context.WithCancel(t.Context())
	var again func()
	again = func() {
		if n++; n == 128 {
			cancel()
			return
		}
		d.CallSoon(again)
	}
	d.CallSoon(again)
	if err := d.Run(ctx); err != context.Canceled {
		t.Errorf("Run = %v", err)
	}
	if !slices.Equal(s.waits, []time.Duration{0, 0}) {
		t.Errorf("asked for %v in 128 turns, want twice without waiting", s.waits)
	}
}

// TestNudgedOnce: what makes a loop look around that is awake keeps it from one sleep, and not from the next.
func TestNudgedOnce(t *testing.T) {
	d, s, _, _ := openScripted(t, 1)
	f, err := os.Open(t.TempDir())
	must(t, err)
	defer f.Close()
	must(t, d.Register(dispatch.FD(f.Fd())))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s.asked = func(timeout time.Duration) {
		if timeout < 0 || len(s.waits) > 10 {
			cancel()
		}
	}
	d.CallSoon(func() { // a file that is always ready ends a sleep
		addRead(t, d, dispatch.FD(f.Fd()), func(dispatch.FDEvent) bool { return true }).Stop()
	})
	if err := d.Run(ctx); err != context.Canceled {
		t.Errorf("Run = %v", err)
	}
	if !slices.Equal(s.waits, []time.Duration{0, 0, -1}) {
		t.Errorf("asked for %v: at the post, since it was nudged, and to sleep", s.waits)
	}
}

// TestReportedOrder: descriptors run in the order in which the system has reported them, behind posts and
// timers of before, and in front of those that came meanwhile.
func TestReportedOrder(t *testing.T) {
	d, s, _, r := openScripted(t, 5)
	for _, order := range [][]int{{0, 1, 2, 3, 4}, {4, 2, 0, 3, 1}, {3}, {1, 0}} {
		s.reports = slices.Clone(order)
		d.CallIdle(r.does("idle"))
		d.AfterFunc(-1, r.does("timer"))
		d.CallSoon(r.does("post"))
		turn(t, d)
		want := []string{"post", "timer"}
		for _, i := range order {
			want = append(want, string(rune('a'+i)))
		}
		r.want(t, want...)
		s.reports = []int{2}
		turn(t, d)
		r.want(t, "c") // no idle callback, as there was something to do
		turn(t, d)
		r.want(t, "idle")
	}
}

// TestWatchAddedRunsNextTurn: what a callback adds does not run in the same turn, whatever is ready.
func TestWatchAddedRunsNextTurn(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		s, d := sockets(t), open(t, cfg)
		must(t, d.Register(s.r))
		write(t, s.w)
		var r record
		e := dispatch.NewEvent()
		e.Trigger()
		d.CallSoon(r.does("first", func() {
			addRead(t, d, s.r, r.watches("read", true))
			addWrite(t, d, s.r, r.watches("write", true))
			addEvent(t, d, e, func() bool { r.does("event")(); return true })
		}))
		turn(t, d)
		r.want(t, "first")
		turn(t, d)
		r.want(t, "event", "read", "write")
		o := d.NewOp(func(*dispatch.Op) { r.does("operation")() })
		d.CallSoon(r.does("starts", func() { must(t, o.Recv(s.r, make([]byte, 1))) }))
		turn(t, d)
		r.want(t, "starts")
		turn(t, d)
		r.want(t, "operation")
	})
}

// TestBubbleWorldWaits: a bubble of which all other goroutines are blocked for good waits for a descriptor.
func TestBubbleWorldWaits(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		p, d := pipe(t), open(t, cfg)
		must(t, d.Register(p.r))
		go func() { // outside of the bubble
			asleep(d)
			write(t, p.w)
		}()
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			heard := make(chan error)
			addRead(t, d, p.r, func(e dispatch.FDEvent) bool { heard <- e.Err; return true })
			go func() { _, _ = d.Poll(-1) }()
			if err := <-heard; err != nil || time.Since(began) != 0 {
				t.Errorf("heard %v after %v", err, time.Since(began))
			}
		})
	})
}
