package transport

import (
	"context"
	"os"
)

// ahead is what was received from a connection before it became a Conn.
type ahead struct {
	left []byte // guarded by mu of rd
}

// prime has calls of Read return p first. It is called before anybody else has c.
func (c *Conn) prime(p []byte) {
	if len(p) > 0 {
		c.sock.ahead = &ahead{left: p}
		c.sock.odd.Store(true)
	}
}

// readAhead is Read for a connection that was primed.
func (c *Conn) readAhead(ctx context.Context, p []byte) (int, error) {
	rd, n := &c.sock.rd, 0
	err := rd.do(func(int) error {
		if a := c.sock.ahead; len(a.left) > 0 {
			if rd.timed && rd.expired() {
				return os.ErrDeadlineExceeded
			}
			n = copy(p, a.left)
			a.left = a.left[n:]
			if len(a.left) == 0 {
				a.left = nil
				c.sock.odd.Store(false) // from now on the connection is like any other
			}
		}
		return nil
	})
	if n > 0 || err != nil {
		return n, c.wrap("read", err)
	}
	o := op{buf: p}
	err = rd.call(ctx, &o)
	return o.n, c.wrap("read", err)
}
