//go:build darwin || dragonfly || linux || netbsd || openbsd

package transport

import "golang.org/x/sys/unix"

// sharePort is the option that lets several sockets listen on one port; 0: there is none.
const sharePort = unix.SO_REUSEPORT
