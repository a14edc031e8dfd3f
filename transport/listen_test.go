//go:build unix

package transport_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// Without a host, and on "[::]", a listener is there for both families; "tcp6" and an address are for one.
func TestListenBothFamilies(t *testing.T) {
	needs6(t)
	everyWayOn(t, "", func(w *world) {
		for _, c := range []struct {
			network, host string
			four, six     bool
		}{
			{"tcp", "", true, true},
			{"tcp", "[::]", true, true},
			{"tcp4", "", true, false},
			{"tcp", "0.0.0.0", true, false},
			{"tcp6", "", false, true},
			{"tcp6", "[::]", false, true},
			{"tcp", "[::1]", false, true},
		} {
			l, err := transport.Listen(w.on, c.network, c.host+":0")
			if err != nil {
				w.Fatal(err)
			}
			if net := l.Addr().Network(); net != "tcp" {
				w.Errorf("network %s", net)
			}
			for host, want := range map[string]bool{"127.0.0.1": c.four, "::1": c.six} {
				d, err := transport.Dial(w.on, "tcp", net.JoinHostPort(host, portOf(l.Addr())))
				if (err == nil) != want {
					w.Errorf("%s on %q, dialed at %s: %v", c.network, c.host, host, err)
				}
				if err != nil {
					continue
				}
				if from := w.accepted(l); from != d.LocalAddr().String() {
					w.Errorf("accepted from %s, not %v", from, d.LocalAddr())
				}
				d.Close()
			}
			l.Close()
		}
	})
}

func TestListenHostName(t *testing.T) {
	everyWay(t, func(w *world) {
		l, err := transport.Listen(w.on, "tcp", "localhost:0")
		if err != nil {
			w.Fatal(err)
		}
		if ip := l.Addr().(*net.TCPAddr).IP; !ip.Equal(net.IPv4(127, 0, 0, 1)) {
			w.Error(ip)
		}
		l.Close()
		_, err = transport.Listen(w.on, "tcp", "name.invalid:0")
		if oe, ok := err.(*net.OpError); !ok || oe.Addr.String() != "name.invalid:0" || oe.Addr.Network() != "tcp" {
			w.Error(err)
		}
	})
}

// Sockets that say so share a port, and each gets some of the connections where the system shares them out.
func TestListenReusePort(t *testing.T) {
	lc := transport.ListenConfig{ReusePort: true}
	everyWay(t, func(w *world) {
		first, err := lc.Listen(w.on, "tcp", "127.0.0.1:0")
		if errors.Is(err, errors.ErrUnsupported) {
			w.Skip("the system has no such option: ", err)
		}
		if err != nil {
			w.Fatal(err)
		}
		defer first.Close()
		addr := first.Addr().String()
		_, err = transport.Listen(w.on, "tcp", addr)
		w.isOpError(err, "listen", syscall.EADDRINUSE)
		second, err := lc.Listen(w.on, "tcp", addr)
		if err != nil {
			w.Fatal(err)
		}
		defer second.Close()
		const n = 64
		counts := [2]int{}
		var tasks []*core.Task
		for i, l := range []*transport.Listener{first, second} {
			tasks = append(tasks, w.start(func(ctx context.Context) error {
				for {
					c, err := l.AcceptConn(ctx)
					if err != nil {
						return nil
					}
					counts[i]++
					c.Close()
				}
			}))
		}
		for range n {
			c, err := transport.Dial(w.on, "tcp", addr)
			if err != nil {
				w.Fatal(err)
			}
			// The end says that the connection was accepted.
			if _, err := c.Read(make([]byte, 1)); err == nil {
				w.Error("read something")
			}
			c.Close()
		}
		first.Close()
		second.Close()
		w.join(tasks...)
		if counts[0]+counts[1] != n || sharesOut && (counts[0] == 0 || counts[1] == 0) {
			w.Errorf("accepted %v of %d", counts, n)
		}

		p, err := lc.ListenPacket(w.on, "udp", "127.0.0.1:0")
		if err != nil {
			w.Fatal(err)
		}
		defer p.Close()
		q, err := lc.ListenPacket(w.on, "udp", p.LocalAddr().String())
		if err != nil {
			w.Fatal(err)
		}
		q.Close()
		_, err = lc.Listen(w.on, "unix", w.TempDir()+"/socket")
		w.isOpError(err, "listen", errors.ErrUnsupported)
	})
}

func TestListenPacketReuseAddr(t *testing.T) {
	everyWayOn(t, "", func(w *world) {
		lc := transport.ListenConfig{ReuseAddr: true}
		p, err := lc.ListenPacket(w.on, "udp4", ":0")
		if err != nil {
			w.Fatal(err)
		}
		defer p.Close()
		// Of systems other than Linux some want the other option, too.
		v := 0
		raw, err := p.SyscallConn()
		if err != nil {
			w.Fatal(err)
		}
		_ = raw.Control(func(fd uintptr) { v, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR) })
		if v == 0 || err != nil {
			w.Errorf("SO_REUSEADDR is %d, %v", v, err)
		}
	})
}

func TestListenPacket(t *testing.T) {
	everyWay(t, func(w *world) {
		p, err := transport.ListenPacket(w.on, "udp", ":0")
		if err != nil {
			w.Fatal(err)
		}
		defer p.Close()
		for _, host := range []string{"127.0.0.1", "localhost", ""} {
			c, err := transport.Dial(w.on, "udp4", host+":"+portOf(p.LocalAddr()))
			if err != nil {
				w.Fatal(err)
			}
			if _, err := c.Write([]byte("hello")); err != nil {
				w.Fatal(err)
			}
			buf := make([]byte, 10)
			n, from, err := p.ReadFrom(buf)
			if err != nil || string(buf[:n]) != "hello" || from.String() != c.LocalAddr().String() {
				w.Errorf("got %q from %v, want it from %v; %v", buf[:n], from, c.LocalAddr(), err)
			}
			if _, err := p.WriteTo([]byte("you"), from); err != nil {
				w.Fatal(err)
			}
			if n, err := c.Read(buf); err != nil || string(buf[:n]) != "you" {
				w.Errorf("got %q, %v", buf[:n], err)
			}
			c.Close()
		}
		for network, listen := range map[string]func() error{
			"udp": func() error { _, err := transport.Listen(w.on, "udp", ":0"); return err },
			"tcp": func() error { _, err := transport.ListenPacket(w.on, "tcp", ":0"); return err },
		} {
			err := listen()
			if _, ok := errors.AsType[net.UnknownNetworkError](err); !ok {
				w.Errorf("%s: %v", network, err)
			}
		}
	})
}

func TestListenControl(t *testing.T) {
	everyWayOn(t, "", func(w *world) {
		var seen []string
		var result error
		lc := transport.ListenConfig{Control: func(_ context.Context, network, addr string, c syscall.RawConn) error {
			seen = append(seen, network+" "+addr)
			err := c.Control(func(fd uintptr) {
				_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 40000)
			})
			return errors.Join(err, result)
		}}
		l, err := lc.Listen(w.on, "tcp4", "127.0.0.1:0")
		if err != nil {
			w.Fatal(err)
		}
		raw, err := l.SyscallConn()
		if err != nil {
			w.Fatal(err)
		}
		v := 0
		err = raw.Control(func(fd uintptr) { v, _ = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF) })
		if v < 40000 || v > 100000 || err != nil {
			w.Errorf("what the hook has set is %d, %v", v, err)
		}
		l.Close()
		if err := raw.Control(func(uintptr) {}); !errors.Is(err, net.ErrClosed) {
			w.Error(err)
		}
		if _, err := l.SyscallConn(); !errors.Is(err, net.ErrClosed) {
			w.Error(err)
		}

		p, err := lc.ListenPacket(w.on, "udp", "127.0.0.1:0")
		if err != nil {
			w.Fatal(err)
		}
		p.Close()
		name := w.TempDir() + "/socket"
		u, err := lc.Listen(w.on, "unix", name)
		if err != nil {
			w.Fatal(err)
		}
		u.Close()
		if got := strings.Join(seen, ", "); got != "tcp4 127.0.0.1:0, udp4 127.0.0.1:0, unix "+name {
			w.Error(got)
		}

		// An error that looks like one of the system does not make it try the other family.
		seen, result = nil, os.NewSyscallError("setsockopt", syscall.EAFNOSUPPORT)
		before := openFDs()
		_, err = lc.Listen(w.on, "tcp", ":0")
		w.isOpError(err, "listen", result)
		if len(seen) != 1 {
			w.Errorf("called for %q", seen)
		}
		if n := openFDs(); n != before {
			w.Errorf("%d descriptors more", n-before)
		}
	})
}

// The Read of a raw listener waits for a connection.
func TestListenerSyscallConn(t *testing.T) {
	everyWay(t, func(w *world) {
		l := w.listen()
		defer l.Close()
		raw, err := l.SyscallConn()
		if err != nil {
			w.Fatal(err)
		}
		fd := -1
		task := w.start(func(context.Context) error {
			return raw.Read(func(s uintptr) bool {
				var err error
				fd, _, err = syscall.Accept(int(s))
				return err == nil
			})
		})
		w.until(func() bool { return l.Waiting() == 1 })
		c, err := transport.Dial(w.on, "tcp", l.Addr().String())
		if err != nil {
			w.Fatal(err)
		}
		defer c.Close()
		w.join(task)
		syscall.Close(fd)
		task = w.start(func(context.Context) error {
			return raw.Read(func(uintptr) bool { return false })
		})
		w.until(func() bool { return l.Waiting() == 1 })
		l.Close()
		w.isOpError(task.Wait(w.ctx), "raw-read", net.ErrClosed)
	})
}

// A connection that its peer has reset before it is accepted does no harm.
func TestAcceptAborted(t *testing.T) {
	everyWay(t, func(w *world) {
		l := w.listen()
		defer l.Close()
		for range 3 {
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				w.Fatal(err)
			}
			c.(*net.TCPConn).SetLinger(0) // a reset
			c.Close()
		}
		last, err := transport.Dial(w.on, "tcp", l.Addr().String())
		if err != nil {
			w.Fatal(err)
		}
		defer last.Close()
		for w.accepted(l) != last.LocalAddr().String() { // some systems show those that are gone
		}
	})
}

// The errors of accept after which a listener goes on are Temporary, and no timeouts.
func TestAcceptTemporary(t *testing.T) {
	for err, want := range map[syscall.Errno]bool{
		syscall.EMFILE: true, syscall.ENFILE: true, syscall.ENOBUFS: true, syscall.ENOMEM: true, syscall.EPERM: true,
		syscall.EINVAL: false, syscall.EBADF: false,
	} {
		got := &net.OpError{Op: "accept", Err: transport.Passing(fmt.Errorf("%w", err))}
		if err == syscall.EMFILE || err == syscall.ENFILE { // by themselves
			got.Err = transport.Passing(err)
		}
		if got.Temporary() != want || got.Timeout() || !errors.Is(got, err) {
			t.Errorf("%v: temporary %v, timeout %v", got, got.Temporary(), got.Timeout())
		}
	}
}
