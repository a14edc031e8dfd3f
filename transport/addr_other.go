//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris || windows)

package transport

import "github.com/seed-1e54c410/turnstile/internal/poll"

func sysLocal(int) poll.SockAddr { return poll.SockAddr{} }
func sysPeer(int) poll.SockAddr  { return poll.SockAddr{} }
