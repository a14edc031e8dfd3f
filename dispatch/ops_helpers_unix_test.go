//go:build unix

package dispatch_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

// network makes sockets, all of them non-blocking, and closes at the end of the test those that are
// still open. It may be used by any goroutine.
type network struct {
	tb   testing.TB
	mu   sync.Mutex
	open map[dispatch.FD]bool
}

func newNetwork(tb testing.TB) *network {
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
	if err := unix.Close(int(fd)); err != nil {
		n.tb.Errorf("close %d: %v", fd, err)
	}
}

// reset closes fd so that its peer hears of a reset.
func (n *network) reset(fd dispatch.FD) {
	n.tb.Helper()
	must(n.tb, unix.SetsockoptLinger(int(fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}))
	n.close(fd)
}

func (n *network) socket(family, kind int) dispatch.FD {
	n.tb.Helper()
	fd, err := unix.Socket(family, kind, 0)
	must(n.tb, err)
	unix.CloseOnExec(fd)
	must(n.tb, unix.SetNonblock(fd, true))
	return n.own(dispatch.FD(fd))
}

func (n *network) tcp() dispatch.FD { return n.socket(unix.AF_INET, unix.SOCK_STREAM) }

func (n *network) udp() dispatch.FD {
	fd := n.socket(unix.AF_INET, unix.SOCK_DGRAM)
	n.bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	return fd
}

// udpAt is udp with a given address.
func (n *network) udpAt(at dispatch.Addr) dispatch.FD {
	fd := n.socket(unix.AF_INET, unix.SOCK_DGRAM)
	n.bind(fd, &unix.SockaddrInet4{Addr: at.IP.Addr().As4(), Port: int(at.IP.Port())})
	return fd
}

func (n *network) bind(fd dispatch.FD, to unix.Sockaddr) {
	n.tb.Helper()
	must(n.tb, unix.Bind(int(fd), to))
}

// listen makes a socket of the family that accepts connections at the address.
func (n *network) listen(family int, at unix.Sockaddr) dispatch.FD {
	n.tb.Helper()
	fd := n.socket(family, unix.SOCK_STREAM)
	n.bind(fd, at)
	must(n.tb, unix.Listen(int(fd), 16))
	return fd
}

// listenTCP listens at a port of the loopback device.
func (n *network) listenTCP() dispatch.FD {
	n.tb.Helper()
	return n.listen(unix.AF_INET, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
}

// address returns where fd is bound.
func (n *network) address(fd dispatch.FD) dispatch.Addr {
	n.tb.Helper()
	sa, err := unix.Getsockname(int(fd))
	must(n.tb, err)
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return dispatch.Addr{IP: netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))}
	case *unix.SockaddrInet6:
		return dispatch.Addr{IP: netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))}
	case *unix.SockaddrUnix:
		if sa.Name == "@" { // what package unix makes of no name
			return dispatch.Addr{}
		}
		return dispatch.Addr{Unix: sa.Name}
	}
	n.tb.Fatalf("%d has address %T", fd, sa)
	return dispatch.Addr{}
}

// pair makes a TCP connection. Its buffers are small, so that it takes little to fill them.
func (n *network) pair() (a, b dispatch.FD) {
	n.tb.Helper()
	l := n.listenTCP()
	defer n.close(l)
	must(n.tb, unix.SetsockoptInt(int(l), unix.SOL_SOCKET, unix.SO_RCVBUF, 32<<10))
	a = n.tcp()
	must(n.tb, unix.SetsockoptInt(int(a), unix.SOL_SOCKET, unix.SO_SNDBUF, 32<<10))
	to, err := unix.Getsockname(int(l))
	must(n.tb, err)
	if err := unix.Connect(int(a), to); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		n.tb.Fatal(err)
	}
	return a, n.accept(l)
}

// accept waits for a connection.
func (n *network) accept(l dispatch.FD) dispatch.FD {
	n.tb.Helper()
	must(n.tb, unix.SetNonblock(int(l), false))
	fd, _, err := unix.Accept(int(l))
	must(n.tb, err)
	must(n.tb, unix.SetNonblock(int(l), true))
	unix.CloseOnExec(fd)
	must(n.tb, unix.SetNonblock(fd, true))
	return n.own(dispatch.FD(fd))
}

// crowded returns the address of a TCP port at which connecting takes minutes, since nobody
// accepts and there is no room for more. Some systems refuse instead: false.
func (n *network) crowded() (dispatch.Addr, bool) {
	n.tb.Helper()
	l := n.socket(unix.AF_INET, unix.SOCK_STREAM)
	n.bind(l, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	must(n.tb, unix.Listen(int(l), 0))
	to, err := unix.Getsockname(int(l))
	must(n.tb, err)
	for range 3 {
		if err := unix.Connect(int(n.tcp()), to); err != nil && !errors.Is(err, unix.EINPROGRESS) {
			n.tb.Fatal(err)
		}
	}
	return n.address(l), runtime.GOOS == "linux"
}

// sysSend sends what there is room for, 0 if there is none.
func (n *network) sysSend(fd dispatch.FD, p []byte) int {
	n.tb.Helper()
	sent, err := unix.Write(int(fd), p)
	if errors.Is(err, unix.EAGAIN) {
		return 0
	}
	must(n.tb, err)
	return sent
}

// sysRecv receives what there is. It reports false at the end of the stream, also if that is a reset.
func (n *network) sysRecv(fd dispatch.FD, p []byte) (int, bool) {
	n.tb.Helper()
	got, err := unix.Read(int(fd), p)
	switch {
	case errors.Is(err, unix.EAGAIN):
		return 0, true
	case errors.Is(err, unix.ECONNRESET), err == nil && got == 0:
		return 0, false
	}
	must(n.tb, err)
	return got, true
}

func (n *network) shutdownWrite(fd dispatch.FD) {
	n.tb.Helper()
	must(n.tb, unix.Shutdown(int(fd), unix.SHUT_WR))
}

// mustBePrepared fails if fd blocks or is inherited by child processes.
func mustBePrepared(tb testing.TB, fd dispatch.FD) {
	tb.Helper()
	fl, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	must(tb, err)
	ex, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	must(tb, err)
	if fl&unix.O_NONBLOCK == 0 || ex&unix.FD_CLOEXEC == 0 {
		tb.Errorf("flags %#x and %#x of what was accepted", fl, ex)
	}
}

// What the tests say of errors by which systems differ.
var (
	errRefused  error = unix.ECONNREFUSED
	errNoSocket error = unix.ENOTSOCK
)

// wine reports whether the system is Wine.
func wine() bool { return false }

// isReset reports whether err is that of a connection whose peer has gone.
func isReset(err error) bool {
	return errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE)
}

// noSocket returns a descriptor that is none.
func noSocket(tb testing.TB) dispatch.FD { return pipe(tb).r }

// stream is a kind of sockets for streams.
type stream struct {
	name   string
	listen func(*network) dispatch.FD
	socket func(*network) dispatch.FD
}

func streams() []stream {
	unixStream := func(n *network) dispatch.FD { return n.socket(unix.AF_UNIX, unix.SOCK_STREAM) }
	s := []stream{
		{"tcp4", (*network).listenTCP, (*network).tcp},
		{
			"unix", func(n *network) dispatch.FD {
				// The directory of a test may have too long a name.
				dir, err := os.MkdirTemp("", "ops")
				must(n.tb, err)
				n.tb.Cleanup(func() { os.RemoveAll(dir) })
				return n.listen(unix.AF_UNIX, &unix.SockaddrUnix{Name: filepath.Join(dir, "socket")})
			},
			unixStream,
		},
		{
			"tcp6", func(n *network) dispatch.FD {
				return n.listen(unix.AF_INET6, &unix.SockaddrInet6{Addr: netip.IPv6Loopback().As16()})
			},
			func(n *network) dispatch.FD { return n.socket(unix.AF_INET6, unix.SOCK_STREAM) },
		},
	}
	if hasAbstract {
		s = append(s, stream{"abstract", func(n *network) dispatch.FD {
			return n.listen(unix.AF_UNIX, &unix.SockaddrUnix{Name: fmt.Sprintf("@turnstile-%d", unix.Getpid())})
		}, unixStream})
	}
	return s
}

// canIPv6 reports whether the host has the loopback address of IPv6.
func canIPv6() bool {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return unix.Bind(fd, &unix.SockaddrInet6{Addr: netip.IPv6Loopback().As16()}) == nil
}
