//go:build !race

package core_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
)

// The race detector calls a send beside a close of the channel what it is, which is the subject
// of this test.

// Sending on a closed channel panics in the caller, not on the goroutine that helps it.
func TestSendOnClosedChannel(t *testing.T) {
	onEither(t, func(t *testing.T, ctx context.Context) {
		const text = "send on closed channel"
		ch := make(chan int)
		time.AfterFunc(time.Second, func() { close(ch) })
		for i := range 2 { // while it waits, and at the call
			if p := panics(func() { _ = core.Send(ctx, ch, 1) }); fmt.Sprint(p) != text {
				t.Errorf("%d: panic %v", i, p)
			}
		}
	})
}
