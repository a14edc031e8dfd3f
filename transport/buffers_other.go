//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris)

package transport

import (
	"context"
	"net"
)

// writeBuffers makes one Write of all, so that nothing comes between them.
func (c *Conn) writeBuffers(ctx context.Context, v *net.Buffers) (int64, error) {
	var all []byte
	for _, b := range *v {
		all = append(all, b...)
	}
	o := op{verb: writing, buf: all}
	err := c.sock.wr.call(ctx, &o)
	consume(v, o.n)
	return int64(o.n), err
}
