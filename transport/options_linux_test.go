package transport_test

import (
	"errors"
	"math"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/transport"
)

func TestSetOptions(t *testing.T) {
	everyWayOn(t, "", func(w *world) {
		a, b := w.pair()
		defer b.Close()
		get := func(level, name int) int {
			v, err := unix.GetsockoptInt(a.FD(), level, name)
			if err != nil {
				w.Fatal(err)
			}
			return v
		}
		must := func(err error) {
			w.Helper()
			if err != nil {
				w.Error(err)
			}
		}
		for _, on := range []bool{false, true} {
			must(a.SetNoDelay(on))
			if got := get(unix.IPPROTO_TCP, unix.TCP_NODELAY) != 0; got != on {
				w.Errorf("TCP_NODELAY is %v", got)
			}
		}
		must(a.SetReadBuffer(10000))
		must(a.SetWriteBuffer(20000))
		if r, wr := get(unix.SOL_SOCKET, unix.SO_RCVBUF), get(unix.SOL_SOCKET, unix.SO_SNDBUF); r != 20000 || wr != 40000 {
			w.Errorf("buffers of %d and %d bytes", r, wr)
		}
		for _, o := range []struct {
			config                    net.KeepAliveConfig
			on, idle, interval, count int
		}{
			{net.KeepAliveConfig{}, 0, 15, 15, 9},
			{net.KeepAliveConfig{Enable: true, Idle: 1500 * time.Millisecond, Interval: 3 * time.Second, Count: 4}, 1, 2, 3, 4},
			{net.KeepAliveConfig{Enable: true, Idle: -1, Interval: -1, Count: -1}, 1, 2, 3, 4},
			{net.KeepAliveConfig{Enable: true}, 1, 15, 15, 9},
		} {
			must(a.SetKeepAliveConfig(o.config))
			on := get(unix.SOL_SOCKET, unix.SO_KEEPALIVE)
			idle, interval, count := get(unix.IPPROTO_TCP, unix.TCP_KEEPIDLE), get(unix.IPPROTO_TCP, unix.TCP_KEEPINTVL), get(unix.IPPROTO_TCP, unix.TCP_KEEPCNT)
			if on != o.on || idle != o.idle || interval != o.interval || count != o.count {
				w.Errorf("%+v: %d %d %d %d", o.config, on, idle, interval, count)
			}
		}
		must(a.SetLinger(5))
		if l, err := unix.GetsockoptLinger(a.FD(), unix.SOL_SOCKET, unix.SO_LINGER); err != nil || l.Onoff == 0 || l.Linger != 5 {
			w.Errorf("linger %v, %v", l, err)
		}
		must(a.SetLinger(-1))
		if l, err := unix.GetsockoptLinger(a.FD(), unix.SOL_SOCKET, unix.SO_LINGER); err != nil || l.Onoff != 0 {
			w.Errorf("linger %v, %v", l, err)
		}
		must(a.SetLinger(0))
		a.Close()
		if _, err := b.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
			w.Errorf("Read = %v, want a reset", err)
		}
		w.isOpError(a.SetNoDelay(true), "set", net.ErrClosed)

		p := w.packets("udp4")
		must(p.SetReadBuffer(10000))
		must(p.SetWriteBuffer(10000))
		p.Close()
		w.isOpError(p.SetReadBuffer(1), "set", net.ErrClosed)
		c, d := w.connected("unixgram")
		defer c.Close()
		defer d.Close()
		if err := c.SetNoDelay(true); err == nil {
			w.Error("a socket that has no such option has taken it")
		}
	})
}

// No number becomes another one, where the system has fewer bits for it.
func TestSetHugeOptions(t *testing.T) {
	everyWayOn(t, "", func(w *world) {
		const huge = math.MaxInt/2 + 1 // its lower half is 0, where an int has 64 bits
		a, b := w.pair()
		defer b.Close()
		defer a.Close()
		if err := a.SetLinger(huge); err != nil {
			w.Error(err)
		}
		if l, err := unix.GetsockoptLinger(a.FD(), unix.SOL_SOCKET, unix.SO_LINGER); err != nil || l.Onoff == 0 || l.Linger == 0 {
			w.Errorf("linger %v, %v", l, err)
		}
		if err := a.SetLinger(-1); err != nil {
			w.Error(err)
		}
		s, err := transport.NewSocket(w.on, transport.IPv4, transport.Datagram, 0)
		if err != nil {
			w.Fatal(err)
		}
		defer s.Close()
		for name, set := range map[string]func(int) error{
			"Conn.SetReadBuffer":    a.SetReadBuffer,
			"Conn.SetWriteBuffer":   a.SetWriteBuffer,
			"Socket.SetReadBuffer":  s.SetReadBuffer,
			"Socket.SetWriteBuffer": s.SetWriteBuffer,
		} {
			fd, option := a.FD(), unix.SO_RCVBUF
			if strings.HasPrefix(name, "Socket") {
				fd = s.FD()
			}
			if strings.HasSuffix(name, "WriteBuffer") {
				option = unix.SO_SNDBUF
			}
			if err := set(huge); err != nil {
				w.Errorf("%s: %v", name, err)
			}
			if n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, option); err != nil || n < 50_000 {
				w.Errorf("%s: %d, %v", name, n, err)
			}
		}
		err = a.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: math.MaxInt64})
		w.isOpError(err, "set", unix.EINVAL)
	})
}
