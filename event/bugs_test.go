package event_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/event"
)

// Tests that are called TestBug are named after bugs of other libraries, by their issues.

// A Fire did not wake a waiter that was canceled in the same moment.
func TestBugAnyIO536(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 50 { // the select of the waiter is fair to both channels
			var e event.AsyncEvent
			var w event.Watch[string]
			var c calls
			ctx, cancel := context.WithCancel(t.Context())
			c.start("event", func() string { return text(e.Wait(ctx)) })
			c.start("watch", changed(&w, ctx, 0))
			e.Fire()
			w.Set("x")
			cancel()
			c.want(t, "event ok", "watch x1 ok")
		}
	})
}

// One call that wakes all did so bit by bit, and reached waiters that had come after it.
func TestBugTokio5396(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e event.AsyncEvent
		var w event.Watch[string]
		var c calls
		for i := range 3 {
			c.start(fmt.Sprint("event", i), func() string {
				return text(e.Wait(t.Context())) + " " + text(e.Wait(t.Context()))
			})
		}
		c.start("watch", func() string {
			_, n, _ := w.Changed(t.Context(), 0)
			return changed(&w, t.Context(), n)()
		})
		e.Fire()
		e.Clear()
		w.Set("x")
		c.want(t)
		same(t, "Stats().Waiting", e.Stats().Waiting, 3)
		same(t, "Stats().Waiting", w.Stats().Waiting, 1)
		e.Fire()
		w.Set("y")
		c.want(t, "event0 ok ok", "event1 ok ok", "event2 ok ok", "watch y2 ok")
	})
}

// between is a ctx that makes something happen when it is asked for the nth time whether it has ended.
type between struct {
	context.Context
	n      int
	happen func()
}

func (b *between) Err() error {
	if b.n--; b.n == 0 {
		b.happen()
	}
	return b.Context.Err()
}

// What came between the look at the state and the wait was not seen, and the waiter slept on.
func TestBugE2B3629(t *testing.T) {
	for n := range 6 {
		synctest.Test(t, func(t *testing.T) {
			var e event.AsyncEvent
			var s event.AsyncSignal
			var w event.Watch[string]
			var q event.AsyncEventQueue[int]
			r := q.Subscribe()
			var c calls
			at := func(happen func()) context.Context { return &between{t.Context(), n, happen} }
			c.start("event", func() string { return text(e.Wait(at(e.Fire))) })
			c.start("log", read(r, at(func() { emit(t, &q, 1) }), 0))
			c.start("signal", func() string { return text(s.Wait(at(s.Fire))) })
			c.start("watch", func() string {
				v, _, err := w.Changed(at(func() { w.Set("x") }), 0)
				return v + " " + text(err)
			})
			// What has not happened yet happens now.
			if !e.IsSet() {
				e.Fire()
			}
			if s.Stats().Waiting > 0 {
				s.Fire()
			}
			if _, version := w.Load(); version == 0 {
				w.Set("x")
			}
			if q.Stats().Waiting > 0 {
				emit(t, &q, 1)
			}
			c.want(t, "event ok", "log [1] ok", "signal ok", "watch x ok")
		})
	}
}
