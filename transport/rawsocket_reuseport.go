//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package transport

import "golang.org/x/sys/unix"

var reusePort = optionNumber{unix.SOL_SOCKET, unix.SO_REUSEPORT}
