package transport

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/poll"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// EventConn is a connection of [ServeEvents]. Its methods never wait. They are for the loop: the functions of
// the server, other callbacks and tasks of its dispatcher. Other goroutines use
// Dispatcher().Post(func() { … }). After the end of the connection, and after Detach, they do nothing and return
// an error that is net.ErrClosed.
type EventConn struct {
	loop       *eventLoop
	reg        seam.FD
	prev, next *EventConn // in a list of the wheel
	more       *eventMore // nil: nothing is kept
	data       any
	from       netip.AddrPort
	fd         int32
	state      eventState
	list       uint8  // which of the wheel
	active     uint32 // the tick of the last sign of life
	idle       uint32 // how many ticks may pass without one; 0: any
}

// eventMore is what a connection has only as long as it needs it.
type eventMore struct {
	in       []byte // received, and left by the handler
	out      []byte // to be sent
	taken    int    // of in
	sent     int    // of out
	err      error  // why the connection ends
	lost     error  // it is broken, as a write was told
	async    func(ctx context.Context, c *Conn) error
	deadline int64 // loop time
	timed    bool  // there is a deadline
}

// eventState is a set of facts about a connection.
type eventState uint16

const (
	eventQueued   eventState = 1 << iota // in the ready FIFO; ends when run begins
	eventRunning                         // inside run, which looks around by itself before it ends
	eventFresh                           // Opened has not been called
	eventTell                            // Stopping is to be called
	eventReadable                        // a read may find something; ends with one that has taken all
	eventHup                             // from now on a short read does not mean that all is read
	eventWritable                        // output that is kept may be taken by now
	eventPaused                          // by Pause, until Resume
	eventAgain                           // the handler is to look again at what it has left
	eventEnded                           // the peer has ended its direction: nothing is read any more
	eventTold                            // the user knows of that
	eventShut                            // CloseWrite: nothing is written any more
	eventClosing                         // ends when its output is sent
	eventClosed                          // has ended, and Closed is to be called
	eventGone                            // and has been, or it is a Conn now
	eventMoved                           // the descriptor belongs to a Conn
)

// eventDeaf are the states in which nothing is read.
const eventDeaf = eventPaused | eventEnded | eventClosing | eventClosed | eventGone

// Write sends p, and never waits: what the system does not take at once, and what is behind the first 1 MiB, so that
// other connections have their turn, is kept, up to
// EventConfig.MaxUnsent bytes, and sent when the peer has made room; until then the handler is not called. p
// may be used again at once. If there is too much, Write keeps what there is room for, and returns how many
// bytes it has taken with an error that is ErrUnsent: EventConfig.Flushed tells when the rest may be
// written. After any other error, as after the end of the connection and after CloseWrite, nothing
// more can be written; what the peer had sent before is still read.
func (c *EventConn) Write(p []byte) (int, error) {
	if c.state&(eventShut|eventClosing|eventClosed|eventGone) != 0 {
		return 0, c.wrap("write", net.ErrClosed)
	}
	if len(p) == 0 {
		return 0, nil
	}
	n := 0
	if m := c.more; m != nil && (m.lost != nil || len(m.out) > 0) {
		if m.lost != nil {
			return 0, m.lost
		}
	} else {
		for chunks := 0; ; chunks++ {
			if chunks == maxReads { // let the others have their turn
				c.state |= eventWritable
				c.queue()
				break
			}
			k, err := sysWrite(int(c.fd), p[n:min(len(p), n+maxChunk)])
			if n += max(k, 0); n == len(p) && err == nil {
				return n, nil
			}
			if err == errAgain {
				err = c.armWrite()
			}
			if err == errAgain {
				break
			}
			if err != nil {
				err = c.wrap("write", err)
				c.lose(err)
				return n, err
			}
		}
	}
	m := c.need()
	k := min(len(p)-n, max(c.loop.srv.cfg.MaxUnsent-c.Unsent(), 0))
	m.out = append(m.out, p[n:n+k]...)
	if n += k; n < len(p) {
		c.slim()
		return n, c.wrap("write", ErrUnsent)
	}
	return n, nil
}

// Unsent returns how many bytes of output are kept in this process.
func (c *EventConn) Unsent() int {
	if c.more == nil {
		return 0
	}
	return len(c.more.out) - c.more.sent
}

// Unread returns how many bytes are kept that the handler has left.
func (c *EventConn) Unread() int {
	if c.more == nil {
		return 0
	}
	return len(c.more.in) - c.more.taken
}

// Close closes the connection as soon as its output is sent. Nothing is read any more, and no function called
// but EventConfig.Closed, after the one that runs has returned. A peer that does not read
// can hold it open: see EventConfig.IdleTimeout and Abort.
func (c *EventConn) Close() error {
	if c.state&(eventClosing|eventClosed|eventGone) != 0 {
		return c.wrap("close", net.ErrClosed)
	}
	c.state |= eventClosing
	c.queue()
	return nil
}

// CloseWrite ends the direction to the peer as soon as the output is sent: the peer reads io.EOF behind
// it. Reading goes on.
func (c *EventConn) CloseWrite() error {
	if c.state&(eventShut|eventClosing|eventClosed|eventGone) != 0 {
		return c.wrap("close", net.ErrClosed)
	}
	c.state |= eventShut
	if c.Unsent() > 0 {
		return nil
	}
	if err := sysShutdown(int(c.fd), true); err != nil {
		return c.wrap("close", err)
	}
	return nil
}

// Abort closes the connection at once, and drops its output. EventConfig.Closed gets err.
func (c *EventConn) Abort(err error) {
	c.end(err)
}

// Pause keeps the handler from being called, until Resume. What comes in waits in the system, which
// keeps the peer from sending more. A connection that is paused is not idle for the stop of
// the server, but it is for EventConfig.IdleTimeout.
//
// A connection that breaks meanwhile is closed with that error, and what has come in is lost: when the system tells of
// it, which poll(2) and event ports do only of one that is to be written, or when a write has failed. An end in
// good order waits for Resume.
func (c *EventConn) Pause() { c.state |= eventPaused }

// Resume ends a Pause. If the handler has left input, it is called with that.
func (c *EventConn) Resume() {
	if c.state&(eventPaused|eventGone) == eventPaused {
		c.state &^= eventPaused
		c.state |= eventAgain
		c.queue()
	}
}

// SetDeadline sets the time, on the clock of the dispatcher, at which the connection is closed. The zero Time
// is none. See EventConfig.Tick.
func (c *EventConn) SetDeadline(t time.Time) error {
	if c.state&(eventClosed|eventGone) != 0 {
		return c.wrap("set", net.ErrClosed)
	}
	c.loop.setDeadline(c, t)
	return nil
}

// SetIdleTimeout sets EventConfig.IdleTimeout for this connection alone, and counts from now. None if d is not
// positive.
func (c *EventConn) SetIdleTimeout(d time.Duration) error {
	if c.state&(eventClosed|eventGone) != 0 {
		return c.wrap("set", net.ErrClosed)
	}
	c.loop.setIdle(c, d)
	return nil
}

// SetData keeps v with the connection, for Data.
func (c *EventConn) SetData(v any) { c.data = v }

// Data returns what SetData was given last, after the end of the connection too.
func (c *EventConn) Data() any { return c.data }

// LocalAddr returns the local address, nil after the end of the connection, and once it is a Conn.
func (c *EventConn) LocalAddr() net.Addr {
	if c.state&(eventGone|eventMoved) != 0 {
		return nil // the number may be that of another descriptor by now
	}
	a := sysLocal(int(c.fd))
	return netAddr(c.loop.srv.l.network, &a)
}

// RemoteAddr returns the address of the peer, after the end of the connection too.
func (c *EventConn) RemoteAddr() net.Addr {
	if c.from.IsValid() {
		return netAddrIP(c.loop.srv.l.network, c.from)
	}
	return &net.UnixAddr{Net: c.loop.srv.l.network}
}

// Dispatcher returns the dispatcher of the connection, on whose loop its functions are called. It may be
// called from any goroutine.
func (c *EventConn) Dispatcher() *dispatch.Dispatcher { return c.loop.h.d }

// Async hands the connection over to a task, for what has to wait: fn gets it as a Conn, in which what the handler
// has left is read first. That happens when the function that runs has returned and all output is sent; the
// handler is not called any more. What Serve says of its handlers holds for fn: the
// server waits for its end, its error and its panic go to EventConfig.OnError, and the connection is closed
// when it returns, which EventConfig.Closed is told with the error.
func (c *EventConn) Async(fn func(ctx context.Context, c *Conn) error) error {
	if fn == nil {
		panic("transport: nil function")
	}
	if c.state&(eventClosing|eventClosed|eventGone) != 0 {
		return c.wrap("async", net.ErrClosed)
	}
	c.need().async = fn
	c.queue()
	return nil
}

// Detach takes the connection away from the server, which does not know it any more. It
// returns it as a Conn on the same dispatcher, with the bytes that were received and not consumed: called in the handler,
// all of what that was given, whose result does not count then. It fails with ErrUnsent while output is kept, and nothing
// has changed then; after any other error the connection is closed.
func (c *EventConn) Detach() (conn *Conn, rest []byte, err error) {
	if c.state&(eventClosing|eventClosed|eventGone) != 0 {
		return nil, nil, c.wrap("detach", net.ErrClosed)
	}
	if c.Unsent() > 0 {
		return nil, nil, c.wrap("detach", ErrUnsent)
	}
	rest = c.loop.in
	if c.state&eventRunning == 0 || rest == nil {
		rest = c.left()
	}
	rest = append([]byte(nil), rest...)
	conn, err = c.convert()
	if err != nil {
		c.end(c.wrap("detach", err))
		return nil, nil, c.wrap("detach", err)
	}
	c.more, c.state = nil, c.state|eventGone
	c.loop.srv.gone(c.loop.h)
	return conn, rest, nil
}

// convert takes the descriptor away from the loop, and makes a Conn of it.
func (c *EventConn) convert() (*Conn, error) {
	c.reg.Detach()
	c.loop.remove(c)
	c.state |= eventMoved
	conn, err := newConn(c.loop.h.d, int(c.fd), c.loop.srv.l.network, false)
	if err != nil {
		return nil, err
	}
	// The system says once that a connection is broken, and what it has said is not said to the Conn.
	if m := c.more; m != nil && m.lost != nil && c.state&eventTold == 0 {
		if oe, ok := errors.AsType[*net.OpError](m.lost); ok && sysLost(oe.Err) {
			conn.sock.rd.lost = oe.Err
		}
	}
	var from *poll.SockAddr
	if c.from.IsValid() {
		from = new(poll.SockAddr)
		_ = from.SetIP(c.from) // it has been one
	}
	conn.learn(nil, from)
	return conn, nil
}
