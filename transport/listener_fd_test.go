//go:build unix

package transport_test

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/transport"
)

// foreignFD returns a descriptor of a listener of package net, as one is passed by systemd: it blocks.
func (w *world) foreignFD(network, addr string) (fd int, at net.Addr) {
	w.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		w.Fatal(err)
	}
	defer l.Close()
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	f, err := l.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		w.Fatal(err)
	}
	defer f.Close()
	fd, err = unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0) // Fd has made it block
	if err != nil {
		w.Fatal(err)
	}
	return fd, l.Addr()
}

// A descriptor that listens is a listener as any other, and leaves the file of a Unix socket, which is not its.
func TestListenerFromFD(t *testing.T) {
	everyWay(t, func(w *world) {
		path := w.socketPath()
		for network, addr := range map[string]string{"tcp": "127.0.0.1:0", "unix": path} {
			fd, at := w.foreignFD(network, addr)
			l, err := transport.ListenerFromFD(w.on, dispatch.FD(fd))
			if err != nil {
				w.Fatal(err)
			}
			if l.Addr().String() != at.String() || l.Addr().Network() != network {
				w.Errorf("address %v, want %v", l.Addr(), at)
			}
			w.listens(l, network)
			if l.Close(); network == "unix" {
				if _, err := os.Lstat(path); err != nil {
					w.Errorf("the file is gone: %v", err)
				}
			}
		}
	})
}

// A socket that listens becomes a listener.
func TestSocketListener(t *testing.T) {
	everyWay(t, func(w *world) {
		for domain, network := range map[int]string{transport.IPv4: "tcp", transport.Unix: "unix"} {
			s, _ := w.listeningSocket(domain, transport.Stream)
			l, err := s.Listener()
			if err != nil {
				w.Fatal(err)
			}
			w.isOpError(s.Close(), "close", net.ErrClosed)
			w.listens(l, network)
			l.Close()
		}
		quiet, _ := w.boundSocket(transport.IPv4, transport.Stream)
		_, err := quiet.Listener()
		w.isOpError(err, "convert", syscall.EINVAL)
		datagrams, _ := w.boundSocket(transport.IPv4, transport.Datagram)
		_, err = datagrams.Listener()
		w.isOpError(err, "convert", errors.ErrUnsupported)
		if err := errors.Join(quiet.Listen(0), datagrams.Close(), quiet.Close()); err != nil {
			w.Errorf("after an error a Socket is as it was: %v", err)
		}
	})
}

// listens fails the test if l does not accept connections with the usual options.
func (w *world) listens(l *transport.Listener, network string) {
	w.Helper()
	var c *transport.Conn
	accepting := w.start(func(ctx context.Context) (err error) { c, err = l.AcceptConn(ctx); return err })
	w.until(func() bool { return l.Waiting() == 1 })
	peer, err := transport.Dial(w.on, network, l.Addr().String())
	if err != nil {
		w.Fatal(err)
	}
	defer peer.Close()
	if w.join(accepting); c == nil {
		return
	}
	defer c.Close()
	if _, err := peer.Write([]byte("x")); err != nil {
		w.Error(err)
	}
	if n, err := c.Read(make([]byte, 1)); n != 1 || err != nil {
		w.Errorf("Read = %d, %v", n, err)
	}
	if network == "tcp" {
		for name, o := range map[string][2]int{"TCP_NODELAY": {unix.IPPROTO_TCP, unix.TCP_NODELAY}, "SO_KEEPALIVE": {unix.SOL_SOCKET, unix.SO_KEEPALIVE}} {
			if on, err := unix.GetsockoptInt(c.FD(), o[0], o[1]); on == 0 || err != nil {
				w.Errorf("%s is %d, %v", name, on, err)
			}
		}
	}
}

// After an error the descriptor is the caller's, and blocks as before.
func TestListenerFromFDRefuses(t *testing.T) {
	everyWayOn(t, "", func(w *world) {
		fd, _ := w.foreignFD("tcp", "127.0.0.1:0")
		defer unix.Close(fd)
		canceled, cancel := context.WithCancel(w.on)
		cancel()
		pipe := make([]int, 2)
		if err := unix.Pipe(pipe); err != nil {
			w.Fatal(err)
		}
		defer unix.Close(pipe[0])
		defer unix.Close(pipe[1])
		quiet, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			w.Fatal(err)
		}
		defer unix.Close(quiet)
		datagrams, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
		if err != nil {
			w.Fatal(err)
		}
		defer unix.Close(datagrams)
		for _, c := range []struct {
			ctx  context.Context
			fd   int
			want error
		}{
			{canceled, fd, context.Canceled},
			{context.Background(), fd, transport.ErrNoDispatcher},
			{w.on, pipe[0], syscall.ENOTSOCK},
			{w.on, quiet, syscall.EINVAL},
			{w.on, datagrams, errors.ErrUnsupported},
		} {
			_, err := transport.ListenerFromFD(c.ctx, dispatch.FD(c.fd))
			w.isOpError(err, "listen", c.want)
			if flags, err := unix.FcntlInt(uintptr(c.fd), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK != 0 {
				w.Errorf("%v: flags %#x, %v", c.want, flags, err)
			}
		}
	})
}

// What SetTTL and SetBroadcast set is what the system has.
func TestPacketOptionValues(t *testing.T) {
	everyWayOn(t, "", func(w *world) {
		for _, network := range []string{"udp4", "udp6"} {
			p := w.packets(network)
			defer p.Close()
			if err := errors.Join(p.SetTTL(7), p.SetBroadcast(true)); err != nil {
				w.Fatal(err)
			}
			level, name := unix.IPPROTO_IP, unix.IP_TTL
			if network == "udp6" {
				level, name = unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS
			}
			hops, err := unix.GetsockoptInt(p.FD(), level, name)
			if hops != 7 || err != nil {
				w.Errorf("%s: %d hops, %v", network, hops, err)
			}
			on, err := unix.GetsockoptInt(p.FD(), unix.SOL_SOCKET, unix.SO_BROADCAST)
			if on == 0 || err != nil {
				w.Errorf("%s: broadcast %d, %v", network, on, err)
			}
			if err := p.SetBroadcast(false); err != nil {
				w.Error(err)
			}
			if on, err := unix.GetsockoptInt(p.FD(), unix.SOL_SOCKET, unix.SO_BROADCAST); on != 0 || err != nil {
				w.Errorf("%s: broadcast %d, %v", network, on, err)
			}
		}
		u := w.packets("unixgram")
		defer u.Close()
		w.isOpError(u.SetTTL(1), "set", errors.ErrUnsupported)
	})
}
