package transport

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"

	"github.com/seed-1e54c410/turnstile/internal/park"
	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// Message tells of a message that was received.
type Message struct {
	// N is how many bytes of it are in the buffer. A message may be empty.
	N int
	// Truncated is set if there was more of it than the buffer had room for. The rest is lost.
	Truncated bool
	// From is the address of the sender, with the name of the interface as its zone; an IPv4 address is
	// in its short form. It is invalid for a Unix socket.
	From netip.AddrPort
	// FromUnix is the name of the Unix socket of the sender, "" if it has none.
	FromUnix string
}

// receive receives one message. With kind OpRecvFrom, x.sys.Addr is who sent it.
func (c *Conn) receive(ctx context.Context, kind poll.OpKind, p []byte, x *extra) (n int, truncated bool, err error) {
	if ctx != ownCtx {
		if err := ctx.Err(); err != nil {
			return 0, false, park.Failed(err)
		}
	}
	x.sys.Kind, x.sys.Messages = kind, true
	o := op{verb: receiving, buf: p, x: x}
	err = c.sock.rd.call(ctx, &o)
	if err != nil && errors.Is(err, poll.ErrTruncated) {
		return o.n, true, nil
	}
	return o.n, false, err
}

// send sends one message, to x.sys.Addr with kind OpSendTo.
func (c *Conn) send(ctx context.Context, kind poll.OpKind, p []byte, x *extra) (int, error) {
	if ctx != ownCtx {
		if err := ctx.Err(); err != nil {
			return 0, park.Failed(err)
		}
	}
	x.sys.Kind, x.sys.Messages = kind, true
	o := op{verb: sending, buf: p, x: x}
	err := c.sock.wr.call(ctx, &o)
	return o.n, err
}

// ReadMessage receives one message, as Read does, and tells whether it was cut off. It waits for
// the message until ctx ends, or the deadline for reading passes; however it ends early, it has taken none
// away. It is for sockets of messages; others fail with an error that is errors.ErrUnsupported.
func (c *Conn) ReadMessage(ctx context.Context, p []byte) (Message, error) {
	if !c.sock.messages {
		err := errors.ErrUnsupported
		if c.sock.d == nil {
			err = syscall.EINVAL // the zero value
		}
		return Message{}, c.wrap("read", err)
	}
	x := newExtra()
	defer x.free()
	n, truncated, err := c.receive(ctx, poll.OpRecv, p, x)
	if err == nil {
		err = c.ending(n, p)
	}
	m := Message{N: n, Truncated: truncated, From: named(c.ends.remote)}
	if u, ok := c.RemoteAddr().(*net.UnixAddr); ok {
		m.FromUnix = u.Name
	}
	return m, c.wrap("read", err)
}

// readOther is Read for an empty p, for sockets of messages, and for what is read ahead.
func (c *Conn) readOther(ctx context.Context, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, c.wrap("read", c.sock.rd.do(func(int) error { return nil }))
	}
	if !c.sock.messages {
		return c.readAhead(ctx, p)
	}
	x := newExtra()
	defer x.free()
	n, _, err := c.receive(ctx, poll.OpRecv, p, x)
	if err == nil {
		err = c.ending(n, p)
	}
	return n, c.wrap("read", err)
}

// ending returns io.EOF where nothing was received and that means the end: the system tells a message of
// size 0 from the end of the connection nowhere.
func (c *Conn) ending(n int, p []byte) error {
	if n == 0 && len(p) > 0 && c.network == "unixpacket" {
		return c.sock.rd.do(func(int) error { return c.sock.rd.ending() })
	}
	return nil
}

// writeMessage is Write for sockets of messages.
func (c *Conn) writeMessage(ctx context.Context, p []byte) (int, error) {
	x := newExtra()
	defer x.free()
	n, err := c.send(ctx, poll.OpSend, p, x)
	return n, c.wrap("write", err)
}
