//go:build unix

package dispatch_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/poll"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// realLines is a dispatcher with a real poller and a virtual clock. What one call of the poller reports is
// brought into the order of the lines, so that all that follows can be compared.
type realLines struct {
	real
	tb        testing.TB
	lines     []*realLine
	events    [2]dispatch.Event
	ops       [opCount]*dispatch.Op
	bufs      [opCount][1]byte
	told      func(result)
	decisions []bool
}

type realLine struct {
	kind       lineKind
	near, far  int
	full, hung bool
}

// sorted is a poller whose answers are in order.
type sorted struct {
	poll.Poller
	r    *realLines
	tags map[poll.Tag]int // the place of the line
}

func (s *sorted) Add(fd int, tag poll.Tag, interest poll.Mode, trigger poll.Trigger) error {
	s.tags[tag] = slices.IndexFunc(s.r.lines, func(l *realLine) bool { return l.near == fd })
	return s.Poller.Add(fd, tag, interest, trigger)
}

func (s *sorted) Wait(events []poll.Event, timeout time.Duration) (int, error) {
	n, err := s.Poller.Wait(events, timeout)
	slices.SortStableFunc(events[:n], func(a, b poll.Event) int { return s.tags[a.Tag] - s.tags[b.Tag] })
	return n, err
}

// Edges is what the wrapped poller says.
func (s *sorted) Edges() bool {
	e, ok := s.Poller.(interface{ Edges() bool })
	return ok && e.Edges()
}

func newRealLines(tb testing.TB, cfg dispatch.Config, kinds []lineKind, decisions []bool) *realLines {
	d, err := dispatch.New(cfg)
	must(tb, err)
	r := &realLines{real: real{d, new(virtual)}, tb: tb, decisions: decisions}
	sim := r.v.sim()
	sim.Sleep = nil
	seam.Of(d).Simulate(sim)
	for _, k := range kinds {
		r.lines = append(r.lines, newLine(tb, k))
	}
	d.Handle() // opens the poller
	d.WrapPoller(func(p poll.Poller) poll.Poller { return &sorted{p, r, map[poll.Tag]int{}} })
	for i := range r.ops {
		r.ops[i] = d.NewOp(func(o *dispatch.Op) {
			got := result{i, o.N(), r.bufs[i][0], o.Err()}
			r.bufs[i][0] = 0
			r.told(got)
		})
	}
	return r
}

func newLine(tb testing.TB, kind lineKind) *realLine {
	var p [2]int
	err := unix.Pipe(p[:])
	if kind == pairLine {
		unix.Close(p[0])
		unix.Close(p[1])
		p, err = unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	}
	must(tb, err)
	for _, fd := range p {
		unix.CloseOnExec(fd)
		must(tb, unix.SetNonblock(fd, true))
	}
	if kind == outLine {
		p[0], p[1] = p[1], p[0]
	}
	return &realLine{kind: kind, near: p[0], far: p[1]}
}

func (r *realLines) finish() error {
	defer func() { // also if a callback panics
		for _, l := range r.lines {
			must(r.tb, unix.Close(l.near))
			l.closeFar(r.tb)
		}
	}()
	return r.Dispatcher.Close()
}

func (l *realLine) closeFar(tb testing.TB) {
	if !l.hung {
		must(tb, unix.Close(l.far))
	}
	l.hung = true
}

func (r *realLines) fd(l int) dispatch.FD { return dispatch.FD(r.lines[l].near) }

func (r *realLines) done(f func(result))    { r.told = f }
func (r *realLines) Register(l int) error   { return r.Dispatcher.Register(r.fd(l)) }
func (r *realLines) Unregister(l int) error { return r.Dispatcher.Unregister(r.fd(l)) }
func (r *realLines) Contains(l int) bool    { return r.Dispatcher.Contains(r.fd(l)) }
func (r *realLines) Trigger(e int)          { r.events[e].Trigger() }
func (r *realLines) Cancel(o int) bool      { return r.ops[o].Cancel() }

func (r *realLines) CloseFD(l int) error {
	err := r.Dispatcher.CloseFD(r.fd(l))
	if err == nil {
		r.lines[l].closeFar(r.tb)
		r.lines[l] = newLine(r.tb, r.lines[l].kind) // which the system may give the same numbers
	}
	return err
}

func (r *realLines) Watch(l int, write bool, cb func(error) bool) (func() bool, error) {
	add := r.AddRead
	if write {
		add = r.AddWrite
	}
	fd := r.fd(l)
	w, err := add(fd, func(e dispatch.FDEvent) bool {
		if e.FD != fd {
			r.tb.Errorf("told of descriptor %d, watched %d", e.FD, fd)
		}
		return cb(e.Err)
	})
	if err != nil {
		return nil, err
	}
	return w.Stop, nil
}

func (r *realLines) AddEvent(e int, cb func() bool) (func() bool, error) {
	w, err := r.Dispatcher.AddEvent(&r.events[e], cb)
	if err != nil {
		return nil, err
	}
	return w.Stop, nil
}

func (r *realLines) Start(o, l int, send bool) error {
	if send {
		return r.ops[o].Send(r.fd(l), []byte{1})
	}
	return r.ops[o].Recv(r.fd(l), r.bufs[o][:])
}

func (r *realLines) give(l int, b byte) {
	n, err := unix.Write(r.lines[l].far, []byte{b})
	if n != 1 || err != nil {
		r.tb.Errorf("write: %d, %v", n, err)
	}
}

func (r *realLines) take(l int) int {
	var b [1]byte
	n, err := unix.Read(r.lines[l].near, b[:])
	switch {
	case errors.Is(err, unix.EAGAIN):
		return -1
	case n == 1:
		return int(b[0])
	}
	must(r.tb, err)
	return -2
}

func (r *realLines) fill(l int) {
	x := r.lines[l]
	x.full = true
	for _, size := range []int{1 << 16, 1} {
		for buf := bytes.Repeat([]byte{1}, size); ; {
			if _, err := unix.Write(x.near, buf); errors.Is(err, unix.EAGAIN) {
				break
			} else if err != nil {
				r.tb.Fatal(err)
			}
		}
	}
}

func (r *realLines) drain(l int) int {
	x, sum := r.lines[l], 0
	for buf := make([]byte, 1<<16); ; {
		n, err := unix.Read(x.far, buf)
		if errors.Is(err, unix.EAGAIN) {
			break
		}
		must(r.tb, err)
		sum += n
	}
	if x.full {
		sum = -1
	}
	x.full = false
	return sum
}

func (r *realLines) hang(l int) {
	if r.lines[l].kind.can(true) {
		r.drain(l)
	}
	r.lines[l].closeFar(r.tb)
}

// may says what the model has said at this point. What it did not come to is left out.
func (r *realLines) may(lineMove) bool {
	if len(r.decisions) == 0 {
		return false
	}
	ok := r.decisions[0]
	r.decisions = r.decisions[1:]
	return ok
}
