package transport_test

import (
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/transport"
)

const (
	sharesOut     = true // SO_REUSEPORT shares out connections
	waitsWhenFull = true // a Unix socket without room says EAGAIN
)

// Abstract names make no files, and end with the socket.
func TestUnixAbstract(t *testing.T) {
	everyWay(t, func(w *world) {
		w.Chdir(w.TempDir())
		for _, name := range []string{"@" + strings.ReplaceAll(w.Name(), "/", ".") + ".socket", ""} {
			if name != "" { // a file of that name has nothing to do with it
				if err := os.WriteFile(name, nil, 0o600); err != nil {
					w.Fatal(err)
				}
			}
			l, err := transport.Listen(w.on, "unix", name)
			if err != nil {
				w.Fatal(err)
			}
			addr := l.Addr().String()
			if name != "" && addr != name || !strings.HasPrefix(addr, "@") {
				w.Errorf("listens on %q", addr)
			}
			c, err := transport.Dial(w.on, "unix", addr)
			if err != nil {
				w.Fatal(err)
			}
			if got := c.RemoteAddr().String(); got != addr {
				w.Errorf("connected to %q", got)
			}
			c.Close()
			l.Close()
			_, err = transport.Dial(w.on, "unix", addr)
			w.isOpError(err, "dial", unix.ECONNREFUSED)
			if name != "" {
				if _, err := os.Lstat(name); err != nil {
					w.Error(err)
				}
			}
		}
	})
}

// The options of a Dialer and a ListenConfig are those of its connections.
func TestKeepAliveConfig(t *testing.T) {
	everyWayOn(t, "", func(w *world) {
		for _, c := range []struct {
			config          net.KeepAliveConfig
			on, idle, count int
		}{
			{net.KeepAliveConfig{}, 1, 15, 9},
			{net.KeepAliveConfig{Enable: true, Idle: 1500 * ms, Count: 3}, 1, 2, 3},
			{net.KeepAliveConfig{Idle: -1}, 0, 0, 0},
		} {
			lc := transport.ListenConfig{KeepAlive: c.config}
			l, err := lc.Listen(w.on, "tcp", "127.0.0.1:0")
			if err != nil {
				w.Fatal(err)
			}
			d := transport.Dialer{KeepAlive: c.config}
			a, err := d.Dial(w.on, "tcp", l.Addr().String())
			if err != nil {
				w.Fatal(err)
			}
			b, err := l.AcceptConn(w.ctx)
			if err != nil {
				w.Fatal(err)
			}
			for _, conn := range []*transport.Conn{a, b} {
				on, _ := unix.GetsockoptInt(conn.FD(), unix.SOL_SOCKET, unix.SO_KEEPALIVE)
				idle, _ := unix.GetsockoptInt(conn.FD(), unix.IPPROTO_TCP, unix.TCP_KEEPIDLE)
				count, _ := unix.GetsockoptInt(conn.FD(), unix.IPPROTO_TCP, unix.TCP_KEEPCNT)
				if on != c.on || on != 0 && (idle != c.idle || count != c.count) {
					w.Errorf("%v: on %d, idle %d s, count %d", c.config, on, idle, count)
				}
				conn.Close()
			}
			l.Close()
		}
	})
}
