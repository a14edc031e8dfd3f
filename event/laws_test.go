package event_test

import (
	"errors"
	"testing"

	"github.com/seed-1e54c410/turnstile/event"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/proptest/laws"
)

func TestLawsOfAsyncEvent(t *testing.T) {
	check.Cases(t, 100_000)
	laws.Event(t, func() laws.Waiter { return new(event.AsyncEvent) })
}

// eventQueue fits an AsyncEventQueue to the suite.
type eventQueue struct{ *event.AsyncEventQueue[int] }

func (q eventQueue) Subscribe() laws.Subscriber { return q.AsyncEventQueue.Subscribe() }

func TestLawsOfAsyncEventQueue(t *testing.T) {
	check.Cases(t, 100_000)
	laws.Broadcast(t, func(limit int) laws.Broadcaster { return eventQueue{event.NewAsyncEventQueue[int](limit)} },
		func(err error) (missed int, ok bool) {
			var lagged *event.LaggedError
			if ok = errors.As(err, &lagged); ok {
				missed = int(lagged.Missed)
			}
			return missed, ok
		})
}
