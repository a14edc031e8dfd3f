//go:build unix

package transport_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/transport"
)

func TestDial(t *testing.T) {
	everyWay(t, func(w *world) {
		l, err := transport.Listen(w.on, "tcp", ":0")
		if err != nil {
			w.Fatal(err)
		}
		defer l.Close()
		_, port, _ := net.SplitHostPort(l.Addr().String())
		for _, c := range []struct{ network, host string }{
			{"tcp", "127.0.0.1"},
			{"tcp", "localhost"},
			{"tcp4", "localhost"},
			{"tcp4", ""},
			{"tcp", ""},
			{"tcp", "0.0.0.0"},
			{"tcp", "[::ffff:127.0.0.1]"},
			{"tcp4", "[::ffff:127.0.0.1]"},
		} {
			c1, err := transport.Dial(w.on, c.network, c.host+":"+port)
			if err != nil {
				w.Errorf("%s %q: %v", c.network, c.host, err)
				continue
			}
			c2, err := l.AcceptConn(w.ctx)
			if err != nil {
				w.Fatal(err)
			}
			if c1.LocalAddr().String() != unmapped(c2.RemoteAddr()) {
				w.Errorf("%v is not %v", c1.LocalAddr(), c2.RemoteAddr())
			}
			c1.Close()
			c2.Close()
		}
	})
}

// A connection has the address of its peer also where that has reset it before the system was asked.
func TestDialReset(t *testing.T) {
	everyWayOn(t, "", func(w *world) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			w.Fatal(err)
		}
		to := netip.MustParseAddrPort(l.Addr().String())
		listening, err := l.(*net.TCPListener).SyscallConn() // which has no peer
		if err != nil {
			w.Fatal(err)
		}
		_ = listening.Control(func(fd uintptr) {
			if got := transport.RemoteOf(int(fd), "tcp", to); got == nil || got.String() != to.String() {
				w.Errorf("the peer is %v, want %v", got, to)
			}
		})
		over := make(chan struct{})
		go func() {
			defer close(over)
			for c, err := l.Accept(); err == nil; c, err = l.Accept() {
				_ = c.(*net.TCPConn).SetLinger(0)
				c.Close()
			}
		}()
		defer func() { <-over }()
		defer l.Close()
		for range check.Times(200, 20_000) {
			c, err := transport.Dial(w.on, "tcp", to.String())
			if err != nil {
				continue // it was reset even before
			}
			if got := c.RemoteAddr(); got == nil || got.String() != to.String() {
				w.Errorf("the peer is %v, want %v", got, to)
			}
			c.Close()
		}
	})
}

// unmapped is the address of an IPv4 peer as a socket for both families shows it.
func unmapped(a net.Addr) string {
	t := *a.(*net.TCPAddr)
	if v4 := t.IP.To4(); v4 != nil {
		t.IP = v4
	}
	return t.String()
}

func TestDialIPv6(t *testing.T) {
	if l, err := net.Listen("tcp6", "[::1]:0"); err != nil {
		t.Skip("the system has no IPv6: ", err)
	} else {
		l.Close()
	}
	everyWayOn(t, "", func(w *world) {
		l, err := transport.Listen(w.on, "tcp6", "[::1]:0")
		if err != nil {
			w.Fatal(err)
		}
		defer l.Close()
		for _, network := range []string{"tcp", "tcp6"} {
			c, err := transport.Dial(w.on, network, l.Addr().String())
			if err != nil {
				w.Fatal(err)
			}
			c.Close()
		}
		_, err = transport.Dial(w.on, "tcp4", l.Addr().String())
		if _, ok := errors.AsType[*net.AddrError](err); !ok {
			w.Errorf("tcp4 to an IPv6 address: %v", err)
		}
	})
}

func TestDialRefused(t *testing.T) {
	everyWay(t, func(w *world) {
		l := w.listen()
		addr := l.Addr().String()
		l.Close()
		_, err := transport.Dial(w.on, "tcp", addr)
		if oe := w.isOpError(err, "dial", refused); oe.Addr.String() != addr || oe.Net != "tcp" {
			w.Error(err)
		}
	})
}

func TestDialErrors(t *testing.T) {
	everyWayOn(t, "", func(w *world) {
		done, cancel := context.WithCancel(w.on)
		cancel()
		for _, c := range []struct {
			ctx           context.Context
			network, addr string
			want          string
		}{
			{w.on, "ip", "127.0.0.1:1", "unknown network ip"},
			{w.on, "tcp", "127.0.0.1", "missing port"},
			{w.on, "tcp", "127.0.0.1:65536", "invalid port"},
			{w.on, "tcp", "127.0.0.1:-1", "invalid port"},
			{w.on, "tcp6", "127.0.0.1:1", "no suitable address"},
			{context.Background(), "tcp", "127.0.0.1:1", transport.ErrNoDispatcher.Error()},
			{done, "tcp", "127.0.0.1:1", context.Canceled.Error()},
		} {
			if c, err := transport.Dial(c.ctx, c.network, c.addr); err == nil {
				c.Close()
			}
			_, err := transport.Dial(c.ctx, c.network, c.addr)
			if oe, ok := err.(*net.OpError); !ok || oe.Op != "dial" || !strings.Contains(err.Error(), c.want) {
				w.Errorf("Dial(%q, %q) = %v, want %s", c.network, c.addr, err, c.want)
			}
			_, err = transport.Listen(c.ctx, c.network, c.addr)
			if oe, ok := err.(*net.OpError); !ok || oe.Op != "listen" || !strings.Contains(err.Error(), c.want) {
				w.Errorf("Listen(%q, %q) = %v, want %s", c.network, c.addr, err, c.want)
			}
		}
	})
}

// An attempt that hangs is given up with its ctx, or its task.
func TestDialCanceled(t *testing.T) {
	everyWay(t, func(w *world) {
		addr, end := deaf(w.T)
		defer end()
		ctx, cancel := context.WithTimeout(w.on, 2*time.Millisecond)
		defer cancel()
		_, err := transport.Dial(ctx, "tcp", addr)
		w.isOpError(err, "dial", context.DeadlineExceeded)

		began := make(chan struct{})
		task := w.start(func(ctx context.Context) error {
			close(began)
			_, err := transport.Dial(core.On(ctx, w.d), "tcp", addr)
			return err
		})
		w.until(func() bool {
			select {
			case <-began:
				return true
			default:
				return false
			}
		})
		task.Cancel()
		if err := task.Wait(w.ctx); !errors.Is(err, context.Canceled) {
			w.Error(err)
		}
	})
}

// deaf returns an address that does not answer: the system takes no more connections for it.
func deaf(t *testing.T) (addr string, end func()) { return deafOn(t, "127.0.0.1") }

func deafOn(t *testing.T, host string) (addr string, end func()) {
	ip := netip.MustParseAddr(host)
	family, sa := syscall.AF_INET, syscall.Sockaddr(&syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	if ip.Is6() {
		family, sa = syscall.AF_INET6, &syscall.SockaddrInet6{Addr: ip.As16()}
	}
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Bind(fd, sa); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	if sa, err = syscall.Getsockname(fd); err != nil {
		t.Fatal(err)
	}
	var port int
	switch sa := sa.(type) {
	case *syscall.SockaddrInet4:
		port = sa.Port
	case *syscall.SockaddrInet6:
		port = sa.Port
	}
	addr = netip.AddrPortFrom(ip, uint16(port)).String()
	var fill []net.Conn
	for {
		c, err := net.DialTimeout("tcp", addr, 50*time.Millisecond)
		if err != nil {
			break
		}
		fill = append(fill, c)
	}
	return addr, func() {
		for _, c := range fill {
			c.Close()
		}
		syscall.Close(fd)
	}
}
