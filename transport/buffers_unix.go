//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris

package transport

import (
	"context"
	"net"
)

// maxBuffers bounds the buffers of one system call: IOV_MAX of most systems, and no less than that of
// the others takes sendmsg.
const maxBuffers = 1024

func (c *Conn) writeBuffers(ctx context.Context, v *net.Buffers) (n int64, err error) {
	x := newExtra()
	defer x.free()
	x.ask = func(fd int) (bool, error) {
		for budget := maxChunk; ; {
			consume(v, 0) // what is empty
			if len(*v) == 0 {
				return true, nil
			}
			if budget == 0 {
				x.more = true
				return false, nil
			}
			m, err := sysWriteBuffers(fd, *v, budget)
			if err == errAgain {
				return false, nil
			}
			if err != nil {
				return true, err
			}
			n += int64(m)
			budget -= m
			consume(v, m)
		}
	}
	err = c.sock.wr.call(ctx, &op{verb: asking, x: x})
	return n, err
}
