package dispatch_test

import (
	"errors"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

var (
	ws2             = windows.NewLazySystemDLL("ws2_32.dll")
	procAccept      = ws2.NewProc("accept")
	procIoctlsocket = ws2.NewProc("ioctlsocket")

	procGetHandleInformation = windows.NewLazySystemDLL("kernel32.dll").NewProc("GetHandleInformation")
)

// network makes sockets, all of them non-blocking, and closes at the end of the test those that are
// still open. It may be used by any goroutine.
type network struct {
	tb   testing.TB
	mu   sync.Mutex
	open map[dispatch.FD]bool
}

var winsock = sync.OnceValue(func() error {
	var data windows.WSAData
	return windows.WSAStartup(0x202, &data)
})

func newNetwork(tb testing.TB) *network {
	tb.Helper()
	must(tb, winsock())
	n := &network{tb: tb, open: make(map[dispatch.FD]bool)}
	tb.Cleanup(n.end)
	return n
}

// end closes all sockets.
func (n *network) end() {
	for fd := range n.open {
		n.close(fd)
	}
}

// own makes fd one of the network's.
func (n *network) own(fd dispatch.FD) dispatch.FD {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.open[fd] = true
	return fd
}

// disown forgets fd, which somebody else has closed.
func (n *network) disown(fd dispatch.FD) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.open, fd)
}

func (n *network) close(fd dispatch.FD) {
	n.tb.Helper()
	n.disown(fd)
	if err := windows.Closesocket(windows.Handle(fd)); err != nil {
		n.tb.Errorf("close %d: %v", fd, err)
	}
}

// reset closes fd so that its peer hears of a reset.
func (n *network) reset(fd dispatch.FD) {
	n.tb.Helper()
	must(n.tb, windows.SetsockoptLinger(windows.Handle(fd), windows.SOL_SOCKET, windows.SO_LINGER, &windows.Linger{Onoff: 1}))
	n.close(fd)
}

func nonblock(tb testing.TB, fd dispatch.FD, on uint32) {
	tb.Helper()
	const fionbio = 0x8004667e
	if r, _, err := procIoctlsocket.Call(uintptr(fd), fionbio, uintptr(unsafe.Pointer(&on))); int32(r) != 0 {
		tb.Fatal(err)
	}
}

func (n *network) socket(family, kind int32) dispatch.FD {
	n.tb.Helper()
	fd, err := windows.WSASocket(family, kind, 0, nil, 0, windows.WSA_FLAG_OVERLAPPED|windows.WSA_FLAG_NO_HANDLE_INHERIT)
	must(n.tb, err)
	nonblock(n.tb, dispatch.FD(fd), 1)
	return n.own(dispatch.FD(fd))
}

func (n *network) tcp() dispatch.FD { return n.socket(windows.AF_INET, windows.SOCK_STREAM) }

func (n *network) udp() dispatch.FD {
	return n.udpAt(dispatch.Addr{IP: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)})
}

// udpAt is udp with a given address.
func (n *network) udpAt(at dispatch.Addr) dispatch.FD {
	n.tb.Helper()
	fd := n.socket(windows.AF_INET, windows.SOCK_DGRAM)
	must(n.tb, windows.Bind(windows.Handle(fd), &windows.SockaddrInet4{Addr: at.IP.Addr().As4(), Port: int(at.IP.Port())}))
	return fd
}

func (n *network) listen(family int32, at windows.Sockaddr) dispatch.FD {
	n.tb.Helper()
	fd := n.socket(family, windows.SOCK_STREAM)
	must(n.tb, windows.Bind(windows.Handle(fd), at))
	must(n.tb, windows.Listen(windows.Handle(fd), 16))
	return fd
}

// listenTCP listens at a port of the loopback device.
func (n *network) listenTCP() dispatch.FD {
	n.tb.Helper()
	return n.listen(windows.AF_INET, &windows.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
}

// address returns where fd is bound.
func (n *network) address(fd dispatch.FD) dispatch.Addr {
	n.tb.Helper()
	sa, err := windows.Getsockname(windows.Handle(fd))
	must(n.tb, err)
	switch sa := sa.(type) {
	case *windows.SockaddrInet4:
		return dispatch.Addr{IP: netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))}
	case *windows.SockaddrInet6:
		return dispatch.Addr{IP: netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))}
	}
	n.tb.Fatalf("%d has address %T", fd, sa)
	return dispatch.Addr{}
}

// pair makes a TCP connection. Its buffers are small, so that it takes little to fill them.
func (n *network) pair() (a, b dispatch.FD) {
	n.tb.Helper()
	l := n.listenTCP()
	defer n.close(l)
	must(n.tb, windows.SetsockoptInt(windows.Handle(l), windows.SOL_SOCKET, windows.SO_RCVBUF, 32<<10))
	a = n.tcp()
	must(n.tb, windows.SetsockoptInt(windows.Handle(a), windows.SOL_SOCKET, windows.SO_SNDBUF, 32<<10))
	to, err := windows.Getsockname(windows.Handle(l))
	must(n.tb, err)
	nonblock(n.tb, a, 0)
	must(n.tb, windows.Connect(windows.Handle(a), to))
	nonblock(n.tb, a, 1)
	return a, n.accept(l)
}

// accept waits for a connection.
func (n *network) accept(l dispatch.FD) dispatch.FD {
	n.tb.Helper()
	nonblock(n.tb, l, 0)
	fd, _, err := procAccept.Call(uintptr(l), 0, 0)
	if windows.Handle(fd) == windows.InvalidHandle {
		n.tb.Fatal(err)
	}
	nonblock(n.tb, l, 1)
	nonblock(n.tb, dispatch.FD(fd), 1)
	return n.own(dispatch.FD(fd))
}

// crowded reports false: Windows refuses a connection where there is no room for one.
func (n *network) crowded() (dispatch.Addr, bool) { return dispatch.Addr{}, false }

// sysSend sends what there is room for, 0 if there is none.
func (n *network) sysSend(fd dispatch.FD, p []byte) int {
	n.tb.Helper()
	buf := windows.WSABuf{Len: uint32(len(p)), Buf: unsafe.SliceData(p)}
	var sent uint32
	err := windows.WSASend(windows.Handle(fd), &buf, 1, &sent, 0, nil, nil)
	if errors.Is(err, windows.WSAEWOULDBLOCK) {
		return 0
	}
	must(n.tb, err)
	return int(sent)
}

// sysRecv receives what there is. It reports false at the end of the stream, also if that is a reset.
func (n *network) sysRecv(fd dispatch.FD, p []byte) (int, bool) {
	n.tb.Helper()
	buf := windows.WSABuf{Len: uint32(len(p)), Buf: unsafe.SliceData(p)}
	var got, flags uint32
	err := windows.WSARecv(windows.Handle(fd), &buf, 1, &got, &flags, nil, nil)
	switch {
	case errors.Is(err, windows.WSAEWOULDBLOCK):
		return 0, true
	case errors.Is(err, windows.WSAECONNRESET), errors.Is(err, windows.WSAECONNABORTED), err == nil && got == 0:
		return 0, false
	}
	must(n.tb, err)
	return int(got), true
}

func (n *network) shutdownWrite(fd dispatch.FD) {
	n.tb.Helper()
	must(n.tb, windows.Shutdown(windows.Handle(fd), windows.SHUT_WR))
}

// mustBePrepared fails if fd is inherited by child processes. That it does not block cannot be
// asked for.
func mustBePrepared(tb testing.TB, fd dispatch.FD) {
	tb.Helper()
	var flags uint32
	if r, _, err := procGetHandleInformation.Call(uintptr(fd), uintptr(unsafe.Pointer(&flags))); r == 0 {
		tb.Fatal(err)
	}
	if flags&windows.HANDLE_FLAG_INHERIT != 0 {
		tb.Error("what was accepted is inherited")
	}
}

// What the tests say of errors by which systems differ.
var (
	errRefused        = refused()
	errNoSocket error = windows.WSAENOTSOCK
)

// refused is the error of receiving when a datagram was refused.
func refused() error {
	if wine() {
		return windows.WSAECONNREFUSED
	}
	return windows.WSAECONNRESET
}

// wine reports whether the system is Wine, whose ntdll has a call that Windows lacks.
func wine() bool {
	return windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil
}

// isReset reports whether err is that of a connection whose peer has gone.
func isReset(err error) bool {
	return errors.Is(err, windows.WSAECONNRESET) || errors.Is(err, windows.WSAECONNABORTED) ||
		errors.Is(err, syscall.Errno(64)) // ERROR_NETNAME_DELETED, which overlapped operations say
}

// noSocket returns a descriptor that is none.
func noSocket(tb testing.TB) dispatch.FD {
	tb.Helper()
	r, w, err := os.Pipe()
	must(tb, err)
	tb.Cleanup(func() {
		r.Close()
		w.Close()
	})
	return dispatch.FD(r.Fd())
}

// stream is a kind of sockets for streams.
type stream struct {
	name   string
	listen func(*network) dispatch.FD
	socket func(*network) dispatch.FD
}

func streams() []stream {
	return []stream{
		{"tcp4", (*network).listenTCP, (*network).tcp},
		{
			"tcp6", func(n *network) dispatch.FD {
				return n.listen(windows.AF_INET6, &windows.SockaddrInet6{Addr: netip.IPv6Loopback().As16()})
			},
			func(n *network) dispatch.FD { return n.socket(windows.AF_INET6, windows.SOCK_STREAM) },
		},
	}
}

// canIPv6 reports whether the host has the loopback address of IPv6.
func canIPv6() bool {
	fd, err := windows.WSASocket(windows.AF_INET6, windows.SOCK_STREAM, 0, nil, 0, 0)
	if err != nil {
		return false
	}
	defer windows.Closesocket(fd)
	return windows.Bind(fd, &windows.SockaddrInet6{Addr: netip.IPv6Loopback().As16()}) == nil
}
