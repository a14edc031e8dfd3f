package transport

import (
	"context"
	"net"

	"github.com/seed-1e54c410/turnstile/internal/park"
)

// WriteBuffers writes the buffers one behind the other, as one Write of all would but without copying
// them together (writev(2), where the system has it), and returns how many bytes were written. Those it
// takes from v, also if it fails. A socket of messages sends them as one message.
//
// It stands for net.Buffers.WriteTo, which knows the connections of package net only, and makes a
// Write of each buffer here.
func (c *Conn) WriteBuffers(v *net.Buffers) (int64, error) { return c.writeAll(ownCtx, v) }

func (c *Conn) writeAll(ctx context.Context, v *net.Buffers) (int64, error) {
	if ctx != ownCtx {
		if err := ctx.Err(); err != nil {
			return 0, c.wrap("writev", park.Failed(err))
		}
	}
	if c.sock.messages {
		var message []byte
		for _, b := range *v {
			message = append(message, b...)
		}
		n, err := c.writeMessage(ctx, message)
		if err == nil {
			*v = nil
		}
		return int64(n), err
	}
	n, err := c.writeBuffers(ctx, v)
	return n, c.wrap("writev", err)
}

// consume takes n bytes from v.
func consume(v *net.Buffers, n int) {
	for len(*v) > 0 {
		first := (*v)[0]
		if len(first) > n {
			(*v)[0] = first[n:]
			return
		}
		n -= len(first)
		(*v)[0] = nil
		*v = (*v)[1:]
	}
}
