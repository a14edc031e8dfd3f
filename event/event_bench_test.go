package event_test

import (
	"context"
	"testing"

	"github.com/seed-1e54c410/turnstile/event"
)

// chanEvent is the event that a closed channel makes: it can be waited for with a ctx,
// and never be taken back.
type chanEvent chan struct{}

func (e chanEvent) Wait(ctx context.Context) error {
	select {
	case <-e:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e chanEvent) Fire() { close(e) }

type waiter interface {
	Wait(ctx context.Context) error
	Fire()
}

func eachEvent(b *testing.B, run func(b *testing.B, mk func() waiter)) {
	b.Run("impl=AsyncEvent", func(b *testing.B) { run(b, func() waiter { return new(event.AsyncEvent) }) })
	b.Run("impl=chan", func(b *testing.B) { run(b, func() waiter { return make(chanEvent) }) })
}

func BenchmarkWaitSet(b *testing.B) {
	eachEvent(b, func(b *testing.B, mk func() waiter) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		e := mk()
		e.Fire()
		b.ReportAllocs()
		for b.Loop() {
			_ = e.Wait(ctx)
		}
	})
}

// BenchmarkFire makes an event, lets a goroutine wait for it, and fires.
func BenchmarkFire(b *testing.B) {
	eachEvent(b, func(b *testing.B, mk func() waiter) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		events, done := make(chan waiter), make(chan struct{})
		go func() {
			defer close(done)
			for e := range events {
				_ = e.Wait(ctx)
				done <- struct{}{}
			}
		}()
		b.ReportAllocs()
		for b.Loop() {
			e := mk()
			events <- e
			e.Fire()
			<-done
		}
		close(events)
		<-done
	})
}
