// Package transport has sockets, pipes, child processes and signals that wait on a dispatcher.
//
// In a task of any dispatcher its calls suspend the task, on an ordinary goroutine they block the goroutine; one
// connection may be used by both at the same time. A [Conn] is a [net.Conn], a [Listener] a
// [net.Listener] and a [PacketConn] a [net.PacketConn], so whatever is written against those (bufio,
// crypto/tls, net/http) runs over them.
//
//   - [Dial] and [Dialer] connect, with Happy Eyeballs; [Listen], [ListenPacket] and [ListenConfig] listen: TCP, UDP and Unix
//     sockets of all kinds.
//   - [Serve] runs a task for each connection, and stops gracefully. [ServeEvents] calls a function for
//     what has come, so that an idle connection costs some 300 bytes; one that has to wait becomes a task.
//     [ServePackets] serves datagrams. A [ServeGroup] does the same on several dispatchers, one for each CPU.
//   - [Reader] reads lines, messages and exact amounts, with limits, from any io.Reader.
//   - [DialTLS], [ListenTLS], [TLSClient] and [TLSServer] are crypto/tls; a bare tls.Conn that is used by two tasks
//     at once can stop their loop, see [TLSConn].
//   - [Socket] has the calls of the system with a ctx, for what the other types do not offer.
//   - [Command] and [Process] run child processes, a [Pipe] is one end of a pipe, a FIFO or a standard stream,
//     [WaitSignal] and [NotifyContext] wait for signals.
//
// Calls that a method of package net prescribes have no ctx and, in a task, end when that task is canceled;
// [Conn.With] and its like return a view whose calls end with a ctx.
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
// A call of a task that need not wait returns at once: only every 64th in a row of one connection lets the others
// on the loop have their turn, and what a buffered reader has already makes no call at all. So a task that
// hands what it reads to others, by a queue with a bound perhaps, can hand over hundreds of lines before one of them
// runs: see core.Yield.
//
// Run a server of net/http on a goroutine, go srv.Serve(l): between accepts that fail, for
// want of descriptors perhaps, it sleeps by package time, which in a task stops the loop. Run a client of it on a
// goroutine, too, or by core.Blocking: a request in a task waits by a channel for connections that are
// on the loop it stops, and never ends. See [Dialer.DialContext].
//
// # Errors
//
// Errors are [*net.OpError], as those of package net, but for
//
//   - io.EOF, which comes as it is,
//   - those of a reader that ReadFrom is given, and of handlers and hooks, as they are,
//   - those of TLS itself, such as a certificate that is not trusted, as crypto/tls has them,
//   - those of [Reader], of [Command] and [Process], of signals, and of the stop of a server: see there.
//
// Inside is
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
// All of it works on the Unix systems that have a native poller. Windows has
//
//   - Unix sockets of kind "unix" alone, of Windows 10 and later; no test has seen them there, as Wine has none,
//   - no SO_REUSEPORT: ListenConfig.ReusePort and [SpreadPort] fail with errors.ErrUnsupported,
//   - no second descriptor of a socket: so do [Socket.Conn] and its like,
//   - neither sendfile nor writev: a file is copied, and several buffers are sent by one Write of all,
//   - pipes that no poller takes, see [Pipe], and no signal to a child but os.Kill.
//
// On js and wasip1 whatever makes a connection, a pipe or a process returns an error that is
// errors.ErrUnsupported; [Reader] works, and so do a [Pipe] of a file and signals as far as package os has them.
package transport

import (
	"context"
	"errors"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/park"
)

// ErrNoDispatcher is inside the error of Dial and Listen with a ctx that belongs to no
// dispatcher: it is that of no task, nor made by core.On.
var ErrNoDispatcher = errors.New("transport: ctx belongs to no dispatcher (see core.Run, core.On)")

// errAgain is what a system call answers that would have to wait.
var errAgain = errors.New("transport: would wait")

// place returns the dispatcher of ctx and the medium of network, if there are both and ctx is
// not done.
func place(ctx context.Context, network string) (*dispatch.Dispatcher, medium, error) {
	if err := ctx.Err(); err != nil {
		return nil, medium{}, park.Failed(err)
	}
	m, err := mediumOf(network)
	if err != nil {
		return nil, m, err
	}
	d := core.DispatcherOf(ctx)
	if d == nil {
		return nil, m, ErrNoDispatcher
	}
	return d, m, nil
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
