//go:build unix

package transport_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/transport"
)

// TestSeeds1_3 has a test for each thing that asyncdispatch says of its calls on sockets, done
// right where that is wrong.
func TestSeeds1_3(t *testing.T) {
	for _, s := range []struct {
		row string
		fn  func(w *world)
	}{
		{"createAsyncNativeSocket: not blocking, not inherited", seedCreate},
		{"createAsyncNativeSocket: a failure is an error", seedCreateFails},
		{"connect: an address that refuses", seedConnectRefused},
		{"connect: a domain that does not match is an error", seedConnectDomain},
		{"dial: every address is tried, nothing is left open", seedDial},
		{"accept and acceptAddr: the connection is ready for use", seedAccept},
		{"accept: a connection that was given up is no error", seedAcceptAborted},
		{"accept: the close of the listening socket fails it", seedAcceptClosed},
		{"recv, recvInto: one piece, then the end", seedRecv},
		{"recv with SafeDisconn: a reset is the end", seedSafeDisconn},
		{"recv without SafeDisconn: a reset is an error", seedReset},
		{"send: all bytes", seedSendAll},
		{"send: nothing is done at once", seedSendNothing},
		{"send: a peer that is gone is always an error", seedSendReset},
		{"send: several keep their order", seedSendOrder},
		{"sendTo: the address is copied, one datagram", seedSendTo},
		{"recvFromInto: one datagram with its size, also 0", seedRecvFrom},
		{"flag Peek", seedPeek},
	} {
		t.Run(s.row, func(t *testing.T) { everyWay(t, s.fn) })
	}
}

func seedCreate(w *world) {
	everyKind(w, 0, func(name string, domain, typ int) {
		s := w.newSock(domain, typ)
		flags, err := unix.FcntlInt(uintptr(s.FD()), unix.F_GETFL, 0)
		if err != nil || flags&unix.O_NONBLOCK == 0 {
			w.Errorf("%s: flags %x, %v", name, flags, err)
		}
		flags, err = unix.FcntlInt(uintptr(s.FD()), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC == 0 {
			w.Errorf("%s: descriptor flags %x, %v", name, flags, err)
		}
		if s.Domain() != domain || s.Type() != typ {
			w.Errorf("%s is of domain %d, type %d", name, s.Domain(), s.Type())
		}
	})
}

// BUG: there an invalid descriptor comes back, and no error.
func seedCreateFails(w *world) {
	s, err := transport.NewSocket(w.on, 12345, transport.Stream, 0)
	if oe := w.isOpError(err, "socket", syscall.EAFNOSUPPORT); s != nil || oe.Net != "socket" {
		w.Errorf("got %v, %v", s, err)
	}
	if _, err = transport.NewSocket(w.on, transport.IPv4, transport.Stream, 250); err == nil {
		w.Error("there is a protocol 250")
	}
}

func seedConnectRefused(w *world) {
	everyKind(w, transport.Stream, func(name string, domain, typ int) {
		l, at := w.listeningSocket(domain, typ)
		l.Close()
		s := w.newSock(domain, typ)
		err := s.Connect(w.ctx, at)
		if oe := w.isOpError(err, "connect", refused); oe.Addr == nil || oe.Addr.Network() != s.Network() {
			w.Errorf("%s: %v has the address %v", name, err, oe.Addr)
		}
	})
}

// BUG: there it is an assertion that fails.
func seedConnectDomain(w *world) {
	s := w.newSock(transport.IPv4, transport.Stream)
	err := s.Connect(w.ctx, dispatch.Addr{IP: netip.MustParseAddrPort("[::1]:1")})
	w.isOpError(err, "connect", syscall.EAFNOSUPPORT)
	err = s.Connect(w.ctx, dispatch.Addr{})
	w.isOpError(err, "connect", syscall.EINVAL)
}

// BUG: there the name is looked up by a call that blocks the loop.
func seedDial(w *world) {
	l, at := w.listeningSocket(transport.IPv4, transport.Stream)
	s, err := transport.DialSocket(w.on, "tcp", "localhost:"+strconv.Itoa(int(at.IP.Port())))
	if err != nil {
		w.Fatal(err)
	}
	defer s.Close()
	c, err := l.Accept(w.ctx)
	if err != nil {
		w.Fatal(err)
	}
	defer c.Close()
	w.sends(s, "hello")
	w.receives(c, "hello")
	w.sends(c, "hi")
	w.receives(s, "hi")
	l.Close()
	_, err = transport.DialSocket(w.on, "tcp", at.IP.String())
	w.isOpError(err, "dial", refused)
}

func seedAccept(w *world) {
	everyKind(w, transport.Stream, func(name string, domain, typ int) {
		l, at := w.listeningSocket(domain, typ)
		for waits := range 2 {
			c := w.newSock(domain, typ)
			var peer *transport.Socket
			var from dispatch.Addr
			accept := func(context.Context) (err error) {
				peer, from, err = l.AcceptAddr(w.ctx)
				return err
			}
			if waits == 1 {
				t := w.start(accept)
				w.socketWaits(l, 1, 0)
				if err := c.Connect(w.ctx, at); err != nil {
					w.Fatal(name, err)
				}
				w.join(t)
			} else if err := errors.Join(c.Connect(w.ctx, at), accept(w.ctx)); err != nil {
				w.Fatal(name, err)
			}
			if from != w.localOf(c) || peer.Domain() != domain || peer.Type() != typ {
				w.Errorf("%s: accepted %v of domain %d, type %d, want %v", name, from, peer.Domain(), peer.Type(), w.localOf(c))
			}
			w.sends(c, name)
			w.receives(peer, name)
			flags, err := unix.FcntlInt(uintptr(peer.FD()), unix.F_GETFD, 0)
			if err != nil || flags&unix.FD_CLOEXEC == 0 {
				w.Errorf("%s: descriptor flags %x, %v", name, flags, err)
			}
			peer.Close()
		}
	})
}

// A connection that was reset before it was accepted is passed over, or is there and tells.
func seedAcceptAborted(w *world) {
	l, at := w.listeningSocket(transport.IPv4, transport.Stream)
	gone := w.newSock(transport.IPv4, transport.Stream)
	if err := errors.Join(gone.Connect(w.ctx, at), gone.SetLinger(0), gone.Close()); err != nil {
		w.Fatal(err)
	}
	c := w.newSock(transport.IPv4, transport.Stream)
	if err := c.Connect(w.ctx, at); err != nil {
		w.Fatal(err)
	}
	w.sends(c, "hello")
	for {
		s, from, err := l.AcceptAddr(w.ctx)
		if err != nil {
			w.Fatal(err)
		}
		if from == w.localOf(c) {
			w.receives(s, "hello")
			s.Close()
			return
		}
		_, err = s.Recv(w.ctx, 1)
		w.isOpError(err, "recv", econnreset)
		s.Close()
	}
}

func seedAcceptClosed(w *world) {
	l, _ := w.listeningSocket(transport.IPv4, transport.Stream)
	var tasks []*core.Task
	for range 3 {
		tasks = append(tasks, w.start(func(context.Context) error { _, err := l.Accept(w.ctx); return err }))
	}
	w.socketWaits(l, 3, 0)
	if err := l.Close(); err != nil {
		w.Fatal(err)
	}
	for _, t := range tasks {
		w.isOpError(t.Wait(w.ctx), "accept", net.ErrClosed)
	}
}

func seedRecv(w *world) {
	everyKind(w, transport.Stream, func(name string, domain, typ int) {
		a, b := w.sockets(domain, typ)
		w.sends(a, "hello")
		buf := make([]byte, 3)
		if n, err := b.RecvInto(w.ctx, buf); n != 3 || err != nil || string(buf) != "hel" {
			w.Fatalf("%s: RecvInto = %d, %v, %q", name, n, err, buf)
		}
		w.receives(b, "lo")
		if got, err := b.Recv(w.ctx, 0); len(got) != 0 || err != nil {
			w.Fatalf("%s: Recv of nothing = %q, %v", name, got, err)
		}
		if err := a.Shutdown(transport.ShutWrite); err != nil {
			w.Fatal(err)
		}
		for range 2 {
			if got, err := b.Recv(w.ctx, 10); len(got) != 0 || err != io.EOF {
				w.Fatalf("%s: Recv = %q, %v, want the end", name, got, err)
			}
		}
		w.sends(b, "back")
		w.receives(a, "back")
	})
}

// reset returns a socket whose peer has reset the connection.
func (w *world) resetSocket() *transport.Socket {
	w.Helper()
	a, b := w.sockets(transport.IPv4, transport.Stream)
	if err := errors.Join(b.SetLinger(0), b.Close()); err != nil {
		w.Fatal(err)
	}
	return a
}

func seedSafeDisconn(w *world) {
	a := w.resetSocket()
	for range 2 {
		if got, err := a.Recv(w.ctx, 10, transport.SafeDisconn); len(got) != 0 || err != io.EOF {
			w.Fatalf("Recv = %q, %v", got, err)
		}
	}
	_, err := a.Recv(w.ctx, 10) // and it is remembered
	w.isOpError(err, "recv", econnreset)
	a.Close()
	_, err = a.Recv(w.ctx, 10, transport.SafeDisconn)
	w.isOpError(err, "recv", net.ErrClosed)
}

func seedReset(w *world) {
	for first := range 2 {
		a := w.resetSocket()
		for i := range 6 {
			flags := transport.SocketFlag((first + i) % 2) // Peek, every other time
			got, err := a.Recv(w.ctx, 10, flags)
			if len(got) != 0 {
				w.Fatal(got)
			}
			w.isOpError(err, "recv", econnreset)
		}
	}
	// A connection for messages knows a reset, too: its peer has not read all.
	everyKind(w, syscall.SOCK_SEQPACKET, func(name string, domain, typ int) {
		for first := range 2 {
			a, b := w.sockets(domain, typ)
			w.sends(a, "not read")
			b.Close()
			var err error
			if first == 0 {
				_, err = a.Recv(w.ctx, 10)
				w.isOpError(err, "recv", econnreset)
			} else {
				_, err = a.Send(w.ctx, []byte("x"))
				w.isOpError(err, "send", econnreset)
			}
			for i := range 4 {
				_, err = a.Recv(w.ctx, 10, transport.SocketFlag(i%2))
				w.isOpError(err, "recv", econnreset)
			}
		}
	})
}

func seedSendAll(w *world) {
	everyKind(w, transport.Stream, func(name string, domain, typ int) {
		a, b := w.sockets(domain, typ)
		// Else the system may make room for all of it.
		if err := errors.Join(a.SetWriteBuffer(64<<10), b.SetReadBuffer(64<<10)); err != nil {
			w.Fatal(err)
		}
		const size = 8 << 20
		t := w.start(func(context.Context) error {
			n, err := a.Send(w.ctx, lots[:size])
			if n != size {
				w.Errorf("%s: Send = %d", name, n)
			}
			return errors.Join(err, a.Shutdown(transport.ShutWrite))
		})
		w.socketWaits(a, 0, 1)
		total := 0
		for {
			got, err := b.Recv(w.ctx, 1<<20)
			if total += len(got); err != nil {
				if err != io.EOF || total != size {
					w.Errorf("%s: %d bytes, %v", name, total, err)
				}
				break
			}
		}
		w.join(t)
	})
}

func seedSendNothing(w *world) {
	a, _ := w.sockets(transport.IPv4, transport.Stream)
	ctx, cancel := context.WithCancel(w.ctx)
	t := w.start(func(context.Context) error { _, err := a.Send(ctx, lots); return err })
	w.socketWaits(a, 0, 1)
	if n, err := a.Send(w.ctx, nil); n != 0 || err != nil { // though another one waits
		w.Errorf("Send = %d, %v", n, err)
	}
	cancel()
	w.isOpError(t.Wait(w.ctx), "send", context.Canceled)
	_, err := a.Send(ctx, nil)
	w.isOpError(err, "send", context.Canceled)
	a.Close()
	_, err = a.Send(w.ctx, nil)
	w.isOpError(err, "send", net.ErrClosed)
}

// BUG: there a send that a reset has ended succeeds, and what was sent is lost.
func seedSendReset(w *world) {
	a := w.resetSocket()
	_, err := a.Recv(w.ctx, 1, transport.SafeDisconn)
	if err != io.EOF {
		w.Fatal(err)
	}
	for range 2 {
		n, err := a.Send(w.ctx, []byte("lost"))
		if n != 0 {
			w.Error(n)
		}
		w.isOpError(err, "send", epipe)
	}
	// A Send that waits.
	a, b := w.sockets(transport.IPv4, transport.Stream)
	t := w.start(func(context.Context) error {
		n, err := a.Send(w.ctx, lots)
		if n == len(lots) {
			w.Error("all was sent")
		}
		return err
	})
	w.socketWaits(a, 0, 1)
	if err := errors.Join(b.SetLinger(0), b.Close()); err != nil {
		w.Fatal(err)
	}
	w.isOpError(t.Wait(w.ctx), "send", econnreset)
	_, err = a.Recv(w.ctx, 1)
	w.isOpError(err, "recv", econnreset)
}

func seedSendOrder(w *world) {
	everyKind(w, transport.Stream, func(name string, domain, typ int) {
		a, b := w.sockets(domain, typ)
		// Else the system may make room for a few of them.
		if err := errors.Join(a.SetWriteBuffer(64<<10), b.SetReadBuffer(64<<10)); err != nil {
			w.Fatal(err)
		}
		const size = 4 << 20
		var tasks []*core.Task
		for i := range 4 {
			tasks = append(tasks, w.start(func(context.Context) error {
				_, err := a.Send(w.ctx, []byte(strings.Repeat(string(rune('a'+i)), size)))
				return err
			}))
			w.socketWaits(a, 0, i+1)
		}
		buf := make([]byte, 64<<10)
		for at := 0; at < 4*size; {
			n, err := b.RecvInto(w.ctx, buf)
			if err != nil {
				w.Fatal(err)
			}
			for _, c := range buf[:n] {
				if want := 'a' + byte(at/size); c != want {
					w.Fatalf("%s: byte %d is %c, want %c", name, at, c, want)
				}
				at++
			}
		}
		w.join(tasks...)
	})
}

func seedSendTo(w *world) {
	everyKind(w, transport.Datagram, func(name string, domain, typ int) {
		a, at := w.boundSocket(domain, typ)
		b, bt := w.boundSocket(domain, typ)
		to := bt
		if n, err := a.SendTo(w.ctx, []byte("hello"), to); n != 5 || err != nil {
			w.Fatalf("%s: SendTo = %d, %v", name, n, err)
		}
		to = dispatch.Addr{}
		buf := make([]byte, 10)
		n, from, err := b.RecvFromInto(w.ctx, buf)
		if string(buf[:n]) != "hello" || from != at || err != nil {
			w.Fatalf("%s: RecvFromInto = %q, %v, %v, want the address %v", name, buf[:n], from, err, at)
		}
		if _, err := b.SendTo(w.ctx, []byte("back"), from); err != nil {
			w.Fatal(name, err)
		}
		w.receives(a, "back")
		_, err = a.SendTo(w.ctx, []byte("nobody"), to)
		if domain != transport.Unix {
			w.isOpError(err, "sendto", syscall.EINVAL)
		} else if err == nil {
			w.Error("SendTo to nobody succeeded")
		}
	})
	s, _ := w.sockets(transport.IPv4, transport.Stream)
	_, err := s.SendTo(w.ctx, []byte("x"), loopback)
	w.isOpError(err, "sendto", syscall.EOPNOTSUPP)
}

func seedRecvFrom(w *world) {
	everyKind(w, transport.Datagram, func(name string, domain, typ int) {
		a, at := w.boundSocket(domain, typ)
		b, bt := w.boundSocket(domain, typ)
		sizes := []int{0, 1, 0, 0, 1000, 0}
		for _, connected := range []bool{false, true} {
			if connected {
				if err := errors.Join(a.Connect(w.ctx, bt), b.Connect(w.ctx, at)); err != nil {
					w.Fatal(name, err)
				}
			}
			receiver := w.start(func(context.Context) error {
				buf := make([]byte, 2000)
				for i, want := range sizes {
					n, from, err := b.RecvFromInto(w.ctx, buf)
					if n != want || from != at || err != nil {
						w.Errorf("%s: datagram %d: %d bytes from %v, %v", name, i, n, from, err)
					}
				}
				return nil
			})
			w.socketWaits(b, 1, 0)
			for _, n := range sizes {
				var err error
				if connected {
					n, err = a.Send(w.ctx, lots[:n])
				} else {
					n, err = a.SendTo(w.ctx, lots[:n], bt)
				}
				if err != nil {
					w.Fatal(name, n, err)
				}
			}
			w.join(receiver)
		}
	})
}

func seedPeek(w *world) {
	everyKind(w, 0, func(name string, domain, typ int) {
		a, b := w.sockets(domain, typ)
		buf := make([]byte, 10)
		peeks := w.start(func(context.Context) error {
			n, err := b.RecvInto(w.ctx, buf, transport.Peek)
			if string(buf[:n]) != "hello" {
				w.Errorf("%s: Peek = %q, %v", name, buf[:n], err)
			}
			return err
		})
		w.socketWaits(b, 1, 0)
		w.sends(a, "hello")
		w.join(peeks)
		n, from, err := b.RecvFromInto(w.ctx, buf, transport.Peek)
		if string(buf[:n]) != "hello" || err != nil {
			w.Fatalf("%s: Peek = %q, %v", name, buf[:n], err)
		}
		if typ == transport.Datagram && from != w.localOf(a) {
			w.Errorf("%s: Peek: from %v, want %v", name, from, w.localOf(a))
		}
		w.receives(b, "hello")
		if typ == transport.Datagram {
			return
		}
		a.Close()
		for range 2 {
			if n, err := b.RecvInto(w.ctx, buf, transport.Peek); n != 0 || err != io.EOF {
				w.Errorf("%s: Peek at the end = %d, %v", name, n, err)
			}
		}
	})
}
