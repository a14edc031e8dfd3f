package event_test

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/event"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/internal/check/tasks"
)

// Each Fire is for who has waited longest, however many come and give up: golang/go#13086.
func TestBugGo13086(t *testing.T) {
	var s event.AsyncSignal
	var o tasks.Order
	rounds := check.Many(100, 10000)
	left := 100
	if err := o.Contend(100, func(ctx context.Context, rnd *rand.Rand) error {
		for range rounds {
			if rnd.IntN(2) == 0 || s.Stats().Waiting == left-1 {
				s.Fire()
				if s.Stats().Waiting > 0 && s.TryWait() {
					t.Error("TryWait overtook those who wait")
				}
				o.Turn()
				_ = core.Yield(ctx)
				continue
			}
			_ = o.Call(ctx, s.Stats().Waiting, s.Wait)
		}
		left--
		for left == s.Stats().Waiting && left > 0 { // nobody else is left to fire
			s.Fire()
			o.Turn()
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if o.Overtaken != 0 {
		t.Errorf("%d overtakings", o.Overtaken)
	}
	if o.Waited < 10*rounds || o.Canceled < rounds/10 {
		t.Errorf("%d waited and %d were canceled: that shows little", o.Waited, o.Canceled)
	}
}

// Those whom one call lets go go in the order in which they came, and nobody goes who has come later, however
// many give up meanwhile.
func TestGatesInOrder(t *testing.T) {
	var e event.AsyncEvent
	var w event.Watch[int]
	var log event.AsyncEventQueue[int]
	r := log.Subscribe()
	for name, gate := range map[string]struct {
		waiting func() int
		wait    func(ctx context.Context) error
		open    func()
	}{
		"AsyncEvent": {func() int { return e.Stats().Waiting }, e.Wait, func() { e.Fire(); e.Clear() }},
		"Watch": {func() int { return w.Stats().Waiting }, func(ctx context.Context) error {
			_, version := w.Load()
			_, _, err := w.Changed(ctx, version)
			return err
		}, func() { w.Set(1) }},
		"Reader": {func() int { return log.Stats().Waiting }, func(ctx context.Context) error {
			_, err := r.Read(ctx, 1)
			return err
		}, func() {
			for range 1 + log.Stats().Waiting/2 {
				log.Emit(1)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var o tasks.Order
			if err := o.Gate(100, check.Many(100, 10_000), gate.waiting, gate.wait, gate.open); err != nil {
				t.Fatal(err)
			}
			t.Logf("%d waited, %d gave up, %d were overtaken", o.Waited, o.Canceled, o.Overtaken)
		})
	}
}
