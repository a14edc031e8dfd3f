package event_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/event"
)

// silent is a ctx that has ended and does not say why.
type silent struct{ context.Context }

func (silent) Done() <-chan struct{} {
	done := make(chan struct{})
	close(done)
	return done
}

func (silent) Err() error { return nil }

func TestEventWithASilentContext(t *testing.T) {
	var e event.AsyncEvent
	if err := e.Wait(silent{t.Context()}); err != context.Canceled {
		t.Errorf("Wait() = %v", err)
	}
	same(t, "Stats()", e.Stats(), event.Stats{})
}

// While tracking is on the event knows who waits, also of goroutines.
func TestEventTellsWhoWaits(t *testing.T) {
	core.Track(true)
	defer core.Track(false)
	synctest.Test(t, func(t *testing.T) {
		var e event.AsyncEvent
		var c calls
		c.start("a", func() string { return text(e.Wait(t.Context())) })
		c.want(t)
		if s := e.Stats(); s.Waiting != 1 || len(s.Who.Waiters) != 1 {
			t.Errorf("Stats() = %+v, who %+v", s, s.Who)
		}
		e.Fire()
		c.want(t, "a ok")
	})
}
