package transport

import (
	"context"
	"net"
	"syscall"
	"time"

	"github.com/seed-1e54c410/turnstile/internal/park"
	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// Listener accepts connections of TCP or of a Unix socket. It is made by [Listen] and
// [ListenConfig.Listen]; the zero value is of no use. It is a [net.Listener], and safe for
// concurrent use by tasks of any dispatcher and by goroutines; calls of Accept are
// served in order of arrival.
type Listener struct {
	sock      sock
	network   string
	local     net.Addr
	keepAlive net.KeepAliveConfig
	file      socketFile
}

// AcceptConn waits for the next connection. It is on the dispatcher of the listener,
// whichever task accepts it.
//
// A connection that has ended before it could be accepted is passed over. If ctx ends first the
// error is ctx.Err() inside, and no connection is lost. An error
// that is net.ErrClosed says that there will be none any more, and so does dispatch.ErrClosed.
// After any other the listener goes on: if Temporary is true the process or the system
// has too few descriptors or too little memory (EMFILE, ENFILE, ENOBUFS, ENOMEM) or does not allow the
// connection (EPERM), and connections wait in the system meanwhile. The next call is likely to fail in the same way,
// so a loop that goes on sleeps a little between such errors, by core.Sleep.
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
	fd, err := l.acceptFD(ctx, x)
	if err != nil {
		return nil, err
	}
	c, err := newConn(l.sock.d, fd, l.network, false)
	if err != nil {
		return nil, l.wrap("accept", passing(err))
	}
	c.learn(nil, &x.sys.Addr)
	return c, nil
}

// acceptFD waits for the next connection, as a descriptor whose peer's address is left in x.
func (l *Listener) acceptFD(ctx context.Context, x *extra) (int, error) {
	x.sys.Kind = poll.OpAccept
	o := op{verb: accepting, x: x}
	if err := l.sock.rd.call(ctx, &o); err != nil {
		return -1, l.wrap("accept", passing(err))
	}
	if l.network[0] == 't' {
		sysAccepted(o.n, l.keepAlive)
	}
	return o.n, nil
}

// passing makes an error Temporary, after which the listener goes on, if it is one. Those of
// descriptors are so by themselves.
func passing(err error) error {
	if sysPassing(err) {
		return temporary{err}
	}
	return err
}

// temporary is an error that may not come again.
type temporary struct{ error }

func (e temporary) Unwrap() error { return e.error }

// Temporary is what servers in the way of net/http ask.
func (temporary) Temporary() bool { return true }

// Timeout is asked together with Temporary.
func (temporary) Timeout() bool { return false }

// Close stops listening, and removes the file of a Unix socket, see [Listener.SetUnlinkOnClose]. Calls
// that wait fail with net.ErrClosed, and so do all to come, a second
// Close among them. Connections that were accepted stay; those that wait in the
// system to be are reset by it.
func (l *Listener) Close() error {
	l.file.remove()
	return l.wrap("close", l.sock.close())
}

// SetUnlinkOnClose says whether Close removes the file of the Unix socket, which it does unless it says
// otherwise. A file that is no longer the one that Listen has made is never removed. For other listeners it
// does nothing.
func (l *Listener) SetUnlinkOnClose(unlink bool) { l.file.keep(!unlink) }

// Addr returns the address that is listened on, a *net.TCPAddr or *net.UnixAddr, after Close too.
func (l *Listener) Addr() net.Addr { return l.local }

// SetDeadline sets the time, on the clock of the dispatcher, at which calls that accept fail with
// os.ErrDeadlineExceeded, those that wait already among them. The zero Time is none.
func (l *Listener) SetDeadline(t time.Time) error { return l.wrap("set", l.sock.rd.setDeadline(t)) }

// SyscallConn returns the listener for system calls that this package does not make, as
// [Conn.SyscallConn] does. Its Read waits in line with the calls that accept, for a connection;
// Write is of no use.
func (l *Listener) SyscallConn() (syscall.RawConn, error) { return newRawConn(ownCtx, &l.sock, l.wrap) }

func (l *Listener) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return &net.OpError{Op: op, Net: l.network, Addr: l.local, Err: inside(err)}
}
