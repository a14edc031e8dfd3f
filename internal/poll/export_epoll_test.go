//go:build linux

package poll

// Asleep reports whether a Wait blocks or is about to.
func (p *epoller) Asleep() bool { return p.state.Load() == asleep }

// StaleKick is the second half of a Wake that was overtaken by the end of the
// Wait it meant.
func (p *epoller) StaleKick() error { return p.kick() }

// ForcePwait makes Wait do without epoll_pwait2, or use it again.
func ForcePwait(on bool) { noPwait2.Store(on) }
