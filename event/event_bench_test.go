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

// BenchmarkSignal fires and waits on one goroutine, beside a channel of one place.
func BenchmarkSignal(b *testing.B) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b.Run("impl=AsyncSignal", func(b *testing.B) {
		var s event.AsyncSignal
		b.ReportAllocs()
		for b.Loop() {
			s.Fire()
			_ = s.Wait(ctx)
		}
	})
	b.Run("impl=chan", func(b *testing.B) {
		ch := make(chan struct{}, 1)
		b.ReportAllocs()
		for b.Loop() {
			select {
			case ch <- struct{}{}:
			default:
			}
			select {
			case <-ch:
			case <-ctx.Done():
			}
		}
	})
}

// BenchmarkBroadcast emits to four readers and lets them read, beside four channels.
func BenchmarkBroadcast(b *testing.B) {
	const readers, batch = 4, 16
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b.Run("impl=AsyncEventQueue", func(b *testing.B) {
		q := event.NewAsyncEventQueue[int](batch)
		var rs []*event.Reader[int]
		for range readers {
			rs = append(rs, q.Subscribe())
		}
		b.ReportAllocs()
		for b.Loop() {
			for v := range batch {
				_ = q.Emit(v)
			}
			for _, r := range rs {
				_, _ = r.Read(ctx, 0)
			}
		}
	})
	b.Run("impl=chan", func(b *testing.B) {
		var chans []chan int
		for range readers {
			chans = append(chans, make(chan int, batch))
		}
		b.ReportAllocs()
		for b.Loop() {
			for v := range batch {
				for _, ch := range chans {
					ch <- v
				}
			}
			for _, ch := range chans {
				for range batch {
					select {
					case <-ch:
					case <-ctx.Done():
					}
				}
			}
		}
	})
}
