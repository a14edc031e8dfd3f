//go:build darwin || dragonfly || freebsd || netbsd || openbsd || solaris || (linux && (386 || s390x || race || msan || asan))

package poll

import (
	"net/netip"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Here the calls go through package unix: its system calls are those that the C library or
// the multiplexer of the system wants, and the race detector sees what they read and write. An
// address is an allocation.

func recv(fd int, p []byte) (int, error) {
	n, err := unix.Read(fd, p)
	return max(n, 0), err
}

func recvMessage(fd int, p []byte, from *SockAddr) (int, error) {
	n, _, flags, sa, err := unix.Recvmsg(fd, p, nil, 0)
	if err != nil {
		return 0, err
	}
	if from != nil {
		from.set(sa)
	}
	if flags&unix.MSG_TRUNC != 0 {
		err = ErrTruncated
	}
	return n, err
}

func send(fd int, p []byte) (int, error) {
	n, err := unix.Write(fd, p)
	return max(n, 0), err
}

func sendTo(fd int, p []byte, to *SockAddr) (int, error) {
	sa, err := to.get()
	if err == nil {
		err = unix.Sendto(fd, p, 0, sa)
	}
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// LocalAddr returns the address that the socket fd is bound to, none if it is not.
func LocalAddr(fd int) (a SockAddr, err error) {
	sa, err := unix.Getsockname(fd)
	a.set(sa)
	return a, os.NewSyscallError("getsockname", err)
}

// PeerAddr returns the address that the socket fd is connected to.
func PeerAddr(fd int) (a SockAddr, err error) {
	sa, err := unix.Getpeername(fd)
	a.set(sa)
	return a, os.NewSyscallError("getpeername", err)
}

// internet reports whether fd is a socket of IP, which TCP_NODELAY does not prove: that is the number of
// LOCAL_PEERCRED too, and Darwin and DragonFly ask a Unix socket without a look at the level.
func internet(fd int) bool {
	a, _ := LocalAddr(fd)
	_, ok := a.IP()
	return ok
}

func connect(fd int, to *SockAddr) error {
	sa, err := to.get()
	if err != nil {
		return err
	}
	return unix.Connect(fd, sa)
}

func accept(listener int, from *SockAddr) (int, error) {
	fd, sa, err := acceptPrepared(listener)
	if err != nil {
		return -1, err
	}
	from.set(sa)
	return fd, nil
}

// set takes the address over, or none if it is of an unknown kind.
func (a *SockAddr) set(sa unix.Sockaddr) {
	*a = SockAddr{}
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
}

// get returns the address as package unix wants it.
func (a *SockAddr) get() (unix.Sockaddr, error) {
	if name, ok := a.Unix(); ok {
		return &unix.SockaddrUnix{Name: name}, nil
	}
	ap, ok := a.IP()
	if !ok {
		return nil, syscall.EINVAL
	}
	if ip := ap.Addr(); ip.Is4() {
		return &unix.SockaddrInet4{Addr: ip.As4(), Port: int(ap.Port())}, nil
	}
	sa := &unix.SockaddrInet6{Addr: ap.Addr().As16(), Port: int(ap.Port())}
	if zone, err := strconv.ParseUint(ap.Addr().Zone(), 10, 32); err == nil {
		sa.ZoneId = uint32(zone)
	}
	return sa, nil
}
