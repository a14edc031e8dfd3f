package transport

import (
	"context"
	"errors"
	"io"
	"syscall"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// Recv is RecvInto for a new buffer of the given size, of which it returns what was received.
func (s *Socket) Recv(ctx context.Context, size int, flags ...SocketFlag) ([]byte, error) {
	if size < 0 {
		panic("transport: negative size")
	}
	if s.stream {
		size = min(size, maxChunk)
	}
	buf := make([]byte, size)
	n, err := s.RecvInto(ctx, buf, flags...)
	return buf[:n], err
}

// RecvInto waits for what comes in, and receives it into buf.
//
// Of a stream that is up to len(buf) bytes, and at least one: not all that buf has room for, if less
// has come in. At the end of the stream it returns io.EOF. A connection that was reset is an error, and
// never looks like its end, unless the flag [SafeDisconn] asks for that. With an empty buf it returns
// at once.
//
// Otherwise it is one message, which may have no bytes: n is 0 then, and the error nil. One that buf has no
// room for is cut off: the error is dispatch.ErrTruncated inside, n is len(buf), and the rest is
// lost. In connection mode (SOCK_SEQPACKET) the system does not tell a message of no bytes from the end, and
// both are io.EOF.
func (s *Socket) RecvInto(ctx context.Context, buf []byte, flags ...SocketFlag) (int, error) {
	n, _, err := s.receive(ctx, buf, false, flags)
	if err == io.EOF {
		return n, err
	}
	return n, s.wrap("recv", nil, err)
}

// RecvFromInto is RecvInto with the address that the message has come from, in the form of
// [Socket.LocalAddr]. It is none where the system tells none: of a stream, and of a Unix socket that is not bound.
func (s *Socket) RecvFromInto(ctx context.Context, buf []byte, flags ...SocketFlag) (int, dispatch.Addr, error) {
	n, from, err := s.receive(ctx, buf, true, flags)
	if err == io.EOF {
		return n, from, err
	}
	return n, from, s.wrap("recvfrom", nil, err)
}

// receive does what RecvInto and RecvFromInto do; the address is that of the sender if named is set.
func (s *Socket) receive(ctx context.Context, buf []byte, named bool, flags []SocketFlag) (n int, from dispatch.Addr, err error) {
	var all SocketFlag
	for _, f := range flags {
		all |= f
	}
	if err := s.enter(ctx); err != nil {
		return 0, from, err
	}
	switch {
	case s.stream && len(buf) == 0:
		return 0, from, s.sock.rd.do(func(int) error { return nil })
	case all&Peek != 0, s.packets, s.stream && !s.up.Load():
		n, from, err = s.look(ctx, buf, all&Peek != 0)
	case s.stream:
		o := op{buf: buf}
		err = s.sock.rd.call(ctx, &o)
		n = o.n
	default:
		n, from, err = s.message(ctx, buf, named)
	}
	if err != nil && all&SafeDisconn != 0 && sysReset(err) {
		err = io.EOF
	}
	return n, from, err
}

// message receives one message.
func (s *Socket) message(ctx context.Context, buf []byte, named bool) (n int, from dispatch.Addr, err error) {
	x := newExtra()
	defer x.free()
	x.sys.Kind, x.sys.Messages = poll.OpRecv, true
	if named {
		x.sys.Kind = poll.OpRecvFrom
	}
	o := op{verb: receiving, buf: buf, x: x}
	err = s.sock.rd.call(ctx, &o)
	if errors.Is(err, poll.ErrTruncated) {
		err = dispatch.ErrTruncated
	}
	if named && (err == nil || err == dispatch.ErrTruncated) {
		from = addrOf(&x.sys.Addr)
	}
	return o.n, from, err
}

// look receives, where it takes more than the verbs of a side do: it may leave what it receives, waits for
// calls of Connect to end, and knows the end of connections for messages.
func (s *Socket) look(ctx context.Context, buf []byte, peek bool) (n int, from dispatch.Addr, err error) {
	if s.stream {
		buf = buf[:min(len(buf), maxChunk)]
	}
	x := newExtra()
	defer x.free()
	rd := &s.sock.rd
	x.ask = func(fd int) (bool, error) { // with rd.mu held
		if s.connecting > 0 {
			return false, nil // a failure is for Connect to tell
		}
		got, whole, addr, err := sysReceive(fd, buf, peek)
		switch {
		case err == errAgain:
			return false, nil
		case err != nil:
			if sysLost(err) {
				rd.lost = err
			}
			return true, err
		case (s.stream || s.packets) && got == 0 && whole:
			return true, rd.ending()
		}
		if n = got; !s.stream {
			from = addrOf(&addr)
			if !whole {
				return true, dispatch.ErrTruncated
			}
		}
		return true, nil
	}
	err = rd.call(ctx, &op{verb: asking, x: x})
	return n, from, err
}

// Send sends data to the peer that the socket is connected to. Of a stream it waits until all of it is
// with the system, and calls that overlap do not mix their bytes; with an error it returns how
// many were. To send nothing is done at once. Otherwise it is one message, which goes as a whole or not at all.
//
// That the peer has gone is an error, syscall.EPIPE or syscall.ECONNRESET. No error does not mean that the
// peer has received anything, as always.
func (s *Socket) Send(ctx context.Context, data []byte) (int, error) {
	n, err := s.send(ctx, data)
	return n, s.wrap("send", nil, err)
}

func (s *Socket) send(ctx context.Context, data []byte) (int, error) {
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	wr := &s.sock.wr
	if s.stream {
		if len(data) == 0 {
			return 0, wr.do(func(int) error { return nil })
		}
		o := op{verb: writing, buf: data}
		err := wr.call(ctx, &o)
		return o.n, err
	}
	x := newExtra()
	defer x.free()
	x.sys.Kind = poll.OpSend
	o := op{verb: sending, buf: data, x: x}
	err := wr.call(ctx, &o)
	return o.n, err
}

// SendTo sends data to an address as one message, whole or not at all. To a Unix socket that has no room
// for it now it fails with syscall.EAGAIN, since the system does not tell when there is. A stream socket
// knows no messages: the error is syscall.EOPNOTSUPP.
func (s *Socket) SendTo(ctx context.Context, data []byte, to dispatch.Addr) (int, error) {
	n, err := s.sendTo(ctx, data, to)
	if err != nil {
		at := to
		err = s.wrap("sendto", &at, err)
	}
	return n, err
}

func (s *Socket) sendTo(ctx context.Context, data []byte, to dispatch.Addr) (int, error) {
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	if s.stream {
		return 0, syscall.EOPNOTSUPP
	}
	x := newExtra()
	defer x.free()
	var err error
	if x.sys.Addr, err = s.sysAddr(to); err != nil {
		return 0, err
	}
	x.sys.Kind = poll.OpSendTo
	o := op{verb: sending, buf: data, x: x}
	err = s.sock.wr.call(ctx, &o)
	return o.n, err
}
