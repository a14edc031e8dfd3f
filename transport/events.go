package transport

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/poll"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

var (
	// ErrUnsent is returned by EventConn.Write when more output waits to be sent than
	// EventConfig.MaxUnsent allows.
	ErrUnsent = errors.New("transport: too much output waits to be sent")
	// ErrUnread ends a connection whose handler has left as much input as
	// EventConfig.MaxUnread allows.
	ErrUnread = errors.New("transport: too much input is left unconsumed")
)

// EventConfig says how [ServeEvents] serves. The zero value has no timeouts and no limit of
// connections. All functions may be nil. They are called on the loop, as the handler is, and must not wait.
type EventConfig struct {
	// Limit is how many connections may be alive at a time, as in [ServeConfig].
	Limit int
	// Grace is how long connections that are busy may go on when the server stops, as in
	// [ServeConfig].
	Grace time.Duration
	// OnError is told, with a connection, the error that its handler has returned, or the
	// *core.PanicError of a panic of any of these functions, and with nil an error of accepting. If it is
	// nil errors are logged. Its panic leaves the call that turns the dispatcher.
	OnError func(c *EventConn, err error)

	// Opened is called with each new connection, before anything else.
	Opened func(c *EventConn)
	// Ended is called when the peer has ended its direction, and everything is read, with what the
	// handler has left. It may still write, and has to close the connection at some time; one that breaks before
	// is closed with that error, as one that is paused. If Ended is nil the
	// connection is closed when what was written is sent, with io.ErrUnexpectedEOF if the
	// handler has left something.
	Ended func(c *EventConn, rest []byte)
	// Flushed is called when output that the system had not taken at once has all been sent.
	Flushed func(c *EventConn)
	// Stopping is called with each connection when the server stops, and may close it. If it is nil the
	// connections are closed that are idle, now or within Grace: those whose handler has left no input, whose
	// output is sent and which are not paused.
	Stopping func(c *EventConn)
	// Closed is called once for each connection that was opened, when it is closed, unless
	// EventConn.Detach has taken it away. The error is nil after EventConn.Close, when the peer has
	// ended it in good order, or when the server has stopped while it was idle, os.ErrDeadlineExceeded inside for IdleTimeout or a deadline,
	// context.Canceled if the server has stopped and Grace was over, what the handler has
	// returned, or what has become of the connection.
	Closed func(c *EventConn, err error)

	// IdleTimeout is how long a connection may live without a byte that was read, or sent after it had to
	// wait; it is closed then. None if not positive. It passes on the clock of the dispatcher.
	IdleTimeout time.Duration
	// Tick is how exact IdleTimeout and deadlines are: they pass up to two ticks late, later
	// where the loop is kept at each tick, and never early. The default is a 32nd of IdleTimeout, but between 1 ms and 1 s; 100 ms without an
	// IdleTimeout. One timer serves all connections, once each tick as long as one of them has
	// a timeout.
	Tick time.Duration
	// MaxUnread is how many bytes a message may have: a connection whose handler leaves as many, and is to
	// get more, is closed with ErrUnread. 1 MiB if not positive.
	MaxUnread int
	// MaxUnsent is how many bytes of output may wait in this process for the peer to take them, 1 MiB if not
	// positive.
	MaxUnsent int
}

// eventBuffer is how much one read takes at most, in bytes.
const eventBuffer = 64 << 10

// ServeEvents is [Serve] for connections that are mostly idle: it has no task for them, but calls handle
// on the loop of the dispatcher of l with what a connection has received, in whatever pieces it comes.
// A connection that is idle holds some 300 bytes.
//
// The bytes of in are in a buffer that all connections share, and belong to handle until it
// returns how many of the first of them it has consumed. What is left is kept, and comes
// again in front of what is received next: so a handler that finds an unfinished message consumes
// what is before it, and no byte has to be looked at by two pieces of code. A message that it leaves though
// all of it is there waits for more to come, so it goes on as long as there is one. handle must not wait
// (that panics): what has to, moves to a task by [EventConn.Async].
//
// After an error of handle the connection is closed, once what was written is sent. A panic
// closes it at once. Both go to EventConfig.OnError, and disturb no other connection.
//
// While output waits in this process because the peer does not take it, handle is not called: a
// peer that does not read is not read from. It comes again with what it had left, if it left something, when all is
// sent.
//
// When ctx ends the server stops as Serve does: it closes l and the connections that are idle, or has
// EventConfig.Stopping do that; the others and their tasks have EventConfig.Grace; then
// the rest is closed, and the tasks are canceled. What ServeEvents returns is what Serve does.
//
// Streams only: with a listener for "unixpacket", whose messages have ends, nothing happens, and the error is
// errors.ErrUnsupported inside.
func ServeEvents(ctx context.Context, l *Listener, handle func(c *EventConn, in []byte) (consumed int, err error), cfg EventConfig) error {
	if l.sock.d == nil {
		return l.wrap("serve", syscall.EINVAL) // the zero value
	}
	return eventsOn(ctx, newServer(l, cfg.Limit, cfg.Grace), handle, cfg)
}

// eventsOn is ServeEvents with the dispatchers that s has.
func eventsOn(ctx context.Context, s *server, handle func(c *EventConn, in []byte) (int, error), cfg EventConfig) error {
	if handle == nil {
		panic("transport: nil handler")
	}
	if s.l.network == "unixpacket" {
		return &net.OpError{Op: "serve", Net: s.l.network, Addr: s.l.local, Err: errors.ErrUnsupported}
	}
	if cfg.MaxUnread <= 0 {
		cfg.MaxUnread = 1 << 20
	}
	if cfg.MaxUnsent <= 0 {
		cfg.MaxUnsent = 1 << 20
	}
	switch {
	case cfg.Tick > 0:
	case cfg.IdleTimeout > 0:
		cfg.Tick = min(max(cfg.IdleTimeout/32, time.Millisecond), time.Second)
	default:
		cfg.Tick = 100 * time.Millisecond
	}
	e := &eventServer{server: s, handle: handle, cfg: cfg}
	for _, h := range s.berths {
		h.events = &eventLoop{
			srv: e, h: h, loop: seam.Of(h.d),
			buf:   make([]byte, eventBuffer),
			glued: familyOf(s.l.network) == tcpFamily,
		}
	}
	s.report = func(err error) { e.failed(nil, err) }
	s.open = func(h *berth, fd int, from *poll.SockAddr) {
		if err := h.events.add(fd, from); err != nil {
			s.gone(h)
			s.report(err)
		}
	}
	s.calmed = func() { e.each((*eventLoop).stop) }
	s.forced = func(late error) {
		cut := context.Canceled
		if errors.Is(late, dispatch.ErrClosed) {
			cut = dispatch.ErrClosed
		}
		e.each(func(l *eventLoop) { l.abort(cut) })
	}
	return s.serve(ctx)
}

// eventServer is a server in event mode.
type eventServer struct {
	*server
	handle func(c *EventConn, in []byte) (int, error)
	cfg    EventConfig
}

// each calls fn on each loop.
func (e *eventServer) each(fn func(*eventLoop)) {
	for _, h := range e.berths {
		if h.d == e.d {
			fn(h.events)
			continue
		}
		// One that is closed has told its connections.
		_ = h.d.Post(func() { fn(h.events) })
	}
}

// failed tells OnError of an error.
func (e *eventServer) failed(c *EventConn, err error) {
	switch {
	case e.cfg.OnError != nil:
		e.cfg.OnError(c, err)
	case c == nil:
		logError(nil, err)
	default:
		logError(c.RemoteAddr(), err)
	}
}

// eventLoop is what the connections of one server on one dispatcher share. It is used on the
// loop only.
type eventLoop struct {
	srv  *eventServer
	h    *berth
	loop seam.Loop
	buf  []byte // what a read fills

	calling bool   // a function of the user's runs
	in      []byte // what the handler was called with, as long as it runs
	calm    bool   // the server stops
	cut     error  // what is left of the connections ends with it
	glued   bool   // as in sock
	wheel
}

// add takes a new connection over. After an error fd is closed.
func (l *eventLoop) add(fd int, from *poll.SockAddr) error {
	c := &EventConn{loop: l, fd: int32(fd), state: eventFresh | eventReadable}
	c.from, _ = from.IP()
	reg, err := l.loop.Attach(uintptr(fd), (*eventLatch)(c))
	if err != nil {
		_ = sysClose(fd)
		return err
	}
	if c.reg = reg; reg.Edges() {
		c.state &^= eventReadable // the first edge tells
	}
	c.idle, c.active = l.ticks(l.srv.cfg.IdleTimeout), l.tick
	l.insert(c)
	c.queue()
	return nil
}

// stop begins the stop of the server.
func (l *eventLoop) stop() {
	l.calm = true
	for c := range l.all() {
		if l.srv.cfg.Stopping != nil {
			c.state |= eventTell
		}
		c.queue()
	}
}

// abort closes what is left of the connections.
func (l *eventLoop) abort(err error) {
	l.cut = err
	for c := range l.all() {
		c.queue()
	}
}

// guard keeps the panic of one connection from the others. It is deferred around its run.
func (l *eventLoop) guard(c *EventConn) {
	if c.state&eventRunning == 0 {
		return
	}
	c.state &^= eventRunning
	if !l.calling { // OnError has panicked
		c.queue()
		return
	}
	err := panicked(recover())
	l.calling, l.in = false, nil
	c.end(err)
	l.srv.failed(c, err)
}

// wrap returns what users see of an error of c.
func (c *EventConn) wrap(op string, err error) error {
	return &net.OpError{Op: op, Net: c.loop.srv.l.network, Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: inside(err)}
}
