//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris

package transport

import (
	"errors"
	"net/netip"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// lateAttach: a connect may begin before the loop knows of the descriptor.
const lateAttach = true

func sysRawSocket(domain, typ, protocol int) (int, error) {
	fd, err := rawSocket(domain, typ, protocol)
	return fd, os.NewSyscallError("socket", err)
}

// sysNonblock makes fd non-blocking, and keeps child processes from inheriting it.
func sysNonblock(fd int) error {
	unix.CloseOnExec(fd)
	return os.NewSyscallError("fcntl", unix.SetNonblock(fd, true))
}

func sysBind(fd int, a *poll.SockAddr) error {
	sa, err := unixAddr(a)
	if err != nil {
		return err
	}
	return os.NewSyscallError("bind", unix.Bind(fd, sa))
}

func sysStartListen(fd, backlog int) error {
	return os.NewSyscallError("listen", unix.Listen(fd, backlog))
}

func sysLocalName(fd int) (poll.SockAddr, error) { return poll.LocalAddr(fd) }
func sysPeerName(fd int) (poll.SockAddr, error)  { return poll.PeerAddr(fd) }

// unixAddr returns a as package unix has it.
func unixAddr(a *poll.SockAddr) (unix.Sockaddr, error) {
	if name, ok := a.Unix(); ok {
		return &unix.SockaddrUnix{Name: name}, nil
	}
	ap, ok := a.IP()
	if !ok {
		return nil, unix.EINVAL
	}
	return inetAddr(ap), nil
}

func inetAddr(ap netip.AddrPort) unix.Sockaddr {
	ip := ap.Addr()
	if ip.Is4() {
		return &unix.SockaddrInet4{Addr: ip.As4(), Port: int(ap.Port())}
	}
	sa := &unix.SockaddrInet6{Addr: ip.As16(), Port: int(ap.Port())}
	if zone, err := strconv.ParseUint(ip.Zone(), 10, 32); err == nil { // a number, from poll.SockAddr
		sa.ZoneId = uint32(zone)
	}
	return sa
}

// sysReceive receives, or with peek has a look. It reports whether the message fitted into p.
func sysReceive(fd int, p []byte, peek bool) (n int, whole bool, from poll.SockAddr, err error) {
	how := 0
	if peek {
		how = unix.MSG_PEEK
	}
	for {
		n, _, flags, sa, err := unix.Recvmsg(fd, p, nil, how)
		switch err {
		case nil:
			return n, flags&unix.MSG_TRUNC == 0, sockAddr(sa), nil
		case unix.EAGAIN:
			return 0, false, from, errAgain
		case unix.EINTR:
		default:
			return 0, false, from, os.NewSyscallError("recvmsg", err)
		}
	}
}

// sockAddr returns an address of package unix in our form, none if it is of an unknown kind.
func sockAddr(sa unix.Sockaddr) (a poll.SockAddr) {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		_ = a.SetIP(netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))) // no zone: cannot fail
	case *unix.SockaddrInet6:
		ip := netip.AddrFrom16(sa.Addr)
		if sa.ZoneId != 0 {
			ip = ip.WithZone(strconv.FormatUint(uint64(sa.ZoneId), 10))
		}
		_ = a.SetIP(netip.AddrPortFrom(ip, uint16(sa.Port))) // a zone in digits: cannot fail
	case *unix.SockaddrUnix:
		_ = a.SetUnix(sa.Name) // it fitted the system's form
	}
	return a
}

// sysReset reports whether an error says that the peer, or the network, has broken the connection.
func sysReset(err error) bool {
	for _, e := range []unix.Errno{unix.ECONNRESET, unix.ECONNABORTED, unix.ENETRESET, unix.EPIPE} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func sysOption(fd, level, name int) (int, error) {
	v, err := unix.GetsockoptInt(fd, level, name)
	return v, os.NewSyscallError("getsockopt", err)
}

func sysSetOption(fd, level, name, value int) error {
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, level, name, value))
}

// sysDuplicate returns another descriptor for what fd is one for.
func sysDuplicate(fd int) (int, error) {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	return n, os.NewSyscallError("fcntl", err)
}

// The numbers of options.
var socketOptions = optionNumbers{
	acceptConn:  optionNumber{unix.SOL_SOCKET, unix.SO_ACCEPTCONN},
	reuseAddr:   optionNumber{unix.SOL_SOCKET, unix.SO_REUSEADDR},
	reusePort:   reusePort,
	broadcast:   optionNumber{unix.SOL_SOCKET, unix.SO_BROADCAST},
	keepAlive:   optionNumber{unix.SOL_SOCKET, unix.SO_KEEPALIVE},
	readBuffer:  optionNumber{unix.SOL_SOCKET, unix.SO_RCVBUF},
	writeBuffer: optionNumber{unix.SOL_SOCKET, unix.SO_SNDBUF},
	noDelay:     optionNumber{unix.IPPROTO_TCP, unix.TCP_NODELAY},
	v6Only:      optionNumber{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY},
	ttl4:        optionNumber{unix.IPPROTO_IP, unix.IP_TTL},
	ttl6:        optionNumber{unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS},
}
