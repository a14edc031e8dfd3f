package transport

import (
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// lateAttach: only the poller can connect a stream, so it knows the socket before.
const lateAttach = false

func sysRawSocket(domain, typ, protocol int) (int, error) {
	return poll.NewSocket(domain, typ, protocol)
}

// sysNonblock keeps child processes from inheriting fd, which the poller makes non-blocking.
func sysNonblock(fd int) error {
	return os.NewSyscallError("SetHandleInformation", windows.SetHandleInformation(windows.Handle(fd), windows.HANDLE_FLAG_INHERIT, 0))
}

func sysKind(fd int) (domain, typ, proto int, err error) {
	const protocolInfo = 0x2005 // SO_PROTOCOL_INFOW
	var info windows.WSAProtocolInfo
	size := int32(unsafe.Sizeof(info))
	err = windows.Getsockopt(windows.Handle(fd), windows.SOL_SOCKET, protocolInfo, (*byte)(unsafe.Pointer(&info)), &size)
	return int(info.AddressFamily), int(info.SocketType), int(info.Protocol), os.NewSyscallError("getsockopt", err)
}

func sysBind(fd int, a *poll.SockAddr) error { return poll.BindAddr(fd, a) }

func sysStartListen(fd, backlog int) error { return sysListen(fd, backlog) }

// sysLocalName returns no address for a socket that is not bound, which the system calls invalid.
func sysLocalName(fd int) (poll.SockAddr, error) {
	a, err := poll.LocalAddr(fd)
	if errors.Is(err, windows.WSAEINVAL) {
		err = nil
	}
	return a, err
}

func sysPeerName(fd int) (poll.SockAddr, error) { return poll.PeerAddr(fd) }

// sysReset reports whether an error says that the peer, or the network, has broken the connection.
func sysReset(err error) bool {
	return isOneOf(err, windows.WSAECONNRESET, windows.WSAECONNABORTED, windows.WSAENETRESET)
}

func sysOption(fd, level, name int) (int, error) {
	v, err := windows.GetsockoptInt(windows.Handle(fd), level, name)
	return v, os.NewSyscallError("getsockopt", err)
}

func sysSetOption(fd, level, name, value int) error {
	return os.NewSyscallError("setsockopt", windows.SetsockoptInt(windows.Handle(fd), level, name, value))
}

// sysDuplicate fails: two handles of one socket have one port, and no two owners.
func sysDuplicate(int) (int, error) { return -1, errors.ErrUnsupported }

// sysReceive receives, or with peek has a look. It reports whether the message fitted into p.
func sysReceive(fd int, p []byte, peek bool) (n int, whole bool, from poll.SockAddr, err error) {
	n, err = poll.RecvFrom(fd, p, peek, &from)
	switch {
	case poll.Waits(err):
		return 0, false, from, errAgain
	case errors.Is(err, poll.ErrTruncated):
		return n, false, from, nil
	case errors.Is(err, windows.WSAESHUTDOWN):
		return 0, true, from, nil // receiving was ended here
	}
	return n, true, from, os.NewSyscallError("recvfrom", err)
}

// The numbers of options.
var socketOptions = optionNumbers{
	acceptConn:  optionNumber{windows.SOL_SOCKET, 2}, // SO_ACCEPTCONN
	reuseAddr:   optionNumber{windows.SOL_SOCKET, windows.SO_REUSEADDR},
	broadcast:   optionNumber{windows.SOL_SOCKET, windows.SO_BROADCAST},
	keepAlive:   optionNumber{windows.SOL_SOCKET, windows.SO_KEEPALIVE},
	readBuffer:  optionNumber{windows.SOL_SOCKET, windows.SO_RCVBUF},
	writeBuffer: optionNumber{windows.SOL_SOCKET, windows.SO_SNDBUF},
	noDelay:     optionNumber{windows.IPPROTO_TCP, windows.TCP_NODELAY},
	v6Only:      optionNumber{windows.IPPROTO_IPV6, windows.IPV6_V6ONLY},
	ttl4:        optionNumber{windows.IPPROTO_IP, windows.IP_TTL},
	ttl6:        optionNumber{windows.IPPROTO_IPV6, windows.IPV6_UNICAST_HOPS},
}
