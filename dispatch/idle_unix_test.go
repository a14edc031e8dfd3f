//go:build unix

package dispatch_test

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// TestIdleLoop: a loop with nothing to do does nothing. It asks the poller once. Over a second the process
// gives its processor away some dozen times, besides the hundred with which the runtime comes to rest, and uses a
// few milliseconds of it; a poller that looks around every millisecond would show as a thousand of one kind, a busy one
// as a second of the other. (A fifth of a second, unless the long tests are on.)
func TestIdleLoop(t *testing.T) {
	part := time.Duration(5)
	if check.Long() {
		part = 1
	}
	idle := func(t *testing.T, d *dispatch.Dispatcher) {
		t.Helper()
		defer d.Hold()()
		asked := d.Stats().Polls
		var before, after unix.Rusage
		must(t, unix.Getrusage(unix.RUSAGE_SELF, &before))
		n, err := d.Poll(time.Second / part)
		must(t, unix.Getrusage(unix.RUSAGE_SELF, &after))
		if n != 0 || err != nil {
			t.Fatalf("Poll: %d, %v", n, err)
		}
		switches := int64(after.Nvcsw + after.Nivcsw - before.Nvcsw - before.Nivcsw)
		used := time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
		if asked = d.Stats().Polls - asked; asked > 2 {
			t.Errorf("the poller was asked %d times", asked)
		}
		if switches > 100+500/int64(part) || used*part > time.Second/4 {
			t.Errorf("an idle %v took %v of processor time in %d pieces", time.Second/part, used, switches)
		}
	}
	t.Run("nothing registered", func(t *testing.T) { idle(t, open(t, dispatch.Config{})) })
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		if cfg.Wait == dispatch.WaitPark && cfg.Backend != poll.Backends()[0] {
			return // it can only block
		}
		d := open(t, cfg)
		watchNothing(t, d)
		idle(t, d)
	})
}
