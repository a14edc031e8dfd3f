package transport

import (
	"io"
	"net"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// Conn is a connection: a stream of bytes over TCP or a Unix socket, or messages over a socket of
// datagrams that is connected (UDP, "unixgram") or a "unixpacket" socket. It is made by [Dial] or
// [Listener.AcceptConn]; the zero value is of no use. It is a [net.Conn], and safe
// for concurrent use by tasks of any dispatcher and by goroutines.
//
// Calls of Read are served one at a time in order of arrival, and so are calls of Write,
// whose bytes are never mixed. Reading and writing do not hinder each other.
//
// A call without a ctx ends with its deadline, with Close and, in a task, with the cancel
// of that task; see [Conn.With] for calls with a ctx. However a call ends, the
// connection stays as usable as it was: a Read that was canceled has taken no byte.
//
// Of messages each Write sends one and each Read receives one: a message may be empty, which is 0 bytes
// and no error, and what p has no room for is lost, of which ReadMessage tells. Only with "unixpacket" 0
// bytes are the end, since there the system does not tell them from an empty message. See
// [PacketConn] for peers that refuse.
//
// Small writes are sent at once (TCP_NODELAY), and the system looks after a silent peer every 15 s,
// as package net does by default.
type Conn struct {
	sock    sock
	network string
	ends    ends
}

// newConn returns the connection of fd. With pending set a connect is under way. After an error fd is
// closed. The caller has its addresses learned before anybody else has it.
func newConn(d *dispatch.Dispatcher, fd int, network string, pending bool) (*Conn, error) {
	c := new(Conn)
	if err := c.open(d, fd, network, pending); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Conn) open(d *dispatch.Dispatcher, fd int, network string, pending bool) error {
	c.network = network
	switch network {
	case "tcp", "tcp4", "tcp6":
		c.sock.glued = true
	case "unix":
	default:
		c.sock.messages = true
		c.sock.odd.Store(true)
	}
	return c.sock.attach(d, fd, pending)
}

// learn finds out the addresses, once the socket is connected; what is nil is asked of the system.
func (c *Conn) learn(local, remote *poll.SockAddr) {
	if local == nil {
		a := sysLocal(c.sock.fd)
		local = &a
	}
	if remote == nil {
		a := sysPeer(c.sock.fd)
		remote = &a
	}
	c.ends.learn(c.network, local, remote)
}

// learnPeer is learn for a connection to the address to, which is that of the peer if the system tells none: the
// peer may have reset the connection already.
func (c *Conn) learnPeer(to *poll.SockAddr) {
	remote := sysPeer(c.sock.fd)
	_, isIP := remote.IP()
	if _, isUnix := remote.Unix(); !isIP && !isUnix {
		remote = *to
	}
	c.learn(nil, &remote)
}

// Read waits until there is something to read, and reads up to len(p) bytes. It returns io.EOF when
// the peer has closed its side and everything is read. A connection that was
// reset is an error, and never looks like its end, also if a Write was told first.
// With an empty p it returns at once. A ctx that was derived in the task does not end it:
// see [Conn.With].
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 || c.sock.odd.Load() {
		return c.readOther(ownCtx, p)
	}
	o := op{buf: p}
	err := c.sock.rd.call(ownCtx, &o)
	return o.n, c.wrap("read", err)
}

// Write waits until all of p is handed to the system. With an error it returns how
// many bytes were. A Write after the peer has reset the connection is an error. A ctx that was
// derived in the task does not end it: see [Conn.With].
func (c *Conn) Write(p []byte) (int, error) {
	if c.sock.messages {
		return c.writeMessage(ownCtx, p)
	}
	o := op{verb: writing, buf: p}
	err := c.sock.wr.call(ownCtx, &o)
	return o.n, c.wrap("write", err)
}

// Close closes the connection. Calls that wait fail with net.ErrClosed, and so do all
// to come, a second Close among them. Bytes that were written are still sent.
// It does not wait.
func (c *Conn) Close() error { return c.wrap("close", c.sock.close()) }

// CloseRead shuts the reading side: calls of Read return io.EOF when what has come is
// read.
func (c *Conn) CloseRead() error {
	return c.wrap("close", c.sock.rd.cut())
}

// CloseWrite shuts the writing side: the peer reads io.EOF behind what was written. A
// Write that waits, and all to come, fail.
func (c *Conn) CloseWrite() error {
	return c.wrap("close", c.sock.wr.cut())
}

// LocalAddr returns the local address, after Close too.
func (c *Conn) LocalAddr() net.Addr { return c.ends.show(c.network).local }

// RemoteAddr returns the address of the peer, after Close too.
func (c *Conn) RemoteAddr() net.Addr { return c.ends.show(c.network).remote }

// SetDeadline sets the time, on the clock of the dispatcher, at which calls of Read and Write fail
// with os.ErrDeadlineExceeded, those that wait already among them. The zero Time is
// none. Calls work again once a later deadline is set.
func (c *Conn) SetDeadline(t time.Time) error { return c.wrap("set", c.sock.setDeadline(t)) }

// SetReadDeadline is SetDeadline for Read alone.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.wrap("set", c.sock.rd.setDeadline(t)) }

// SetWriteDeadline is SetDeadline for Write alone. A Write that it ends may have
// written a part, and says how much.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.wrap("set", c.sock.wr.setDeadline(t)) }

func (c *Conn) wrap(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: c.network, Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: inside(err)}
}
