package transport

import (
	"context"
	"net"
	"net/netip"
	"syscall"
)

// PacketView is a [PacketConn] whose calls that receive or send also end with a ctx, with an error that
// is ctx.Err(). It is made by [PacketConn.With]. A call that ctx ends has taken no message away and
// sent none. A call does nothing if ctx has ended before it.
type PacketView interface {
	net.PacketConn
	net.Conn // of a socket that is connected

	// ReadFromAddrPort is [PacketConn.ReadFromAddrPort] with the ctx.
	ReadFromAddrPort(p []byte) (int, netip.AddrPort, error)
	// WriteToAddrPort is [PacketConn.WriteToAddrPort] with the ctx.
	WriteToAddrPort(p []byte, to netip.AddrPort) (int, error)
}

// With returns a view of the socket whose calls that receive or send also end with ctx, and so do Read and
// Write of what its SyscallConn returns. In a task ctx takes the place of the task's own: pass that, or one
// derived from it. Everything else, Close and the deadlines too, is that of the socket.
func (c *PacketConn) With(ctx context.Context) PacketView { return &packetView{c, ctx} }

// packetView is a PacketConn with a ctx, which every method that waits has to be told of.
type packetView struct {
	*PacketConn
	ctx context.Context
}

func (v *packetView) ReadFrom(p []byte) (int, net.Addr, error) { return v.readFrom(v.ctx, p) }

func (v *packetView) WriteTo(p []byte, to net.Addr) (int, error) { return v.writeTo(v.ctx, p, to) }

func (v *packetView) ReadFromAddrPort(p []byte) (int, netip.AddrPort, error) {
	return v.readFromAddrPort(v.ctx, p)
}

func (v *packetView) WriteToAddrPort(p []byte, to netip.AddrPort) (int, error) {
	return v.writeToAddrPort(v.ctx, p, to)
}

func (v *packetView) Read(p []byte) (int, error) { return (&view{&v.c, v.ctx}).Read(p) }

func (v *packetView) Write(p []byte) (int, error) { return (&view{&v.c, v.ctx}).Write(p) }

func (v *packetView) SyscallConn() (syscall.RawConn, error) {
	return newRawConn(v.ctx, &v.c.sock, v.wrap)
}
