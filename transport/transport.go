// Package transport has TCP connections and listeners that wait on a dispatcher.
//
// A [Conn] is a [net.Conn] and a [Listener] is a [net.Listener], so whatever is written
// against those (bufio, crypto/tls, net/http) runs over them. In a task of any dispatcher their calls
// suspend the task, on an ordinary goroutine they block the goroutine; one connection
// may be used by both at the same time.
//
//   - [Dial] and [Listen] make them, on the dispatcher of their ctx.
//   - [Listener.AcceptConn] and [Conn.With] take a ctx; the calls of package net have none and,
//     in a task, end when that task is canceled.
//
// # What the dispatcher does
//
// A call first tries by itself. If it would have to wait, the dispatcher on whose loop the
// descriptor is wakes the first caller in line as soon as the system says that it can go
// on. So somebody has to turn the dispatcher (dispatch.Dispatcher.Run, core.Run) for calls that
// wait to end, and for deadlines to pass, which are on its clock. Calls in one direction are served in
// the order they came in: a caller that is a task of a dispatcher nobody turns holds up those
// behind it.
//
// Run a server of net/http on a goroutine, go srv.Serve(l): between accepts that fail, for
// want of descriptors perhaps, it sleeps by package time, which in a task stops the loop.
//
// # Errors
//
// Errors are [*net.OpError], as those of package net, but for io.EOF, which comes as it
// is. Inside is
//
//   - net.ErrClosed after Close of the connection or listener,
//   - os.ErrDeadlineExceeded when a deadline has passed,
//   - ctx.Err() when ctx has ended, or the task was canceled that made a call without one,
//   - dispatch.ErrClosed after Close of the dispatcher; Close of the connection still
//     has to be called, to close the descriptor,
//   - an *os.SyscallError with the number of the system otherwise.
//
// Timeout is true for a deadline, that of a ctx too; Temporary is never true for a ctx that
// has ended.
//
// # Platforms
//
// There are sockets on the Unix systems that have a native poller. Elsewhere Dial and
// Listen return an error that is errors.ErrUnsupported.
package transport

import (
	"context"
	"errors"
	"net"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/park"
)

// ErrNoDispatcher is inside the error of Dial and Listen with a ctx that belongs to no
// dispatcher: it is that of no task, nor made by core.On.
var ErrNoDispatcher = errors.New("transport: ctx belongs to no dispatcher (see core.Run, core.On)")

// errAgain is what a system call answers that would have to wait.
var errAgain = errors.New("transport: would wait")

// place returns the dispatcher of ctx, if network is one of ours and ctx is not done.
func place(ctx context.Context, network string) (*dispatch.Dispatcher, error) {
	if err := ctx.Err(); err != nil {
		return nil, park.Failed(err)
	}
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return nil, net.UnknownNetworkError(network)
	}
	d := core.DispatcherOf(ctx)
	if d == nil {
		return nil, ErrNoDispatcher
	}
	return d, nil
}

// ended is the error of a call whose ctx, or task, has ended. It hides the method Temporary
// of context.DeadlineExceeded: a server in the way of net/http would call Accept again for ever.
type ended struct{ error }

func (e ended) Unwrap() error { return e.error }

// Timeout reports whether it was a deadline.
func (e ended) Timeout() bool { return errors.Is(e.error, context.DeadlineExceeded) }

// inside returns what a net.OpError carries for err.
func inside(err error) error {
	if err == context.Canceled || err == context.DeadlineExceeded {
		return ended{err}
	}
	return err
}
