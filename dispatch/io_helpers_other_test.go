//go:build !unix && !windows

package dispatch_test

import (
	"testing"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

// watchNothing makes d open its poller, which can do nothing but wait here.
func watchNothing(tb testing.TB, d *dispatch.Dispatcher) {
	tb.Helper()
	must(tb, d.Register(0))
	tb.Cleanup(func() { _ = d.Unregister(0) })
}
