package transport

import (
	"math"
	"net"
	"time"
)

// These options are those of package net, under its names. They do not wait, and may be set while
// calls do. On a connection that has no such option they fail as the system says, and on a
// system that has none with an error that is errors.ErrUnsupported.

// SetNoDelay says whether small writes are sent at once (TCP_NODELAY), which they are unless it says
// otherwise, or wait for an acknowledgment of what was sent before, in the hope of more.
func (c *Conn) SetNoDelay(on bool) error {
	return c.set(func(fd int) error { return sysSetNoDelay(fd, on) })
}

// SetKeepAliveConfig says when the system looks after a peer that is silent. Idle and Interval are
// rounded up to seconds; what is 0 becomes 15 s, 15 s and 9 probes, and what is
// negative stays as it is. Some systems have these times for all connections only: there
// Enable alone counts.
func (c *Conn) SetKeepAliveConfig(config net.KeepAliveConfig) error {
	return c.set(func(fd int) error { return sysSetKeepAlive(fd, config) })
}

// SetLinger says what Close does with bytes that have not been sent or acknowledged. With sec < 0, the
// default, the system goes on to send them. With 0 they are dropped, and the peer is told by
// a reset. With more the system drops what is left after so many seconds. Close does not wait for
// that either: where the system would keep it, a goroutine closes the descriptor.
func (c *Conn) SetLinger(sec int) error { return c.wrap("set", c.sock.setLinger(sec)) }

// SetReadBuffer sets the size of the system's buffer for what comes in, in bytes. The system may choose
// another: Linux takes twice as much, up to net.core.rmem_max (socket(7), SO_RCVBUF).
func (c *Conn) SetReadBuffer(bytes int) error {
	return c.set(func(fd int) error { return sysSetBuffer(fd, false, fitting(bytes)) })
}

// SetWriteBuffer sets the size of the system's buffer for what goes out, in bytes. The system may
// choose another: Linux takes twice as much, up to net.core.wmem_max (socket(7), SO_SNDBUF).
func (c *Conn) SetWriteBuffer(bytes int) error {
	return c.set(func(fd int) error { return sysSetBuffer(fd, true, fitting(bytes)) })
}

// set sets an option. Reading and writing may be under way: options are apart from both.
func (c *Conn) set(fn func(fd int) error) error {
	var err error
	if e := c.sock.use(func(fd int) { err = fn(fd) }); e != nil {
		err = e
	}
	return c.wrap("set", err)
}

// fitting returns n in the range of the numbers that options have, which would else be another number to the
// system: perhaps 0.
func fitting(n int) int { return max(math.MinInt32, min(n, math.MaxInt32)) }

// wholeSeconds returns d in seconds, rounded up; -1 if it is negative.
func wholeSeconds(d time.Duration) int {
	if d < 0 {
		return -1
	}
	n := d / time.Second
	if d%time.Second > 0 {
		n++
	}
	return int(min(n, math.MaxInt32))
}
