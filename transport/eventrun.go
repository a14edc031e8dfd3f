package transport

import (
	"fmt"
	"io"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

// maxReads is how many reads that fill the buffer a connection may make before the others on its loop
// have their turn; so it is how many times it may send what was kept, since Flushed and the handler
// may write more whenever all is sent.
const maxReads = 4

// eventLatch is an EventConn as the loop sees it.
type eventLatch EventConn

// Ready implements seam.Latch: it notes what is possible, and leaves the rest to run.
func (e *eventLatch) Ready(read, write, hup bool) {
	c := (*EventConn)(e)
	if hup {
		c.state |= eventHup
	}
	if read {
		c.state |= eventReadable
	}
	if c.Unsent() > 0 {
		if write {
			c.state |= eventWritable
			c.queue()
		}
	} else if read && c.state&eventDeaf == 0 || hup && c.state&(eventPaused|eventTold) != 0 {
		c.queue()
	}
}

// Closed implements seam.Latch.
func (e *eventLatch) Closed() {
	c := (*EventConn)(e)
	c.end(c.wrap("serve", dispatch.ErrClosed))
}

// queue makes run run.
func (c *EventConn) queue() {
	if c.state&(eventQueued|eventRunning) == 0 {
		c.state |= eventQueued
		c.loop.loop.ReadyHere((*eventLatch)(c))
	}
}

// RunReady does what there is to do for the connection.
func (e *eventLatch) RunReady() {
	c := (*EventConn)(e)
	c.state = c.state&^eventQueued | eventRunning
	defer c.loop.guard(c)
	more := c.run()
	if c.state &^= eventRunning; more {
		c.queue()
	}
}

// run goes on until the connection has to wait for the system, or reports true if the others are to have
// their turn first. All calls of the user's functions are made here, one after the other.
func (c *EventConn) run() (more bool) {
	cfg := &c.loop.srv.cfg
	for reads, sends := 0, 0; ; {
		s := c.state
		m := c.more
		switch {
		case s&eventGone != 0:
			return false
		case s&eventClosed != 0:
			c.finish()
			return false
		case s&eventFresh != 0:
			c.state &^= eventFresh
			c.call(cfg.Opened)
		case s&eventTell != 0:
			c.state &^= eventTell
			c.call(cfg.Stopping)
		case c.loop.cut != nil:
			c.end(c.cutOff())
		case c.Unsent() > 0:
			if s&eventWritable == 0 {
				return false
			}
			if sends++; sends > maxReads || c.flush() {
				return true
			}
		case s&eventClosing != 0:
			c.end(nil)
		case m != nil && m.async != nil:
			c.handOver()
			return false
		case s&(eventPaused|eventTold) != 0 && c.broken():
		case s&eventPaused != 0:
			return false
		case s&eventAgain != 0:
			c.state &^= eventAgain
			if c.Unread() > 0 {
				c.feed(c.left())
			}
		case s&(eventEnded|eventTold) == eventEnded:
			c.state |= eventTold
			c.ended()
		case s&(eventEnded|eventReadable) == eventReadable:
			if reads++; reads > maxReads {
				return true
			}
			c.read()
		case c.loop.calm && cfg.Stopping == nil && c.resting():
			c.state |= eventClosing
		default:
			return false
		}
	}
}

// broken ends a connection of which nothing is read that would tell that it is broken, and reports whether
// it is.
func (c *EventConn) broken() bool {
	if m := c.more; m != nil && m.lost != nil {
		c.end(m.lost)
		return true
	}
	if c.state&eventHup != 0 {
		if err := sysBroken(int(c.fd)); err != nil {
			c.end(c.wrap("read", err))
			return true
		}
	}
	return false
}

// resting reports whether there is nothing to do for the connection.
func (c *EventConn) resting() bool {
	return c.state&(eventPaused|eventEnded) == 0 && c.Unread() == 0 && c.Unsent() == 0
}

// cutOff returns the error of a connection for which the server does not wait any longer.
func (c *EventConn) cutOff() error {
	if c.resting() {
		return nil
	}
	return c.wrap("serve", c.loop.cut)
}

// call calls a function of the user's.
func (c *EventConn) call(fn func(*EventConn)) {
	if fn != nil {
		c.loop.calling = true
		fn(c)
		c.loop.calling = false
	}
}

// read reads, and gives the handler what there is.
func (c *EventConn) read() {
	l := c.loop
	n, err := sysRead(int(c.fd), l.buf)
	switch {
	case err == errAgain:
		c.drained()
	case err != nil:
		c.end(c.wrap("read", err))
	case n == 0:
		c.state = c.state&^eventReadable | eventEnded
	default:
		c.active = l.tick
		if n < len(l.buf) && l.glued && c.state&eventHup == 0 {
			c.drained() // see side.emptied
		}
		in := l.buf[:n]
		if c.Unread() > 0 {
			m := c.more
			if m.taken > 0 && len(m.in)+n > cap(m.in) {
				m.in, m.taken = m.in[:copy(m.in, m.in[m.taken:])], 0
			}
			m.in = append(m.in, in...)
			in = c.left()
		}
		c.feed(in)
	}
}

// drained notes that nothing can be read before the next event.
func (c *EventConn) drained() {
	c.state &^= eventReadable
	if !c.reg.Edges() {
		if err := c.reg.Arm(true, false); err != nil {
			c.end(c.wrap("read", err))
		}
	}
}

// armWrite asks for an event when the system takes output again. It returns errAgain, or what has gone wrong.
func (c *EventConn) armWrite() error {
	if !c.reg.Edges() {
		if err := c.reg.Arm(false, true); err != nil {
			return err
		}
	}
	return errAgain
}

// feed calls the handler, and keeps what it leaves.
func (c *EventConn) feed(in []byte) {
	l := c.loop
	l.calling, l.in = true, in
	n, err := l.srv.handle(c, in)
	if uint(n) > uint(len(in)) {
		panic(fmt.Sprintf("transport: the handler has consumed %d of %d bytes", n, len(in)))
	}
	l.calling, l.in = false, nil
	if c.state&(eventClosed|eventGone) != 0 {
		return
	}
	c.keep(in, n)
	switch {
	case err != nil:
		c.fail(err)
	case len(in)-n >= l.srv.cfg.MaxUnread && c.state&eventDeaf == 0 && c.Unsent() == 0 && c.more.async == nil:
		c.fail(c.wrap("read", ErrUnread))
	}
}

// keep keeps what is in behind the first n bytes.
func (c *EventConn) keep(in []byte, n int) {
	had := c.Unread() > 0 // then in is there
	switch {
	case n == len(in):
		if had {
			c.more.in, c.more.taken = nil, 0
			c.slim()
		}
	case had:
		c.more.taken += n
	default:
		c.need().in = append([]byte(nil), in[n:]...)
	}
}

// left returns what is kept.
func (c *EventConn) left() []byte {
	if c.more == nil {
		return nil
	}
	return c.more.in[c.more.taken:]
}

// fail closes the connection with the error of its handler.
func (c *EventConn) fail(err error) {
	c.state |= eventClosing
	c.need().err = err
	if !c.loop.srv.meant(c.loop.srv.calm, err) {
		c.loop.srv.failed(c, err)
	}
}

// flush sends what is kept, or reports true if the others are to have their turn first.
func (c *EventConn) flush() (more bool) {
	m, l := c.more, c.loop
	c.state &^= eventWritable
	for chunks := 0; m.sent < len(m.out); chunks++ {
		if chunks == maxReads { // let the others have their turn
			c.state |= eventWritable
			return true
		}
		n, err := sysWrite(int(c.fd), m.out[m.sent:min(len(m.out), m.sent+maxChunk)])
		if err == errAgain {
			err = c.armWrite()
		}
		switch {
		case err == errAgain:
			if m.sent > len(m.out)/2 {
				m.out, m.sent = m.out[:copy(m.out, m.out[m.sent:])], 0
			}
			return false
		case err != nil:
			c.lose(c.wrap("write", err))
			return false
		}
		m.sent += n
		c.active = l.tick
	}
	m.out, m.sent = nil, 0
	c.slim()
	c.state |= eventAgain
	if c.state&eventClosing != 0 {
		return false
	}
	if c.state&eventShut != 0 {
		_ = sysShutdown(int(c.fd), true) // a peer that is gone shows in what is read
	}
	c.call(l.srv.cfg.Flushed)
	return false
}

// lose notes that nothing can be sent any more. What the peer sent before is still read.
func (c *EventConn) lose(err error) {
	m := c.need()
	m.out, m.sent, m.lost = nil, 0, err
	c.state |= eventAgain
	if c.state&eventClosing != 0 {
		c.end(err)
	}
	c.queue()
}

// ended tells the user that the peer has ended its direction.
func (c *EventConn) ended() {
	cfg := &c.loop.srv.cfg
	if m := c.more; m != nil && m.lost != nil {
		// The system says once that a connection is broken: this is no end in good order.
		c.end(m.lost)
		return
	}
	rest := c.left()
	if cfg.Ended != nil {
		c.loop.calling = true
		cfg.Ended(c, rest)
		c.loop.calling = false
		return
	}
	c.state |= eventClosing
	if len(rest) > 0 {
		c.more.err = c.wrap("read", io.ErrUnexpectedEOF)
	}
}

// end ends the connection: run calls Closed.
func (c *EventConn) end(err error) {
	if c.state&(eventClosed|eventGone) != 0 {
		return
	}
	c.state |= eventClosed
	m := c.need()
	m.in, m.out, m.taken, m.sent, m.async = nil, nil, 0, 0, nil
	if err != nil {
		m.err = err
	}
	c.queue()
}

// finish closes the descriptor, and tells the user.
func (c *EventConn) finish() {
	l := c.loop
	defer l.srv.gone(l.h)
	c.state |= eventGone
	if c.state&eventMoved == 0 {
		l.remove(c)
		c.reg.Detach()
		_ = sysClose(int(c.fd)) // it is closed even so
	}
	err := c.more.err
	c.more = nil
	if closed := l.srv.cfg.Closed; closed != nil && c.state&eventFresh == 0 {
		l.calling = true
		closed(c, err)
		l.calling = false
	}
}

// handOver starts the task that Async was given.
func (c *EventConn) handOver() {
	l, m := c.loop, c.more
	fn, rest := m.async, c.left()
	m.async, m.in, m.taken = nil, nil, 0
	conn, err := c.convert()
	if err != nil {
		c.end(c.wrap("async", err))
		c.finish()
		return
	}
	conn.prime(rest)
	c.more = nil
	c.state |= eventGone
	l.srv.startSession(&session{
		s: l.srv.server, h: l.h, c: conn, handle: fn,
		failed: func(_ *Conn, err error) { l.srv.failed(c, err) },
		ended: func(err error) {
			c.state &^= eventGone | eventRunning // it may have ended at once
			c.end(err)
		},
	})
}

// need returns what c keeps.
func (c *EventConn) need() *eventMore {
	if c.more == nil {
		c.more = new(eventMore)
	}
	return c.more
}

// slim lets go of it if there is nothing.
func (c *EventConn) slim() {
	if m := c.more; len(m.in) == 0 && len(m.out) == 0 && m.err == nil && m.lost == nil && m.async == nil && !m.timed {
		c.more = nil
	}
}
