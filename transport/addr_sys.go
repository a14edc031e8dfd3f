//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris || windows

package transport

import "github.com/seed-1e54c410/turnstile/internal/poll"

// sysLocal returns the local address of a socket, none if there is none any more.
func sysLocal(fd int) poll.SockAddr { a, _ := poll.LocalAddr(fd); return a }

// sysPeer returns the address of the peer, none if there is none, or it is gone.
func sysPeer(fd int) poll.SockAddr { a, _ := poll.PeerAddr(fd); return a }
