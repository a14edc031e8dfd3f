//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris

package transport

import (
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

func setInt(fd, level, name, value int) error {
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, level, name, value))
}

func toInt(on bool) int {
	if on {
		return 1
	}
	return 0
}

func sysSetNoDelay(fd int, on bool) error {
	return setInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, toInt(on))
}

func sysSetLinger(fd, sec int) error {
	l := unix.Linger{Onoff: 1, Linger: int32(sec)}
	if sec < 0 {
		l = unix.Linger{}
	}
	return os.NewSyscallError("setsockopt", unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &l))
}

func sysSetBuffer(fd int, write bool, bytes int) error {
	if write {
		return setInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, bytes)
	}
	return setInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, bytes)
}

// sysSetKeepAlive sets what the system has of config: keepAlive has its options for idle time,
// interval and number, in this order, with their defaults.
func sysSetKeepAlive(fd int, config net.KeepAliveConfig) error {
	if err := setInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, toInt(config.Enable)); err != nil || !config.Enable {
		return err
	}
	for i, o := range keepAlive {
		value := config.Count
		if i < 2 {
			value = wholeSeconds([2]time.Duration{config.Idle, config.Interval}[i])
		}
		switch {
		case value < 0:
			continue
		case value == 0:
			value = o.value
		}
		if err := setInt(fd, unix.IPPROTO_TCP, o.name, value); err != nil {
			return err
		}
	}
	return nil
}
