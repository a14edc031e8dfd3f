//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris || windows)

package transport

import (
	"errors"
	"net"
)

func sysSetNoDelay(int, bool) error                  { return errors.ErrUnsupported }
func sysSetLinger(int, int) error                    { return errors.ErrUnsupported }
func sysSetBuffer(int, bool, int) error              { return errors.ErrUnsupported }
func sysSetKeepAlive(int, net.KeepAliveConfig) error { return errors.ErrUnsupported }
