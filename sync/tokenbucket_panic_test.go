package xsync_test

import (
	"testing"
	"time"

	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// broken is a clock that panics when it is needed.
type broken struct{ manual }

func (*broken) AfterFunc(time.Duration, func()) *time.Timer { panic("boom") }

// stopped is a clock that panics when it is asked for the time.
type stopped struct {
	manual
	broken bool
}

func (s *stopped) Now() time.Time {
	if s.broken {
		panic("boom")
	}
	return s.manual.Now()
}

func TestTokenBucketPanicOfClock(t *testing.T) {
	b := xsync.NewTokenBucketOn(&broken{}, 1, time.Second, xsync.Continuous)
	mustPanic(t, "boom", func() { _ = b.Consume(t.Context(), 2) })
	want(t, b.Stats(), xsync.TokenBucketStats{Capacity: 1, Available: 1})
	mustPanic(t, "boom", func() { _ = only(t.Context(), b.ConsumeCase(2)) })
	want(t, b.Stats(), xsync.TokenBucketStats{Capacity: 1, Available: 1})
	clock := &stopped{}
	b = xsync.NewTokenBucketOn(clock, 1, time.Second, xsync.Continuous)
	c := b.ConsumeCase(1)
	clock.broken = true
	mustPanic(t, "boom", func() { _ = only(t.Context(), c) })
	clock.broken = false
	want(t, b.Stats(), xsync.TokenBucketStats{Capacity: 1, Available: 1})
	var zero xsync.TokenBucket
	for _, call := range []func(){
		func() { zero.TryConsume(0) },
		func() { _ = zero.Consume(t.Context(), 1) },
		func() { zero.Replenish(1) },
		func() { zero.Available() },
		func() { zero.Stats() },
		func() { zero.ConsumeCase(1) },
	} {
		mustPanic(t, "xsync: TokenBucket not made by NewTokenBucket", call)
	}
}
