package dispatch

import "github.com/seed-1e54c410/turnstile/internal/poll"

// WrapPoller puts w(p) into the place of the native poller p, which the first Register
// has opened. The loop must not run.
func (d *Dispatcher) WrapPoller(w func(p poll.Poller) poll.Poller) {
	d.io.mu.Lock()
	defer d.io.mu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.io.poller = w(d.io.poller)
}

// Asleep reports whether the loop sleeps or is about to.
func (d *Dispatcher) Asleep() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asleep != awake
}

// FIFOCap returns how much room the ready FIFO takes. The loop must not run.
func (d *Dispatcher) FIFOCap() int { return cap(d.ready) }

// LastTurns is how many turns each of the two last stages of Close makes at most.
const LastTurns = lastTurns

// Patience is how long the loop sleeps.
var Patience = patience

// Forced returns how many descriptors are ready whatever the poller says.
func (d *Dispatcher) Forced() int { return int(d.io.forced.Load()) }
