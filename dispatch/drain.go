package dispatch

import (
	"os"
	"time"
)

// Drain makes turns until nothing is pending, as Pending counts, and returns nil, at once if
// that is so at the call. If something is still pending when timeout has passed since the call it
// returns os.ErrDeadlineExceeded; what is left can be turned on. With a timeout of 0 it makes
// one turn, and a negative timeout never ends.
//
// It returns ErrRunning and ErrClosed as Poll does. The panic of a callback leaves Drain as it
// is; those behind it run in the next turn.
func (d *Dispatcher) Drain(timeout time.Duration) error {
	if err := d.enter(); err != nil {
		return err
	}
	defer d.leave()
	defer d.release()
	limit, end := int64(timeout), d.after(timeout)
	for d.Pending() > 0 {
		if _, err := d.turn(limit, false, true); err != nil {
			return err
		}
		if d.ending() {
			d.shutdown()
			return ErrClosed
		}
		if timeout < 0 {
			continue
		}
		// What is left is counted anew from the clock: sums of what each turn took drift.
		if limit = end - d.clock(); limit > 0 {
			continue
		}
		if d.Pending() > 0 {
			return os.ErrDeadlineExceeded
		}
		return nil // not to be asked again: a limit below 0 would be none
	}
	return nil
}
