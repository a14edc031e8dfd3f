package transport

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// ServeConfig says how [Serve] serves. The zero value bounds nothing, and cancels handlers as soon as
// the server is to stop.
type ServeConfig struct {
	// Limit is how many connections may be alive at a time, any number if it is not positive. At the
	// limit accepting pauses: who connects then waits in the system, in the queue of the
	// listener.
	Limit int
	// Grace is how long handlers may go on by themselves when the server stops, on the clock of
	// the dispatcher, before they are canceled; for ever if it is negative.
	Grace time.Duration
	// OnError is told what goes wrong while the server goes on: with a connection the error that its
	// handler has returned, or the *core.PanicError of its panic, with nil an error of
	// accepting. A cancel that the stop has caused is none. It is called in the task of the handler or
	// of the listener, by a [ServeGroup] on several dispatchers at a time. If it is nil errors are
	// logged. Its panic leaves the call that turns the dispatcher.
	OnError func(c *Conn, err error)
}

// StopError is returned by a server that has stopped, but had to cancel handlers since Grace was over.
type StopError struct {
	// Canceled is how much was left: handlers for [Serve], connections that nobody had closed for [ServeEvents],
	// which include idle ones only with EventConfig.Stopping, and messages for [ServePackets].
	Canceled int
	// Grace is what they had.
	Grace time.Duration
}

// Error tells both numbers.
func (e *StopError) Error() string {
	return fmt.Sprintf("transport: %d handlers were canceled when the grace of %v was over", e.Canceled, e.Grace)
}

// Serve accepts connections from l, and runs handle for each of them in a task of its own on
// the dispatcher of l, until ctx ends. It returns when all handlers have ended; it may be called on
// a goroutine, or in a task of any dispatcher. The dispatcher of l has to be turned.
//
// The ctx that handle gets has the values of ctx, but does not end with it. The connection is
// closed when handle returns. Neither an error nor a panic of a handler, which
// ServeConfig.OnError is told of, disturbs the others. When accepting fails, for want of
// descriptors perhaps, Serve tells OnError and tries again after 5 ms, and after twice as long as
// the last time, 1 s at most, if it fails again; connections that come meanwhile wait in the system.
//
// When ctx ends the server stops: l is closed; [Stopping] tells handlers, which have
// ServeConfig.Grace to end by themselves, as those of net/http's Shutdown have; then
// their ctx is canceled, which also ends what waits on the connection without a ctx; and Serve waits
// for their end. It returns nil if all that went by the grace, or the grace is 0, and otherwise a
// *[StopError].
//
// The server stops in the same way, and l is closed, when somebody closes l: Serve then
// returns the error of the accept, which is net.ErrClosed. If the dispatcher of l closes the
// handlers are canceled at once, and Serve returns dispatch.ErrClosed.
//
// A server of TLS has its handler call [TLSServer], so that no handshake keeps another connection waiting, and
// TLSConn.Close at its end, which tells the peer that all was sent: Serve closes only the connection below.
func Serve(ctx context.Context, l *Listener, handle func(ctx context.Context, c *Conn) error, cfg ServeConfig) error {
	if l.sock.d == nil {
		return l.wrap("serve", syscall.EINVAL) // the zero value
	}
	return serveOn(ctx, newServer(l, cfg.Limit, cfg.Grace), handle, cfg.OnError)
}

// serveOn is Serve with the dispatchers that s has.
func serveOn(ctx context.Context, s *server, handle func(ctx context.Context, c *Conn) error, onError func(*Conn, error)) error {
	if handle == nil {
		panic("transport: nil handler")
	}
	failed := func(c *Conn, err error) {
		if onError != nil {
			onError(c, err)
			return
		}
		if c == nil {
			logError(nil, err)
			return
		}
		logError(c.RemoteAddr(), err)
	}
	s.report = func(err error) { failed(nil, err) }
	s.open = func(h *berth, fd int, from *poll.SockAddr) {
		c, err := newConn(h.d, fd, s.l.network, false)
		if err != nil {
			s.gone(h)
			s.report(err)
			return
		}
		c.learn(nil, from)
		s.startSession(&session{s: s, h: h, c: c, handle: handle, failed: failed})
	}
	return s.serve(ctx)
}

// logError is OnError where there is none. Without an address it is an error of accepting.
func logError(from net.Addr, err error) {
	who := "accept"
	if from != nil {
		who = "connection from " + from.String()
	}
	logFailure(who, err)
}

// logFailure logs an error of what.
func logFailure(what string, err error) {
	var p *core.PanicError
	if errors.As(err, &p) {
		log.Printf("transport: %s: panic: %v\n%s", what, p.Value, p.Stack)
		return
	}
	log.Printf("transport: %s: %v", what, err)
}

// session is a connection with its handler.
type session struct {
	s      *server
	h      *berth
	c      *Conn
	handle func(ctx context.Context, c *Conn) error
	failed func(c *Conn, err error) // OnError
	ended  func(err error)          // or nil: tells gone
	of     *handling
	began  bool
}

// startSession starts the task of x, on the loop of its dispatcher.
func (s *server) startSession(x *session) {
	x.of = &handling{Context: s.base, s: s}
	// The body is no method, whose wrapper would be on the stack of every connection as well.
	t := core.Start(core.On(x.of, x.h.d), func(ctx context.Context) (err error) {
		x.began = true
		x.of.begin(ctx)
		returned := false
		defer func() {
			if !returned {
				err = panicked(recover())
			}
			x.end(ctx, err)
			err = nil // it has been told
		}()
		err = x.handle(ctx, x.c)
		returned = true
		return err
	})
	if t.Finished() && !x.began { // the dispatcher closes
		x.end(s.base, dispatch.ErrClosed)
	}
}

// end comes when the handler has ended, whose ctx it was.
func (x *session) end(ctx context.Context, err error) {
	_ = x.c.sock.close() // an error says that it is
	x.of.end()
	// OnError is somebody else's code, and may do anything.
	if x.ended != nil {
		defer x.ended(err)
	} else {
		defer x.s.gone(x.h)
	}
	if err == nil || !x.began || x.s.meant(ctx, err) {
		return
	}
	defer func() {
		if v := recover(); v != nil {
			x.h.d.CallSoon(func() { panic(v) })
		}
	}()
	x.failed(x.c, err)
}

// panicked returns the error for what recover has returned.
func panicked(v any) error {
	if v == nil {
		return core.ErrGoexit
	}
	return &core.PanicError{Value: v, Stack: debug.Stack()}
}
