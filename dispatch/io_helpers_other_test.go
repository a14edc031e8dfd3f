//go:build !unix

package dispatch_test

import (
	"testing"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

// watchNothing has nothing to do where there is no poller.
func watchNothing(testing.TB, *dispatch.Dispatcher) {}
