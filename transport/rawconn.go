package transport

import (
	"context"
	"syscall"

	"github.com/seed-1e54c410/turnstile/internal/park"
)

// SyscallConn returns the connection for system calls that this package does not make. The descriptor
// is non-blocking, and stays so.
//
//   - Control calls its function with the descriptor, which stays open until it returns, even if
//     the connection is closed meanwhile. The function may use the connection.
//   - Read and Write call theirs at once, and then each time that reading or writing may succeed,
//     until it answers true. They wait in line with the other calls of that direction, on the
//     goroutine or in the task that calls, and end as they do, with a deadline, Close or a cancel of the
//     task. The function must neither wait nor use the connection.
//
// Whatever takes the descriptor for longer has to duplicate it.
func (c *Conn) SyscallConn() (syscall.RawConn, error) {
	return newRawConn(ownCtx, &c.sock, c.wrap)
}

// newRawConn returns what SyscallConn does, with errors made by wrap; an error once s is closed. What
// waits also ends with ctx.
func newRawConn(ctx context.Context, s *sock, wrap func(op string, err error) error) (syscall.RawConn, error) {
	if err := s.rd.do(func(int) error { return nil }); err != nil {
		return nil, wrap("control", err)
	}
	return &rawConn{ctx, s, wrap}, nil
}

type rawConn struct {
	ctx  context.Context
	s    *sock
	wrap func(op string, err error) error
}

func (r *rawConn) Control(fn func(fd uintptr)) error {
	return r.wrap("raw-control", r.s.use(func(fd int) { fn(uintptr(fd)) }))
}

func (r *rawConn) Read(fn func(fd uintptr) (done bool)) error {
	return r.wrap("raw-read", r.s.rd.askUntil(r.ctx, fn))
}

func (r *rawConn) Write(fn func(fd uintptr) (done bool)) error {
	return r.wrap("raw-write", r.s.wr.askUntil(r.ctx, fn))
}

func (s *side) askUntil(ctx context.Context, fn func(fd uintptr) bool) error {
	if ctx != ownCtx {
		if err := ctx.Err(); err != nil {
			return park.Failed(err)
		}
	}
	x := newExtra()
	defer x.free()
	x.ask = func(fd int) (bool, error) { return fn(uintptr(fd)), nil }
	return s.call(ctx, &op{verb: asking, x: x})
}
