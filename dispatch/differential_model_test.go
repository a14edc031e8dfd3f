//go:build unix

package dispatch_test

import (
	"context"
	"slices"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

// lineKind says what a line is.
type lineKind int

const (
	pairLine lineKind = iota // one of two sockets
	inLine                   // the reading end of a pipe
	outLine                  // the writing end
)

// can reports whether the near end of a line can be read from or written to.
func (k lineKind) can(write bool) bool { return k == pairLine || (k == outLine) == write }

// lineWorld is a dispatcher with lines, events and operations: the real one, or the model. The dispatcher
// has the near end of each line, the script the far one.
type lineWorld interface {
	world
	Register(l int) error
	Unregister(l int) error
	CloseFD(l int) error // and puts a fresh line into its place
	Contains(l int) bool
	Watch(l int, write bool, cb func(error) bool) (stop func() bool, err error)
	AddEvent(e int, cb func() bool) (stop func() bool, err error)
	Trigger(e int)
	Start(o, l int, send bool) error
	Cancel(o int) bool

	give(l int, b byte)      // the far end sends
	take(l int) int          // the near end reads a byte: -1 if there is none yet, -2 at the end
	fill(l int)              // the near end writes all there is room for
	drain(l int) int         // the far end reads all; -1 if that is what fill wrote
	hang(l int)              // the far end reads all, and is closed
	may(a lineMove) bool     // whether the outcome of the move is certain, as the model says
	done(func(o result))     // sets the callback of all operations
	finish() (refused error) // closes the dispatcher
}

// result is how an operation has ended.
type result struct {
	o, n int
	data byte
	err  error
}

// lineMove is an action whose outcome may depend on when an operation was served, which the
// documentation leaves open: at its start, or when the system was asked next.
type lineMove struct {
	what string
	l, o int
	send bool
}

// lineModel is what the package comment, and those of AddRead, AddEvent, Unregister, CloseFD and Op
// say. The order among descriptors is that of their numbers.
type lineModel struct {
	model
	lines  []*modelLine
	events [2]struct {
		triggered bool
		reg       *modelReg
	}
	ops       [opCount]*modelOp
	told      func(result)
	inside    bool // in a turn
	turns     int
	decisions *[]bool
}

const opCount = 3

type modelLine struct {
	kind       lineKind
	registered bool
	in         []byte
	out        int
	full, hung bool
	watches    [2][]*modelWatch
	ops        [2][]*modelOp
	ran        int // the last turn in which the callback of an operation ran
}

type modelWatch struct {
	m             *lineModel
	l             *modelLine
	write         bool
	cb            func(error) bool
	queued, ended bool
	err           error
}

type modelOp struct {
	result
	l      *modelLine
	send   bool
	flying bool // up to its callback
	landed bool
	ran    int
}

func newLineModel(kinds []lineKind, decisions *[]bool) *lineModel {
	m := &lineModel{decisions: decisions}
	for _, k := range kinds {
		m.lines = append(m.lines, &modelLine{kind: k})
	}
	for i := range m.ops {
		m.ops[i] = &modelOp{result: result{o: i}}
	}
	return m
}

func (m *lineModel) done(f func(result)) { m.told = f }
func (m *lineModel) finish() error       { return nil }

func (m *lineModel) Pending() int {
	n := m.model.Pending()
	for _, l := range m.lines {
		n += len(l.watches[0]) + len(l.watches[1]) + len(l.ops[0]) + len(l.ops[1])
	}
	return n
}

func (l *modelLine) ready(write bool) bool {
	if write {
		return l.hung || !l.full
	}
	return l.hung || len(l.in) > 0
}

func (m *lineModel) Poll(time.Duration) (int, error) {
	if m.Pending() == 0 {
		return 0, dispatch.ErrIdle
	}
	m.turns++
	m.inside = true
	defer func() { m.inside = false }()
	m.join() // 1
	m.read = m.clock
	m.expire()                  // 2
	for _, l := range m.lines { // 3, 4
		for q, write := range []bool{false, true} {
			if !l.registered || !l.ready(write) {
				continue
			}
			for _, w := range l.watches[q] {
				if !w.queued {
					w.queued = true
					m.fifo = append(m.fifo, w.run)
				}
			}
			m.serve(l, write)
		}
	}
	m.join() // 5
	m.expire()
	if len(m.fifo) == 0 && len(m.idle) > 0 {
		m.fifo, m.idle = m.idle[:1:1], m.idle[1:] // 6
	}
	n := len(m.fifo)
	for range n { // 7
		fn := m.fifo[0]
		m.fifo = m.fifo[1:]
		fn()
	}
	return n, nil
}

func (m *lineModel) Contains(l int) bool { return m.lines[l].registered }

func (m *lineModel) Register(l int) error {
	if m.lines[l].registered {
		return dispatch.ErrRegistered
	}
	m.lines[l].registered = true
	return nil
}

func (m *lineModel) Unregister(l int) error { return m.forget(m.lines[l], dispatch.ErrNotRegistered) }

func (m *lineModel) CloseFD(l int) error {
	err := m.forget(m.lines[l], dispatch.ErrFDClosed)
	if err == nil {
		m.lines[l] = &modelLine{kind: m.lines[l].kind}
	}
	return err
}

func (m *lineModel) forget(l *modelLine, err error) error {
	if !l.registered {
		return dispatch.ErrNotRegistered
	}
	l.registered = false
	for q := range l.ops {
		for _, o := range l.ops[q] {
			m.land(o, 0, 0, err)
		}
		l.ops[q] = nil
	}
	for q := range l.watches {
		for _, w := range l.watches[q] {
			w.ended, w.err = true, err
			if !w.queued {
				w.queued = true
				m.posts = append(m.posts, w.run)
			}
		}
		l.watches[q] = nil
	}
	return nil
}

func (m *lineModel) Watch(l int, write bool, cb func(error) bool) (func() bool, error) {
	x := m.lines[l]
	switch {
	case !x.registered:
		return nil, dispatch.ErrNotRegistered
	case len(x.ops[0])+len(x.ops[1]) > 0:
		return nil, dispatch.ErrMode
	}
	w := &modelWatch{m: m, l: x, write: write, cb: cb}
	x.watches[dir(write)] = append(x.watches[dir(write)], w)
	return w.stop, nil
}

func (w *modelWatch) stop() bool {
	if w.ended {
		return false
	}
	w.ended = true
	list := &w.l.watches[dir(w.write)]
	*list = slices.DeleteFunc(*list, func(o *modelWatch) bool { return o == w })
	return true
}

func (w *modelWatch) run() {
	w.queued = false
	err := w.err
	if w.ended && err == nil {
		return
	}
	w.err = nil
	if w.cb(err) && err == nil && !w.stop() {
		w.err = nil // done is done
	}
}

func (m *lineModel) AddEvent(e int, cb func() bool) (func() bool, error) {
	ev := &m.events[e]
	if ev.reg != nil {
		return nil, dispatch.ErrRegistered
	}
	r := &modelReg{e: e, cb: cb}
	ev.reg = r
	if ev.triggered {
		m.deliver(r)
	}
	return func() bool { return m.stopEvent(r) }, nil
}

func (m *lineModel) stopEvent(r *modelReg) bool {
	was := m.events[r.e].reg == r
	if was {
		m.events[r.e].reg = nil
	}
	return was
}

func (m *lineModel) Trigger(e int) {
	ev := &m.events[e]
	if !ev.triggered && ev.reg != nil {
		m.deliver(ev.reg)
	}
	ev.triggered = true
}

func (m *lineModel) deliver(r *modelReg) {
	m.posts = append(m.posts, func() {
		if ev := &m.events[r.e]; ev.reg == r {
			ev.triggered = false
			if r.cb() {
				m.stopEvent(r)
			}
		}
	})
}

func (m *lineModel) Start(o, l int, send bool) error {
	x, op := m.lines[l], m.ops[o]
	switch {
	case op.flying:
		return dispatch.ErrInFlight
	case !x.registered:
		return dispatch.ErrNotRegistered
	case len(x.watches[0])+len(x.watches[1]) > 0:
		return dispatch.ErrMode
	case x.kind != pairLine:
		return errNoSocket
	}
	*op = modelOp{result: result{o: o}, l: x, send: send, flying: true, ran: op.ran}
	q := &x.ops[dir(send)]
	*q = append(*q, op)
	if len(*q) == 1 && x.ready(send) {
		m.serve(x, send)
	}
	return nil
}

// serve ends the operations that can be.
func (m *lineModel) serve(l *modelLine, send bool) {
	for q := &l.ops[dir(send)]; len(*q) > 0 && l.ready(send); {
		o := (*q)[0]
		*q = (*q)[1:]
		switch {
		case send && l.hung:
			m.land(o, 0, 0, errReset)
		case send:
			l.out++
			m.land(o, 1, 0, nil)
		case len(l.in) == 0:
			m.land(o, 0, 0, nil) // the end of the stream
		default:
			m.land(o, 1, l.in[0], nil)
			l.in = l.in[1:]
		}
	}
}

func (m *lineModel) land(o *modelOp, n int, data byte, err error) {
	o.landed, o.n, o.data, o.err = true, n, data, err
	m.posts = append(m.posts, func() {
		o.flying, o.landed = false, false
		o.ran, o.l.ran = m.turns, m.turns
		m.told(o.result)
	})
}

func (m *lineModel) Cancel(o int) bool {
	op := m.ops[o]
	if !op.flying || op.landed {
		return false
	}
	q := &op.l.ops[dir(op.send)]
	*q = slices.DeleteFunc(*q, func(x *modelOp) bool { return x == op })
	m.land(op, 0, 0, context.Canceled)
	return true
}

func (m *lineModel) give(l int, b byte) { m.lines[l].in = append(m.lines[l].in, b) }

func (m *lineModel) take(l int) int {
	x := m.lines[l]
	switch {
	case len(x.in) > 0:
		b := x.in[0]
		x.in = x.in[1:]
		return int(b)
	case x.hung:
		return -2
	}
	return -1
}

func (m *lineModel) fill(l int) { m.lines[l].full = true }

func (m *lineModel) drain(l int) int {
	x := m.lines[l]
	n := x.out
	if x.full {
		n = -1
	}
	x.out, x.full = 0, false
	return n
}

func (m *lineModel) hang(l int) {
	m.drain(l)
	m.lines[l].hung = true
}

func (m *lineModel) may(a lineMove) bool {
	ok := m.certain(a)
	*m.decisions = append(*m.decisions, ok)
	return ok
}

func (m *lineModel) certain(a lineMove) bool {
	// An operation may run earlier or later in this turn.
	now := func(turn int) bool { return m.inside && turn == m.turns }
	settled := func(o *modelOp) bool {
		return !o.flying || !o.landed && !o.l.ready(o.send)
	}
	switch a.what {
	case "cancel":
		o := m.ops[a.o]
		return settled(o) && !now(o.ran)
	case "end":
		return !slices.ContainsFunc(m.ops[:], func(o *modelOp) bool { return !settled(o) })
	}
	l := m.lines[a.l]
	if a.what == "hang" {
		// Where an operation had to wait, the next one waits for the event even if there is room by now,
		// and may find that nobody reads any more.
		return !slices.ContainsFunc(m.ops[:], func(o *modelOp) bool { return o.l == l && o.landed })
	}
	busy := slices.ContainsFunc(m.ops[:], func(o *modelOp) bool {
		switch {
		case o.l != l || !o.flying:
			return false
		case a.what == "start":
			return o.landed && m.inside
		case a.what == "raw":
			return o.send == a.send
		}
		return !settled(o)
	})
	if a.what == "start" && (now(m.ops[a.o].ran) || m.inside && m.ops[a.o].landed) {
		return false
	}
	return !busy && !now(l.ran)
}
