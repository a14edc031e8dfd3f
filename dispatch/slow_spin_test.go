//go:build !js && !wasip1

package dispatch_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

// TestSlowSpin: a callback that computes for ever is seen, where goroutines can be interrupted.
func TestSlowSpin(t *testing.T) {
	var reported atomic.Bool
	var stack string
	d := open(t, dispatch.Config{SlowCallback: time.Millisecond, OnSlow: func(s dispatch.SlowCallback) {
		stack = string(s.Stack)
		reported.Store(true)
	}})
	d.CallSoon(func() {
		for !reported.Load() {
		}
	})
	_, err := d.Poll(0)
	must(t, err)
	if !strings.Contains(stack, "dispatch_test.TestSlowSpin.func") {
		t.Errorf("stack\n%s", stack)
	}
	must(t, d.Close())
}
