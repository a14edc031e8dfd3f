package transport

import (
	"context"
	"net"
	"time"

	"github.com/seed-1e54c410/turnstile/internal/park"
	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// Listener accepts TCP connections. It is made by [Listen]. It is a [net.Listener], and safe for
// concurrent use by tasks of any dispatcher and by goroutines; calls of Accept are
// served in order of arrival.
type Listener struct {
	sock    sock
	network string
	local   net.Addr
}

// Listen listens on addr, "host:port", on the dispatcher of ctx. The network is "tcp",
// "tcp4" or "tcp6". Without a host it listens on all addresses, of both families for "tcp"; port 0 is
// a free one, which Addr tells. A host name is looked up by core.Blocking, and Listen waits for
// that alone. The listener stays open until it is closed, even if the dispatcher closes.
//
// The error is a *net.OpError, with ErrNoDispatcher inside if ctx belongs to no
// dispatcher, and ctx.Err() if ctx has ended.
func Listen(ctx context.Context, network, addr string) (*Listener, error) {
	l, err := listen(ctx, network, addr)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: address(addr), Err: inside(err)}
	}
	return l, nil
}

// address is an address that has not been resolved, for errors.
type address string

func (address) Network() string  { return "tcp" }
func (a address) String() string { return string(a) }

func listen(ctx context.Context, network, addr string) (*Listener, error) {
	d, err := place(ctx, network)
	if err != nil {
		return nil, err
	}
	where, err := resolveListen(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	fd, err := sysListen(where)
	if err != nil {
		return nil, err
	}
	l := &Listener{network: network}
	if err := l.sock.attach(d, fd, false); err != nil {
		return nil, err
	}
	l.local = sysLocalAddr(network, fd)
	return l, nil
}

// AcceptConn waits for the next connection. It is on the dispatcher of the listener,
// whichever task accepts it.
//
// If ctx ends first the error is ctx.Err() inside, and no connection is lost. An error
// that is net.ErrClosed says that there will be none any more; after
// any other, such as EMFILE when the process has too many descriptors, the listener
// goes on and connections wait in the system.
func (l *Listener) AcceptConn(ctx context.Context) (*Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, l.wrap("accept", park.Failed(err))
	}
	return l.accept(ctx)
}

// Accept is AcceptConn for package net. In a task it ends when that is canceled.
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.accept(ownCtx)
	if err != nil {
		return nil, err // a nil interface
	}
	return c, nil
}

func (l *Listener) accept(ctx context.Context) (*Conn, error) {
	x := newExtra()
	defer x.free()
	x.sys.Kind = poll.OpAccept
	o := op{verb: accepting, x: x}
	if err := l.sock.rd.call(ctx, &o); err != nil {
		return nil, l.wrap("accept", err)
	}
	sysAccepted(o.n)
	c, err := newConn(l.sock.d, o.n, l.network, false)
	if err != nil {
		return nil, l.wrap("accept", err)
	}
	c.local, c.remote = sysLocalAddr(l.network, o.n), netAddr(l.network, &x.sys.Addr)
	return c, nil
}

// Close stops listening. Calls that wait fail with net.ErrClosed, and so do all to come, a second
// Close among them. Connections that were accepted stay; those that wait in the
// system to be are reset by it.
func (l *Listener) Close() error { return l.wrap("close", l.sock.close()) }

// Addr returns the address that is listened on, a *net.TCPAddr, after Close too.
func (l *Listener) Addr() net.Addr { return l.local }

// SetDeadline sets the time, on the clock of the dispatcher, at which calls that accept fail with
// os.ErrDeadlineExceeded, those that wait already among them. The zero Time is none.
func (l *Listener) SetDeadline(t time.Time) error { return l.wrap("set", l.sock.rd.setDeadline(t)) }

func (l *Listener) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return &net.OpError{Op: op, Net: l.network, Addr: l.local, Err: inside(err)}
}
