//go:build unix

package transport_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// everyPacket runs a test on each kind of sockets for messages.
func everyPacket(t *testing.T, body func(w *world, network string)) {
	for _, network := range packetNetworks {
		t.Run(network, func(t *testing.T) { everyWay(t, func(w *world) { body(w, network) }) })
	}
}

// Messages come as they were sent, one for each call, with the address of the sender: also an empty
// one, and one that is cut off. (Seeds 1.3 sendTo and recvFromInto, 2.7 datagrams of size 0.)
func TestSeedsPackets(t *testing.T) {
	everyPacket(t, func(w *world, network string) {
		a, b := w.packets(network), w.packets(network)
		defer a.Close()
		defer b.Close()
		for _, size := range []int{5, 0, 1, 0, 0, 1000} {
			data := bytes.Repeat([]byte{byte(size + 1)}, size)
			if n, err := a.WriteTo(data, here(b)); n != size || err != nil {
				w.Fatalf("WriteTo(%d bytes) = %d, %v", size, n, err)
			}
			buf := make([]byte, 2000)
			n, from, err := b.ReadFrom(buf)
			if err != nil || !bytes.Equal(buf[:n], data) {
				w.Fatalf("ReadFrom = %d bytes, %v, want %d", n, err, size)
			}
			if from.Network() != a.LocalAddr().Network() {
				w.Errorf("from a network %q", from.Network())
			}
			if network != "udp" && from.String() != a.LocalAddr().String() {
				w.Errorf("from %v, want %v", from, a.LocalAddr())
			}
			// And back to where it came from.
			if _, err := b.WriteTo(data, from); err != nil {
				w.Fatal(err)
			}
			if n, _, err := a.ReadFrom(buf); n != size || err != nil {
				w.Fatalf("the answer: %d, %v", n, err)
			}
		}
	})
}

// What is longer than the buffer is cut off: ReadMessage tells of it, and nobody gets the rest.
func TestTruncated(t *testing.T) {
	everyPacket(t, func(w *world, network string) {
		a, b := w.packets(network), w.packets(network)
		defer a.Close()
		defer b.Close()
		for range 3 {
			if _, err := a.WriteTo([]byte("abcdef"), here(b)); err != nil {
				w.Fatal(err)
			}
		}
		if _, err := a.WriteTo([]byte("next"), here(b)); err != nil {
			w.Fatal(err)
		}
		buf := make([]byte, 4)
		m, err := b.ReadMessage(w.ctx, buf)
		if m.N != 4 || !m.Truncated || err != nil || string(buf) != "abcd" {
			w.Errorf("ReadMessage = %+v, %v", m, err)
		}
		if ap := here(a); network != "udp" && m.From.String() != ap.String() && m.FromUnix != ap.String() {
			w.Errorf("%+v, want it from %v", m, ap)
		}
		if n, _, err := b.ReadFrom(buf); n != 4 || err != nil {
			w.Errorf("ReadFrom = %d, %v", n, err)
		}
		if n, err := b.Read(buf); n != 4 || err != nil {
			w.Errorf("Read = %d, %v", n, err)
		}
		if m, err := b.ReadMessage(w.ctx, buf); m.N != 4 || m.Truncated || err != nil || string(buf) != "next" {
			w.Errorf("ReadMessage = %+v, %v", m, err)
		}
	})
}

// A connected socket carries messages by Read and Write: an empty one is neither an end nor an
// error, also one that comes while a Read waits.
func TestConnectedMessages(t *testing.T) {
	everyPacket(t, func(w *world, network string) {
		if network == "udp" {
			network = "udp6"
		}
		a, b := w.connected(network)
		defer a.Close()
		defer b.Close()
		if a.RemoteAddr().String() != b.LocalAddr().String() || a.LocalAddr().String() != b.RemoteAddr().String() {
			w.Errorf("%v-%v and %v-%v", a.LocalAddr(), a.RemoteAddr(), b.LocalAddr(), b.RemoteAddr())
		}
		for _, waits := range []bool{false, true} {
			for _, size := range []int{0, 3, 0} {
				var n int
				read := func(context.Context) (err error) { n, err = b.Read(make([]byte, 10)); return err }
				var reader *core.Task
				if waits {
					reader = w.start(read)
					w.readWaits(b, 1)
				}
				if n, err := a.Write(make([]byte, size)); n != size || err != nil {
					w.Fatalf("Write(%d bytes) = %d, %v", size, n, err)
				}
				if !waits {
					reader = w.start(read)
				}
				w.join(reader)
				if n != size {
					w.Errorf("Read = %d, want %d", n, size)
				}
			}
		}
		if _, err := a.Write([]byte("too long")); err != nil {
			w.Fatal(err)
		}
		m, err := b.ReadMessage(w.ctx, make([]byte, 3))
		if m.N != 3 || !m.Truncated || err != nil {
			w.Errorf("ReadMessage = %+v, %v", m, err)
		}
		if m.From.IsValid() && m.From.String() != a.LocalAddr().String() || !m.From.IsValid() && m.FromUnix != a.LocalAddr().String() {
			w.Errorf("from %v %q, want %v", m.From, m.FromUnix, a.LocalAddr())
		}
		if n, err := b.Read(nil); n != 0 || err != nil {
			w.Errorf("Read of nothing = %d, %v", n, err)
		}
	})
}

// A peer that is not there is an error of one call each time it is heard of, and the socket goes on.
func TestRefusedMessage(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.connected("udp4")
		defer a.Close()
		for range 3 {
			reader := w.start(func(context.Context) error { _, err := a.Read(make([]byte, 10)); return err })
			w.readWaits(a, 1)
			if b != nil {
				b.Close()
				b = nil
			}
			if _, err := a.Write([]byte("x")); err != nil {
				w.Fatal(err)
			}
			w.isOpError(reader.Wait(w.ctx), "read", unix.ECONNREFUSED)
		}
		comesBack(w, a)
	})
}

// Where nobody receives a call that sends hears of it, and the socket goes on.
func TestRefusedMessageIsToldToAWrite(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.connected("udp4")
		defer a.Close()
		b.Close()
		for range 3 {
			w.until(func() bool {
				_, err := a.Write([]byte("x"))
				if err != nil {
					w.isOpError(err, "write", unix.ECONNREFUSED)
				}
				return err != nil
			})
		}
		comesBack(w, a)
	})
}

// comesBack has somebody at the address of the peer of a, who is gone, send to it.
func comesBack(w *world, a *transport.Conn) {
	w.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		w.Fatal(err)
	}
	defer unix.Close(fd)
	at := a.RemoteAddr().(*net.UDPAddr)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: at.Port, Addr: [4]byte(at.IP.To4())}); err != nil {
		w.Fatal(err)
	}
	me := a.LocalAddr().(*net.UDPAddr)
	if err := unix.Sendto(fd, []byte("back"), 0, &unix.SockaddrInet4{Port: me.Port, Addr: [4]byte(me.IP.To4())}); err != nil {
		w.Fatal(err)
	}
	buf := make([]byte, 10)
	n, err := a.Read(buf)
	if errors.Is(err, unix.ECONNREFUSED) { // for the last message
		n, err = a.Read(buf)
	}
	if string(buf[:n]) != "back" || err != nil {
		w.Errorf("Read = %q, %v", buf[:n], err)
	}
}

// An address that does not fit the socket is an error, and nothing is sent.
func TestPacketAddress(t *testing.T) {
	everyWayOn(t, "", func(w *world) {
		v4, v6, both, gram := w.packets("udp4"), w.packets("udp6"), w.packets("udp"), w.packets("unixgram")
		for _, c := range []*transport.PacketConn{v4, v6, both, gram} {
			defer c.Close()
			_, err := c.WriteTo([]byte("x"), &net.TCPAddr{})
			w.isOpError(err, "write", syscall.EINVAL)
			_, err = c.WriteTo([]byte("x"), nil)
			w.isOpError(err, "write", syscall.EINVAL)
			_, err = c.WriteToAddrPort([]byte("x"), netip.AddrPort{})
			w.isOpError(err, "write", syscall.EINVAL)
			if c.RemoteAddr() != nil {
				w.Errorf("a peer: %v", c.RemoteAddr())
			}
			if _, err = c.Write([]byte("x")); err == nil {
				w.Error("written to nobody")
			}
		}
		var addrErr *net.AddrError
		if _, err := v4.WriteTo([]byte("x"), v6.LocalAddr()); !errors.As(err, &addrErr) {
			w.Error(err)
		}
		_, err := v4.WriteTo([]byte("x"), gram.LocalAddr())
		w.isOpError(err, "write", syscall.EINVAL)
		_, err = gram.WriteTo([]byte("x"), v4.LocalAddr())
		w.isOpError(err, "write", syscall.EINVAL)
		_, err = gram.WriteTo([]byte("x"), &net.UnixAddr{Name: gram.LocalAddr().String(), Net: "unix"})
		w.isOpError(err, "write", syscall.EINVAL)
		_, err = gram.WriteTo([]byte("x"), &net.UnixAddr{Name: gram.LocalAddr().String() + "no", Net: "unixgram"})
		w.isOpError(err, "write", os.ErrNotExist)
		_, err = v4.WriteTo(make([]byte, 70000), v4.LocalAddr())
		w.isOpError(err, "write", unix.EMSGSIZE)

		// The long form of an IPv4 address, and a socket for both families.
		at := v4.LocalAddr().(*net.UDPAddr).AddrPort()
		long := netip.AddrPortFrom(netip.AddrFrom16(at.Addr().As16()), at.Port())
		for _, to := range []netip.AddrPort{at, long} { // some systems want this form alone
			if v4.Form(to) != at || both.Form(to) != long {
				w.Errorf("to %v: %v and %v", to, v4.Form(to), both.Form(to))
			}
		}
		buf := make([]byte, 10)
		for _, c := range []*transport.PacketConn{v4, both} {
			for _, to := range []netip.AddrPort{at, long} {
				if _, err := c.WriteToAddrPort([]byte("x"), to); err != nil {
					w.Fatal(err)
				}
				_, from, err := v4.ReadFromAddrPort(buf)
				if err != nil || !from.Addr().Is4() || int(from.Port()) != c.LocalAddr().(*net.UDPAddr).Port {
					w.Errorf("from %v, %v", from, err)
				}
			}
		}
		if _, err := v4.WriteTo([]byte("x"), &net.UDPAddr{Port: int(at.Port())}); err != nil {
			w.Errorf("to this host: %v", err)
		}
	})
}

// A connected socket sends to its peer alone.
func TestConnectedPacket(t *testing.T) {
	everyWay(t, func(w *world) {
		for _, network := range []string{"udp4", "unixgram"} {
			fd, other := w.boundFD(network), w.packets(network)
			defer other.Close()
			sa, err := unix.Getsockname(other.FD())
			if err != nil {
				w.Fatal(err)
			}
			if err := unix.Connect(fd, sa); err != nil {
				w.Fatal(err)
			}
			c, err := transport.NewPacketConn(w.d, fd, network)
			if err != nil {
				w.Fatal(err)
			}
			defer c.Close()
			_, err = c.WriteTo([]byte("x"), other.LocalAddr())
			w.isOpError(err, "write", net.ErrWriteToConnected)
			if c.RemoteAddr().String() != other.LocalAddr().String() {
				w.Errorf("connected to %v", c.RemoteAddr())
			}
			if n, err := c.Write([]byte("hi")); n != 2 || err != nil {
				w.Errorf("Write = %d, %v", n, err)
			}
			n, from, err := other.ReadFrom(make([]byte, 10))
			if n != 2 || err != nil || from.String() != c.LocalAddr().String() {
				w.Errorf("ReadFrom = %d, %v, %v", n, from, err)
			}
			var _ net.Conn = c
		}
	})
}
