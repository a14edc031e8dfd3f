package transport

import (
	"net"
	"net/netip"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// NewConn returns the connection of a descriptor.
func NewConn(d *dispatch.Dispatcher, fd int, network string) (*Conn, error) {
	c, err := newConn(d, fd, network, false)
	if err == nil {
		c.learn(nil, nil)
	}
	return c, err
}

// NewPacketConn returns the socket of a descriptor.
func NewPacketConn(d *dispatch.Dispatcher, fd int, network string) (*PacketConn, error) {
	return newPacketConn(d, fd, network)
}

// Waiting returns how many calls that receive and that send wait.
func (c *PacketConn) Waiting() (receiving, sending int) { return c.c.Waiting() }

// TryWrite writes what goes without waiting.
func (c *Conn) TryWrite(p []byte) (int, error) { return c.tryWrite(p) }

// FD returns the descriptor.
func (c *PacketConn) FD() int { return c.c.sock.fd }

// Form returns the address in the form in which the system gets it.
func (c *PacketConn) Form(to netip.AddrPort) netip.AddrPort {
	var a poll.SockAddr
	_ = c.addressIP(&a, to)
	form, _ := a.IP()
	return form
}

// RemoteOf returns what a connection to the address to has for its peer, if the system tells none of fd.
func RemoteOf(fd int, network string, to netip.AddrPort) net.Addr {
	c := &Conn{network: network}
	c.sock.fd = fd
	var a poll.SockAddr
	_ = a.SetIP(to)
	c.learnPeer(&a)
	return c.RemoteAddr()
}

// Primed reports whether Read still looks for what was received before c was a Conn.
func (c *Conn) Primed() bool {
	return c.sock.odd.Load() || c.sock.ahead != nil && c.sock.ahead.left != nil
}
