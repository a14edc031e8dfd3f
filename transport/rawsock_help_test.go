//go:build unix

package transport_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/transport"
)

// loopback is a free port of this host.
var loopback = dispatch.Addr{IP: netip.MustParseAddrPort("127.0.0.1:0")}

// newSock makes a socket that is closed at the end of the test, if it is not by then.
func (w *world) newSock(domain, typ int) *transport.Socket {
	w.Helper()
	s, err := transport.NewSocket(w.on, domain, typ, 0)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { s.Close() })
	return s
}

// fresh returns an address of the domain to bind to.
func fresh(t testing.TB, domain int) dispatch.Addr {
	switch domain {
	case transport.IPv6:
		return dispatch.Addr{IP: netip.MustParseAddrPort("[::1]:0")}
	case transport.Unix:
		dir, err := os.MkdirTemp("", "") // that of t has a name too long for a socket
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		return dispatch.Addr{Unix: filepath.Join(dir, "s")}
	}
	return loopback
}

// boundSocket returns a socket with an address.
func (w *world) boundSocket(domain, typ int) (*transport.Socket, dispatch.Addr) {
	w.Helper()
	s := w.newSock(domain, typ)
	if err := s.Bind(fresh(w, domain)); err != nil {
		w.Fatal(err)
	}
	return s, w.localOf(s)
}

func (w *world) localOf(s *transport.Socket) dispatch.Addr {
	w.Helper()
	a, err := s.LocalAddr()
	if err != nil {
		w.Fatal(err)
	}
	return a
}

// listeningSocket returns a socket that accepts connections.
func (w *world) listeningSocket(domain, typ int) (*transport.Socket, dispatch.Addr) {
	w.Helper()
	l, at := w.boundSocket(domain, typ)
	if err := l.Listen(0); err != nil {
		w.Fatal(err)
	}
	return l, at
}

// sockets returns two connected sockets.
func (w *world) sockets(domain, typ int) (a, b *transport.Socket) {
	w.Helper()
	if typ == transport.Datagram {
		a, at := w.boundSocket(domain, typ)
		b, bt := w.boundSocket(domain, typ)
		if err := a.Connect(w.ctx, bt); err != nil {
			w.Fatal(err)
		}
		if err := b.Connect(w.ctx, at); err != nil {
			w.Fatal(err)
		}
		return a, b
	}
	l, at := w.listeningSocket(domain, typ)
	defer l.Close()
	a = w.newSock(domain, typ)
	if err := a.Connect(w.ctx, at); err != nil {
		w.Fatal(err)
	}
	b, err := l.Accept(w.ctx)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { b.Close() })
	return a, b
}

// kinds of connections: those of a stream first.
var socketKinds = []struct {
	name        string
	domain, typ int
}{
	{"tcp4", transport.IPv4, transport.Stream},
	{"tcp6", transport.IPv6, transport.Stream},
	{"unix", transport.Unix, transport.Stream},
	{"udp4", transport.IPv4, transport.Datagram},
	{"udp6", transport.IPv6, transport.Datagram},
	{"unixgram", transport.Unix, transport.Datagram},
	{"unixpacket", transport.Unix, syscall.SOCK_SEQPACKET},
}

// everyKind runs a test on sockets of all kinds that the system has.
func everyKind(w *world, typ int, body func(name string, domain, typ int)) {
	for _, k := range socketKinds {
		if typ != 0 && k.typ != typ {
			continue
		}
		s, err := transport.NewSocket(w.on, k.domain, k.typ, 0)
		if err == nil {
			err = s.Bind(fresh(w, k.domain))
			s.Close()
		}
		if err != nil {
			continue // no IPv6 in a container, no SOCK_SEQPACKET on a Mac
		}
		body(k.name, k.domain, k.typ)
	}
}

// sends sends all of data.
func (w *world) sends(s *transport.Socket, data string) {
	w.Helper()
	if n, err := s.Send(w.ctx, []byte(data)); n != len(data) || err != nil {
		w.Fatalf("Send = %d, %v", n, err)
	}
}

// receives fails the test unless what comes in next is want.
func (w *world) receives(s *transport.Socket, want string) {
	w.Helper()
	if got, err := s.Recv(w.ctx, 100); string(got) != want || err != nil {
		w.Fatalf("Recv = %q, %v, want %q", got, err, want)
	}
}

// socketWaits waits until so many calls wait in each direction of a socket.
func (w *world) socketWaits(s *transport.Socket, in, out int) {
	w.until(func() bool { i, o := s.Waiting(); return i == in && o == out })
}

// lots is more than the system keeps of any connection.
var lots = make([]byte, 32<<20)
