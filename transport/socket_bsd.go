//go:build dragonfly || freebsd || netbsd

package transport

import "golang.org/x/sys/unix"

const inheritsOptions = false

var keepAlive = []option{{unix.TCP_KEEPIDLE, 15}, {unix.TCP_KEEPINTVL, 15}, {unix.TCP_KEEPCNT, 9}}
