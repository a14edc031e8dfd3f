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
// A call first tries by itself. If it would have to wait, the dispatcher on whose
// loop the descriptor is finishes it as soon as the system says that it can: the
// bytes are in the caller's buffer before the caller runs on. So somebody has to turn the
// dispatcher (dispatch.Dispatcher.Run, core.Run) for calls that wait to end, and for
// deadlines to pass, which are on its clock. Calls in one direction are served in the order they came in.
//
// # Errors
//
// Errors are [*net.OpError], as those of package net, but for io.EOF, which comes as it
// is. Inside is
//
//   - net.ErrClosed after Close of the connection or listener,
//   - os.ErrDeadlineExceeded when a deadline has passed (Timeout is true),
//   - ctx.Err() when ctx has ended, or the task without a ctx was canceled,
//   - dispatch.ErrClosed after Close of the dispatcher; Close of the connection still
//     has to be called, to close the descriptor,
//   - an *os.SyscallError with the number of the system otherwise.
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
var ErrNoDispatcher = errors.New("transport: ctx belongs to no dispatcher")

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
