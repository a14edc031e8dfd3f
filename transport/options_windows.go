package transport

import (
	"net"
	"os"

	"golang.org/x/sys/windows"
)

func setInt(fd, level, name, value int) error {
	return os.NewSyscallError("setsockopt", windows.SetsockoptInt(windows.Handle(fd), level, name, value))
}

func toInt(on bool) int {
	if on {
		return 1
	}
	return 0
}

func sysSetNoDelay(fd int, on bool) error {
	return setInt(fd, windows.IPPROTO_TCP, windows.TCP_NODELAY, toInt(on))
}

func sysSetLinger(fd, sec int) error {
	l := windows.Linger{Onoff: 1, Linger: int32(sec)}
	if sec < 0 {
		l = windows.Linger{}
	}
	return os.NewSyscallError("setsockopt", windows.SetsockoptLinger(windows.Handle(fd), windows.SOL_SOCKET, windows.SO_LINGER, &l))
}

func sysSetBuffer(fd int, write bool, bytes int) error {
	if write {
		return setInt(fd, windows.SOL_SOCKET, windows.SO_SNDBUF, bytes)
	}
	return setInt(fd, windows.SOL_SOCKET, windows.SO_RCVBUF, bytes)
}

// The options of Windows 10, version 1709, and later.
const (
	tcpKeepIdle     = 3
	tcpKeepInterval = 17
	tcpKeepCount    = 16
)

// sysSetKeepAlive sets what config says, and the defaults where it says nothing.
func sysSetKeepAlive(fd int, config net.KeepAliveConfig) error {
	if err := setInt(fd, windows.SOL_SOCKET, windows.SO_KEEPALIVE, toInt(config.Enable)); err != nil || !config.Enable {
		return err
	}
	for _, o := range []struct{ name, value, usual int }{
		{tcpKeepIdle, wholeSeconds(config.Idle), 15},
		{tcpKeepInterval, wholeSeconds(config.Interval), 15},
		{tcpKeepCount, config.Count, 9},
	} {
		switch {
		case o.value < 0:
			continue
		case o.value == 0:
			o.value = o.usual
		}
		if err := setInt(fd, windows.IPPROTO_TCP, o.name, o.value); err != nil {
			return err
		}
	}
	return nil
}
