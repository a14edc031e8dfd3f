package transport

import (
	"context"
	"io"
	"net"
	"syscall"

	"github.com/seed-1e54c410/turnstile/internal/park"
)

// With returns a view of the connection whose calls also end with ctx, with an error that is
// ctx.Err(): Read, Write, ReadFrom, which io.Copy calls, WriteBuffers, and Read and Write of what
// SyscallConn returns. In a task ctx takes the place of the task's own: pass that, or one
// derived from it. Everything else, Close and the deadlines too, is that of the connection.
func (c *Conn) With(ctx context.Context) net.Conn { return &view{c, ctx} }

// view is a Conn with a ctx, which every method that waits has to be told of.
type view struct {
	*Conn
	ctx context.Context
}

func (v *view) Read(p []byte) (int, error) {
	if err := v.ctx.Err(); err != nil {
		return 0, v.wrap("read", park.Failed(err))
	}
	if len(p) == 0 || v.sock.odd.Load() {
		return v.readOther(v.ctx, p)
	}
	o := op{buf: p}
	err := v.sock.rd.call(v.ctx, &o)
	return o.n, v.wrap("read", err)
}

func (v *view) Write(p []byte) (int, error) {
	if err := v.ctx.Err(); err != nil {
		return 0, v.wrap("write", park.Failed(err))
	}
	if v.sock.messages {
		return v.writeMessage(v.ctx, p)
	}
	o := op{verb: writing, buf: p}
	err := v.sock.wr.call(v.ctx, &o)
	return o.n, v.wrap("write", err)
}

func (v *view) ReadFrom(r io.Reader) (int64, error) { return v.readFrom(v.ctx, r) }

func (v *view) WriteBuffers(b *net.Buffers) (int64, error) { return v.Conn.writeAll(v.ctx, b) }

func (v *view) SyscallConn() (syscall.RawConn, error) { return newRawConn(v.ctx, &v.sock, v.wrap) }
