//go:build unix

package transport_test

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/transport"
)

// boundFD returns the descriptor of a socket that is bound to a free address of a network of
// messages, which is removed in the end.
func (w *world) boundFD(network string) int {
	w.Helper()
	family := map[string]int{"udp": unix.AF_INET6, "udp4": unix.AF_INET, "udp6": unix.AF_INET6, "unixgram": unix.AF_UNIX}[network]
	fd, err := unix.Socket(family, unix.SOCK_DGRAM, 0)
	if err != nil {
		w.Fatal(err)
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		w.Fatal(err)
	}
	var sa unix.Sockaddr
	switch network {
	case "udp": // both families
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0); err != nil {
			w.Fatal(err)
		}
		sa = &unix.SockaddrInet6{}
	case "udp4":
		sa = &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	case "udp6":
		sa = &unix.SockaddrInet6{Addr: netip.IPv6Loopback().As16()}
	case "unixgram":
		sa = &unix.SockaddrUnix{Name: w.socketPath()}
	}
	if err := unix.Bind(fd, sa); err != nil {
		w.Fatal(err)
	}
	return fd
}

// socketPath returns the name of a Unix socket that is removed in the end. It is short: the system has
// room for about 100 bytes.
func (w *world) socketPath() string {
	dir, err := os.MkdirTemp("", "ts")
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// packets returns a socket for messages.
func (w *world) packets(network string) *transport.PacketConn {
	w.Helper()
	c, err := transport.NewPacketConn(w.d, w.boundFD(network), network)
	if err != nil {
		w.Fatal(err)
	}
	return c
}

// connected returns two sockets that are connected to each other.
func (w *world) connected(network string) (a, b *transport.Conn) {
	w.Helper()
	fds := [2]int{w.boundFD(network), w.boundFD(network)}
	for i, fd := range fds {
		sa, err := unix.Getsockname(fds[1-i])
		if err != nil {
			w.Fatal(err)
		}
		if err := unix.Connect(fd, sa); err != nil {
			w.Fatal(err)
		}
	}
	var conns [2]*transport.Conn
	for i, fd := range fds {
		var err error
		if conns[i], err = transport.NewConn(w.d, fd, network); err != nil {
			w.Fatal(err)
		}
	}
	return conns[0], conns[1]
}

// here returns the address at which this host reaches c.
func here(c *transport.PacketConn) net.Addr {
	if a, ok := c.LocalAddr().(*net.UDPAddr); ok && a.IP.IsUnspecified() {
		return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: a.Port}
	}
	return c.LocalAddr()
}

var packetNetworks = []string{"udp4", "udp6", "udp", "unixgram"}
