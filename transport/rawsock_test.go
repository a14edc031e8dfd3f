//go:build unix

package transport_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/transport"
)

// Calls that wait are served in the order they came in, in each direction.
func TestSocketServesInOrder(t *testing.T) {
	everyWay(t, func(w *world) {
		everyKind(w, 0, func(name string, domain, typ int) {
			a, b := w.sockets(domain, typ)
			var order []byte
			var tasks []*core.Task
			for i := range 6 {
				tasks = append(tasks, w.start(func(context.Context) error {
					buf := make([]byte, 1)
					var n int
					var err error
					if i%2 == 0 {
						n, err = b.RecvInto(w.ctx, buf)
					} else {
						n, _, err = b.RecvFromInto(w.ctx, buf)
					}
					if n != 1 || buf[0] != byte(i) {
						w.Errorf("%s: call %d got %d bytes, %d: %v", name, i, n, buf[0], err)
					}
					return err
				}))
				w.socketWaits(b, i+1, 0)
			}
			for i := range 6 {
				order = append(order, byte(i))
				if typ != transport.Stream || i%3 == 2 {
					if _, err := a.Send(w.ctx, order); err != nil {
						w.Fatal(err)
					}
					order = order[:0]
				}
			}
			w.join(tasks...)
		})
		l, at := w.listeningSocket(transport.IPv4, transport.Stream)
		var accepts []*core.Task
		from := make([]dispatch.Addr, 4)
		for i := range from {
			accepts = append(accepts, w.start(func(context.Context) error {
				s, a, err := l.AcceptAddr(w.ctx)
				if err == nil {
					s.Close()
				}
				from[i] = a
				return err
			}))
			w.socketWaits(l, i+1, 0)
		}
		for i := range from {
			c := w.newSock(transport.IPv4, transport.Stream)
			if err := c.Connect(w.ctx, at); err != nil {
				w.Fatal(err)
			}
			w.join(accepts[i])
			if from[i] != w.localOf(c) {
				w.Errorf("call %d accepted %v, want %v", i, from[i], w.localOf(c))
			}
		}
	})
}

// Close ends each call that waits, and each that comes later.
func TestSocketCloseDuringCalls(t *testing.T) {
	everyWay(t, func(w *world) {
		everyKind(w, 0, func(name string, domain, typ int) {
			a, _ := w.sockets(domain, typ)
			buf := make([]byte, 10)
			calls := []struct {
				op string
				fn func() error
			}{
				{"recv", func() error { _, err := a.Recv(w.ctx, 10); return err }},
				{"recv", func() error { _, err := a.RecvInto(w.ctx, buf, transport.Peek); return err }},
				{"recvfrom", func() error { _, _, err := a.RecvFromInto(w.ctx, buf); return err }},
				{"accept", func() error { _, err := a.Accept(w.ctx); return err }},
				{"send", func() error { _, err := a.Send(w.ctx, lots); return err }},
			}
			var tasks []*core.Task
			for i, c := range calls {
				if i == 3 || i == 4 && typ != transport.Stream {
					continue // it would not wait
				}
				in, out := a.Waiting()
				tasks = append(tasks, w.start(func(context.Context) error {
					w.isOpError(c.fn(), c.op, net.ErrClosed)
					return nil
				}))
				w.until(func() bool { i, o := a.Waiting(); return i+o == in+out+1 })
			}
			if err := a.Close(); err != nil {
				w.Fatal(name, err)
			}
			w.join(tasks...)
			for _, c := range calls {
				w.isOpError(c.fn(), c.op, net.ErrClosed)
			}
			to := fresh(w, domain)
			w.isOpError(a.Connect(w.ctx, to), "connect", net.ErrClosed)
			w.isOpError(a.Bind(to), "bind", net.ErrClosed)
			w.isOpError(a.Listen(0), "listen", net.ErrClosed)
			w.isOpError(a.Shutdown(transport.ShutBoth), "shutdown", net.ErrClosed)
			w.isOpError(a.SetReuseAddr(true), "set", net.ErrClosed)
			w.isOpError(a.Close(), "close", net.ErrClosed)
			_, err := a.LocalAddr()
			w.isOpError(err, "getsockname", net.ErrClosed)
			_, err = a.PeerAddr()
			w.isOpError(err, "getpeername", net.ErrClosed)
			_, err = a.Option(unix.SOL_SOCKET, unix.SO_TYPE)
			w.isOpError(err, "get", net.ErrClosed)
			_, err = a.SyscallConn()
			w.isOpError(err, "control", net.ErrClosed)
			_, err = a.Conn()
			if network := a.Network(); network != "socket" {
				w.isOpError(err, "convert", net.ErrClosed)
			}
		})
	})
}

// A socket that nothing was done with closes, too.
func TestSocketCloseFresh(t *testing.T) {
	everyWay(t, func(w *world) {
		s, err := transport.NewSocket(w.on, transport.IPv4, transport.Stream, 0)
		if err != nil {
			w.Fatal(err)
		}
		if err := s.Close(); err != nil {
			w.Error(err)
		}
		_, err = s.Recv(w.ctx, 1)
		w.isOpError(err, "recv", net.ErrClosed)
		w.isOpError(s.Close(), "close", net.ErrClosed)
	})
}

// A call whose ctx has ended does nothing, though it could.
func TestSocketDoneContext(t *testing.T) {
	everyWay(t, func(w *world) {
		ctx, cancel := context.WithCancel(w.ctx)
		cancel()
		a, b := w.sockets(transport.IPv4, transport.Stream)
		l, at := w.listeningSocket(transport.IPv4, transport.Stream)
		c := w.newSock(transport.IPv4, transport.Stream)
		u, ut := w.boundSocket(transport.IPv4, transport.Datagram)
		w.isOpError(c.Connect(ctx, at), "connect", context.Canceled)
		if err := c.Connect(w.ctx, at); err != nil {
			w.Fatal(err)
		}
		w.sends(a, "hello")
		_, err := b.Recv(ctx, 5)
		w.isOpError(err, "recv", context.Canceled)
		_, err = b.RecvInto(ctx, nil)
		w.isOpError(err, "recv", context.Canceled)
		_, _, err = b.RecvFromInto(ctx, make([]byte, 5))
		w.isOpError(err, "recvfrom", context.Canceled)
		_, err = b.Send(ctx, []byte("no"))
		w.isOpError(err, "send", context.Canceled)
		_, err = u.SendTo(ctx, []byte("no"), ut)
		w.isOpError(err, "sendto", context.Canceled)
		_, err = l.Accept(ctx)
		w.isOpError(err, "accept", context.Canceled)
		_, err = transport.NewSocket(ctx, transport.IPv4, transport.Stream, 0)
		w.isOpError(err, "socket", context.Canceled)
		_, err = transport.DialSocket(ctx, "tcp", at.IP.String())
		w.isOpError(err, "dial", context.Canceled)
		_, err = transport.SocketFromFD(ctx, dispatch.FD(a.FD()))
		w.isOpError(err, "socket", context.Canceled)
		w.receives(b, "hello")
		s, err := l.Accept(w.ctx)
		if err != nil {
			w.Fatal(err)
		}
		s.Close()
	})
	_, err := transport.NewSocket(t.Context(), transport.IPv4, transport.Stream, 0)
	if !errors.Is(err, transport.ErrNoDispatcher) {
		t.Errorf("without a dispatcher: %v", err)
	}
}

// A Recv that waits while the socket connects gets what comes in then, and a failure is
// told to Connect.
func TestSocketRecvWhileConnecting(t *testing.T) {
	everyWay(t, func(w *world) {
		for _, listens := range []bool{true, false} {
			l, at := w.listeningSocket(transport.IPv4, transport.Stream)
			if !listens {
				l.Close()
			}
			s := w.newSock(transport.IPv4, transport.Stream)
			c := w.start(func(context.Context) error { return s.Connect(w.ctx, at) })
			var got []byte
			r := w.start(func(context.Context) (err error) { got, err = s.Recv(w.ctx, 10); return err })
			send := w.start(func(context.Context) error { _, err := s.Send(w.ctx, []byte("first")); return err })
			if !listens {
				w.isOpError(c.Wait(w.ctx), "connect", refused)
				if err := r.Wait(w.ctx); err == nil || errors.Is(err, refused) {
					w.Errorf("Recv = %q, %v", got, err)
				}
				_ = send.Wait(w.ctx)
				continue
			}
			w.join(c)
			peer, err := l.Accept(w.ctx)
			if err != nil {
				w.Fatal(err)
			}
			defer peer.Close()
			w.sends(peer, "hello")
			for _, t := range []*core.Task{r, send} {
				// Goroutines may have come before Connect had begun.
				if err := t.Wait(w.ctx); err != nil && !errors.Is(err, syscall.ENOTCONN) && !errors.Is(err, epipe) {
					w.Error(err)
				} else if err == nil && t == r && string(got) != "hello" {
					w.Errorf("Recv = %q", got)
				}
			}
		}
	})
}

// A Connect that is canceled ends at once, and the socket closes.
func TestSocketConnectCanceled(t *testing.T) {
	everyWay(t, func(w *world) {
		// A full backlog, which is not accepted from, lets a further connection wait.
		l, at := w.boundSocket(transport.IPv4, transport.Stream)
		if err := l.Listen(1); err != nil {
			w.Fatal(err)
		}
		for range 20 {
			ctx, cancel := context.WithCancel(w.ctx)
			s := w.newSock(transport.IPv4, transport.Stream)
			t := w.start(func(context.Context) error { return s.Connect(ctx, at) })
			pauses := 0
			w.until(func() bool { pauses++; return t.Finished() || pauses == 200 })
			cancel()
			err := t.Wait(w.ctx)
			if err == nil {
				continue
			}
			w.isOpError(err, "connect", context.Canceled)
			if _, err := s.Send(w.ctx, nil); err != nil {
				w.Errorf("not open any more: %v", err)
			}
			if err := s.Close(); err != nil {
				w.Error(err)
			}
			return
		}
		w.Log("no Connect had to wait")
	})
}

// A message that its buffer has no room for is cut off, and that is told.
func TestSocketTruncated(t *testing.T) {
	everyWay(t, func(w *world) {
		everyKind(w, 0, func(name string, domain, typ int) {
			if typ == transport.Stream {
				return
			}
			a, b := w.sockets(domain, typ)
			for _, peek := range []transport.SocketFlag{transport.Peek, 0} {
				for _, size := range []int{0, 3} {
					w.sends(a, "hello")
					buf := make([]byte, size)
					n, err := b.RecvInto(w.ctx, buf, peek)
					w.isOpError(err, "recv", dispatch.ErrTruncated)
					if n != size || string(buf) != "hello"[:size] {
						w.Errorf("%s: %d bytes, %q", name, n, buf)
					}
					if peek != 0 {
						w.receives(b, "hello")
					}
				}
			}
			w.sends(a, "all of it")
			w.receives(b, "all of it")
		})
	})
}

// A shut direction is the end there, and the other one goes on.
func TestSocketShutdown(t *testing.T) {
	everyWay(t, func(w *world) {
		everyKind(w, transport.Stream, func(name string, domain, typ int) {
			a, b := w.sockets(domain, typ)
			waits := w.start(func(context.Context) error { _, err := b.Recv(w.ctx, 1); return err })
			w.socketWaits(b, 1, 0)
			if err := a.Shutdown(transport.ShutWrite); err != nil {
				w.Fatal(err)
			}
			if err := waits.Wait(w.ctx); err != io.EOF {
				w.Errorf("%s: %v", name, err)
			}
			_, err := a.Send(w.ctx, []byte("x"))
			w.isOpError(err, "send", epipe)
			w.sends(b, "back")
			w.receives(a, "back")
			waits = w.start(func(context.Context) error { _, err := a.Recv(w.ctx, 1); return err })
			w.socketWaits(a, 1, 0)
			if err := a.Shutdown(transport.ShutRead); err != nil {
				w.Fatal(err)
			}
			if err := waits.Wait(w.ctx); err != io.EOF {
				w.Errorf("%s: %v", name, err)
			}
		})
		s := w.newSock(transport.IPv4, transport.Stream)
		_, err := s.Recv(w.ctx, 1)
		w.isOpError(err, "recv", syscall.ENOTCONN)
		_, err = s.Accept(w.ctx)
		w.isOpError(err, "accept", syscall.EINVAL)
		w.isOpError(s.Shutdown(transport.ShutBoth), "shutdown", syscall.ENOTCONN)
	})
}

// A socket that was made elsewhere is as good, whatever was done to it.
func TestSocketFromFD(t *testing.T) {
	everyWay(t, func(w *world) {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			w.Fatal(err)
		}
		var ends [2]*transport.Socket
		for i, fd := range pair {
			if ends[i], err = transport.SocketFromFD(w.on, dispatch.FD(fd)); err != nil {
				w.Fatal(err)
			}
			defer ends[i].Close()
			if s := ends[i]; s.Domain() != transport.Unix || s.Type() != transport.Stream {
				w.Errorf("domain %d, type %d", s.Domain(), s.Type())
			}
		}
		r := w.start(func(context.Context) error { w.receives(ends[0], "hello"); return nil })
		w.socketWaits(ends[0], 1, 0)
		w.sends(ends[1], "hello")
		w.join(r)

		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			w.Fatal(err)
		}
		l, err := transport.SocketFromFD(w.on, dispatch.FD(fd))
		if err != nil {
			w.Fatal(err)
		}
		defer l.Close()
		if err := errors.Join(l.Bind(loopback), l.Listen(1)); err != nil {
			w.Fatal(err)
		}
		ctx, cancel := context.WithCancel(w.ctx)
		a := w.start(func(context.Context) error { _, err := l.Accept(ctx); return err })
		w.socketWaits(l, 1, 0)
		cancel()
		w.isOpError(a.Wait(w.ctx), "accept", context.Canceled)

		f, err := os.Open(os.DevNull)
		if err != nil {
			w.Fatal(err)
		}
		defer f.Close()
		_, err = transport.SocketFromFD(w.on, dispatch.FD(f.Fd()))
		w.isOpError(err, "socket", syscall.ENOTSOCK)
	})
}

// An IPv6 socket may serve IPv4 as well, and the addresses are in their short form.
func TestSocketDualStack(t *testing.T) {
	everyWay(t, func(w *world) {
		s, err := transport.NewSocket(w.on, transport.IPv6, transport.Datagram, syscall.IPPROTO_UDP)
		if err == nil {
			err = s.SetV6Only(false)
		}
		if err == nil {
			err = s.Bind(dispatch.Addr{IP: netip.MustParseAddrPort("[::]:0")})
		}
		if err != nil {
			w.Logf("no IPv6 for both: %v", err)
			return
		}
		defer s.Close()
		u, ut := w.boundSocket(transport.IPv4, transport.Datagram)
		to := dispatch.Addr{IP: netip.AddrPortFrom(ut.IP.Addr(), w.localOf(s).IP.Port())}
		if _, err := u.SendTo(w.ctx, []byte("hello"), to); err != nil {
			w.Fatal(err)
		}
		buf := make([]byte, 10)
		n, from, err := s.RecvFromInto(w.ctx, buf)
		if string(buf[:n]) != "hello" || from != ut || err != nil {
			w.Fatalf("%q from %v, %v, want %v", buf[:n], from, err, ut)
		}
		if _, err := s.SendTo(w.ctx, []byte("back"), from); err != nil {
			w.Fatal(err)
		}
		w.receives(u, "back")
		if err := s.Connect(w.ctx, from); err != nil {
			w.Fatal(err)
		}
		if peer, err := s.PeerAddr(); peer != ut || err != nil {
			w.Errorf("PeerAddr = %v, %v, want %v", peer, err, ut)
		}
		bound := w.newSock(transport.IPv6, transport.Stream)
		if err := errors.Join(bound.SetV6Only(false), bound.Bind(loopback)); err != nil {
			w.Errorf("bound to an IPv4 address: %v", err)
		}
		if at := w.localOf(bound); !at.IP.Addr().Is4() {
			w.Errorf("bound to %v", at)
		}
	})
}

// Nothing but the call holds the buffer: what comes in after a cancel goes to the next one.
func TestSocketCanceledBuffer(t *testing.T) {
	everyWay(t, func(w *world) {
		everyKind(w, 0, func(name string, domain, typ int) {
			a, b := w.sockets(domain, typ)
			buf, other := make([]byte, 5), make([]byte, 5)
			ctx, cancel := context.WithCancel(w.ctx)
			r := w.start(func(context.Context) error { _, err := b.RecvInto(ctx, buf); return err })
			w.socketWaits(b, 1, 0)
			next := w.start(func(context.Context) error { _, err := b.RecvInto(w.ctx, other); return err })
			w.socketWaits(b, 2, 0)
			cancel()
			w.isOpError(r.Wait(w.ctx), "recv", context.Canceled)
			w.sends(a, "hello")
			w.join(next)
			if !bytes.Equal(buf, make([]byte, 5)) || string(other) != "hello" {
				w.Errorf("%s: %q, %q", name, buf, other)
			}
		})
	})
}
