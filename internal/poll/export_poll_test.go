//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris

package poll

import "golang.org/x/sys/unix"

// Millis is the rounding of timeouts.
var Millis = millis

// Asleep reports whether a Wait blocks or is about to.
func (p *poller) Asleep() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asleep
}

// StaleKick interrupts Wait for no reason.
func (p *poller) StaleKick() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.kick()
}

// Undrained reports whether a kick is left in the pipe.
func (p *poller) Undrained() bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(p.pipe[0]), Events: unix.POLLIN}}, 0)
	return n != 0 || err != nil
}
