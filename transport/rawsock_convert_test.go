//go:build unix

package transport_test

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/transport"
)

// Options that were set can be read, and those that the system does not have are errors.
func TestSocketOptions(t *testing.T) {
	everyWayOn(t, "", func(w *world) {
		s := w.newSock(transport.IPv4, transport.Stream)
		u := w.newSock(transport.IPv4, transport.Datagram)
		for _, o := range []struct {
			on          *transport.Socket
			set         func(*transport.Socket) error
			level, name int
			want        int
		}{
			{s, func(s *transport.Socket) error { return s.SetReuseAddr(true) }, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1},
			{s, func(s *transport.Socket) error { return s.SetReuseAddr(false) }, unix.SOL_SOCKET, unix.SO_REUSEADDR, 0},
			{s, func(s *transport.Socket) error { return s.SetKeepAlive(true) }, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			{s, func(s *transport.Socket) error { return s.SetNoDelay(true) }, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
			{s, func(s *transport.Socket) error { return s.SetTTL(7) }, unix.IPPROTO_IP, unix.IP_TTL, 7},
			{u, func(s *transport.Socket) error { return s.SetBroadcast(true) }, unix.SOL_SOCKET, unix.SO_BROADCAST, 1},
			{u, func(s *transport.Socket) error {
				return s.SetOption(unix.SOL_SOCKET, unix.SO_BROADCAST, 0)
			}, unix.SOL_SOCKET, unix.SO_BROADCAST, 0},
		} {
			err := o.set(o.on)
			got, e := o.on.Option(o.level, o.name)
			if got != o.want && (got == 0) != (o.want == 0) || err != nil || e != nil {
				w.Errorf("option %d/%d is %d, %v, %v, want %d", o.level, o.name, got, err, e, o.want)
			}
		}
		for _, o := range []struct {
			set  func(int) error
			name int
		}{{u.SetReadBuffer, unix.SO_RCVBUF}, {u.SetWriteBuffer, unix.SO_SNDBUF}} {
			if err := o.set(64 << 10); err != nil {
				w.Error(err)
			}
			if got, err := u.Option(unix.SOL_SOCKET, o.name); got < 64<<10 || err != nil {
				w.Errorf("buffer of %d, %v", got, err)
			}
		}
		if err := u.SetReusePort(true); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			w.Error(err)
		} else if err == nil {
			other := w.newSock(transport.IPv4, transport.Datagram)
			if err := errors.Join(other.SetReusePort(true), u.Bind(loopback), other.Bind(w.localOf(u))); err != nil {
				w.Errorf("two sockets of one address: %v", err)
			}
		}
		w.isOpError(u.SetOption(unix.SOL_SOCKET, 0xffff, 1), "set", syscall.ENOPROTOOPT)
		if kind, err := s.Option(unix.SOL_SOCKET, unix.SO_TYPE); kind != transport.Stream || err != nil {
			w.Errorf("type %d, %v", kind, err)
		}
	})
}

// A socket that lingers for 0 s resets its connection when it is closed.
func TestSocketLinger(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.sockets(transport.IPv4, transport.Stream)
		if err := errors.Join(a.SetLinger(5), a.SetLinger(-1), a.SetLinger(0), a.Close()); err != nil {
			w.Fatal(err)
		}
		_, err := b.Recv(w.ctx, 1)
		w.isOpError(err, "recv", econnreset)
	})
}

// A socket goes on as a Conn: nothing that has come in is lost.
func TestSocketConn(t *testing.T) {
	everyWay(t, func(w *world) {
		everyKind(w, 0, func(name string, domain, typ int) {
			a, b := w.sockets(domain, typ)
			w.sends(a, "hello")
			if typ == transport.Stream {
				if got, err := b.Recv(w.ctx, 2); string(got) != "he" || err != nil {
					w.Fatal(name, got, err)
				}
			} else {
				w.sends(a, "llo")
				w.receives(b, "hello")
			}
			r := w.start(func(context.Context) error { _, err := a.Recv(w.ctx, 1); return err })
			w.socketWaits(a, 1, 0)
			c, err := b.Conn()
			if err != nil {
				w.Fatal(name, err)
			}
			defer c.Close()
			w.isOpError(b.Close(), "close", net.ErrClosed)
			buf := make([]byte, 10)
			if n, err := c.Read(buf); string(buf[:n]) != "llo" || err != nil {
				w.Fatalf("%s: Read = %q, %v", name, buf[:n], err)
			}
			if addr := c.RemoteAddr(); addr == nil || addr.Network() != a.Network() {
				w.Errorf("%s: RemoteAddr = %v", name, addr)
			}
			if _, err := c.Write([]byte("x")); err != nil {
				w.Error(err)
			}
			w.join(r)
			r = w.start(func(context.Context) error { _, err := a.Recv(w.ctx, 1); return err })
			w.socketWaits(a, 1, 0)
			other, err := a.Conn()
			if err != nil {
				w.Fatal(name, err)
			}
			defer other.Close()
			w.isOpError(r.Wait(w.ctx), "recv", net.ErrClosed)
			read := w.start(func(context.Context) error { _, err := other.Read(buf); return err })
			w.readWaits(other, 1)
			if _, err := c.Write([]byte("y")); err != nil {
				w.Error(err)
			}
			w.join(read)
		})
		s := w.newSock(transport.IPv4, transport.Stream)
		_, err := s.Conn()
		w.isOpError(err, "convert", syscall.ENOTCONN)
		if _, err := s.LocalAddr(); err != nil {
			w.Errorf("the socket is closed: %v", err)
		}
		_, err = s.PacketConn()
		w.isOpError(err, "convert", errors.ErrUnsupported)
	})
}

// A reset that a call of the Socket was told of is not the end for the Conn.
func TestSocketConnReset(t *testing.T) {
	everyWay(t, func(w *world) {
		everyKind(w, 0, func(name string, domain, typ int) {
			if typ == transport.Datagram {
				return
			}
			a, b := w.sockets(domain, typ)
			w.sends(a, "not read") // so its close is a reset, of a Unix socket too
			if err := errors.Join(b.SetLinger(0), b.Close()); err != nil {
				w.Fatal(err)
			}
			_, err := a.Recv(w.ctx, 1)
			w.isOpError(err, "recv", econnreset)
			if c, err := a.Conn(); err == nil {
				defer c.Close()
				_, err = c.Read(make([]byte, 1))
				w.isOpError(err, "read", econnreset)
			} else {
				w.isOpError(err, "convert", syscall.ENOTCONN) // TCP has no peer any more
			}
		})
	})
}

// A connection for messages that its peer breaks is never taken for one that has ended, as for a stream.
func TestPacketReset(t *testing.T) {
	everyWay(t, func(w *world) {
		everyKind(w, syscall.SOCK_SEQPACKET, func(name string, domain, typ int) {
			for _, told := range []string{"read", "write"} {
				a, b := w.sockets(domain, typ)
				c, err := a.Conn()
				if err != nil {
					w.Fatal(err)
				}
				defer c.Close()
				if _, err := c.Write([]byte("not read")); err != nil {
					w.Fatal(err)
				}
				b.Close()
				if told == "write" {
					_, err := c.Write([]byte("x"))
					w.isOpError(err, "write", econnreset)
				}
				for range 3 {
					_, err := c.Read(make([]byte, 1))
					w.isOpError(err, "read", econnreset)
				}
			}
		})
	})
}

func TestSocketPacketConn(t *testing.T) {
	everyWay(t, func(w *world) {
		everyKind(w, transport.Datagram, func(name string, domain, typ int) {
			a, at := w.boundSocket(domain, typ)
			b, bt := w.boundSocket(domain, typ)
			if _, err := a.SendTo(w.ctx, []byte("hello"), bt); err != nil {
				w.Fatal(err)
			}
			c, err := b.PacketConn()
			if err != nil {
				w.Fatal(name, err)
			}
			defer c.Close()
			buf := make([]byte, 10)
			n, from, err := c.ReadFrom(buf)
			if string(buf[:n]) != "hello" || err != nil {
				w.Fatalf("%s: %q, %v", name, buf[:n], err)
			}
			if _, err := c.WriteTo([]byte("back"), from); err != nil {
				w.Fatal(err)
			}
			w.receives(a, "back")
			if from.String() != at.IP.String() && from.String() != at.Unix {
				w.Errorf("%s: from %v, want %v", name, from, at)
			}
		})
	})
}

// System calls of others wait in line, on a socket that has not waited before, too.
func TestSocketSyscallConn(t *testing.T) {
	everyWay(t, func(w *world) {
		a, at := w.boundSocket(transport.IPv4, transport.Datagram)
		raw, err := a.SyscallConn()
		if err != nil {
			w.Fatal(err)
		}
		kind := 0
		err = raw.Control(func(fd uintptr) { kind, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TYPE) })
		if kind != transport.Datagram || err != nil {
			w.Errorf("type %d, %v", kind, err)
		}
		buf := make([]byte, 10)
		n := 0
		r := w.start(func(context.Context) error {
			return raw.Read(func(fd uintptr) bool {
				got, _, err := unix.Recvfrom(int(fd), buf, 0)
				n = got
				return err != unix.EAGAIN
			})
		})
		w.socketWaits(a, 1, 0)
		b := w.newSock(transport.IPv4, transport.Datagram)
		if _, err := b.SendTo(w.ctx, []byte("hello"), at); err != nil {
			w.Fatal(err)
		}
		w.join(r)
		if string(buf[:n]) != "hello" {
			w.Errorf("got %q", buf[:n])
		}
		err = raw.Write(func(fd uintptr) bool { return true })
		if err != nil {
			w.Error(err)
		}
		a.Close()
		w.isOpError(raw.Read(func(uintptr) bool { return true }), "raw-read", net.ErrClosed)
		w.isOpError(raw.Write(func(uintptr) bool { return true }), "raw-write", net.ErrClosed)
		w.isOpError(raw.Control(func(uintptr) {}), "raw-control", net.ErrClosed)
	})
}

// Calls of a RawConn may be the first that wait: the loop is told of the socket then.
func TestSocketSyscallConnFirst(t *testing.T) {
	everyWay(t, func(w *world) {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			w.Fatal(err)
		}
		defer unix.Close(fds[1])
		s, err := transport.SocketFromFD(w.on, dispatch.FD(fds[0]))
		if err != nil {
			w.Fatal(err)
		}
		defer s.Close()
		raw, err := s.SyscallConn()
		if err != nil {
			w.Fatal(err)
		}
		sent, buf := 0, make([]byte, 64<<10)
		fill := func(fd uintptr) (full bool) {
			for {
				n, err := unix.Write(int(fd), buf)
				if err != nil {
					return err == unix.EAGAIN
				}
				sent += n
			}
		}
		if err := raw.Control(func(fd uintptr) { fill(fd) }); err != nil {
			w.Fatal(err)
		}
		writer := w.start(func(context.Context) error {
			return raw.Write(func(fd uintptr) bool {
				_, err := unix.Write(int(fd), []byte{1})
				return err != unix.EAGAIN
			})
		})
		w.socketWaits(s, 0, 1)
		got := 0
		for got < sent { // to wait for that of the writer would stop a loop on this thread
			n, err := unix.Read(fds[1], buf)
			if n <= 0 || err != nil {
				w.Fatal(n, err)
			}
			got += n
		}
		w.join(writer)
	})
}

// Of several calls that convert a socket one gets it.
func TestConvertOnce(t *testing.T) {
	everyWayOn(t, "", func(w *world) {
		l := w.listen()
		defer l.Close()
		for range 300 {
			s, err := transport.DialSocket(w.on, "tcp", l.Addr().String())
			if err != nil {
				w.Fatal(err)
			}
			w.accepted(l)
			conns := make(chan *transport.Conn, 2)
			for range cap(conns) {
				go func() {
					c, err := s.Conn()
					if err != nil && !errors.Is(err, net.ErrClosed) {
						w.Error(err)
					}
					conns <- c
				}()
			}
			a, b := <-conns, <-conns
			if (a == nil) == (b == nil) {
				w.Fatalf("converted into %p and %p", a, b)
			}
			for _, c := range []*transport.Conn{a, b} {
				if c != nil {
					c.Close()
				}
			}
		}
	})
}
