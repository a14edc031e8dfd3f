package main

import (
	"math"
	"time"

	"golang.org/x/time/rate"

	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// rates measures buckets that never run dry, and one that is always empty.
func rates() []*pair {
	full := func() *xsync.TokenBucket { return xsync.NewTokenBucket(math.MaxInt32, time.Second, xsync.Continuous) }
	return []*pair{
		line("TokenBucket.TryConsume", timed(func(n int) {
			b := full()
			for range n {
				b.TryConsume(1)
			}
		}), "x/time rate.Limiter.Allow", timed(func(n int) {
			l := rate.NewLimiter(math.MaxInt32, math.MaxInt32)
			for range n {
				l.Allow()
			}
		})),
		line("TokenBucket.Consume, cancelable ctx", timed(func(n int) {
			b := full()
			for range n {
				must(b.Consume(cancelable, 1))
			}
		}), "x/time rate.Limiter.Wait", timed(func(n int) {
			l := rate.NewLimiter(math.MaxInt32, math.MaxInt32)
			for range n {
				must(l.Wait(cancelable))
			}
		})),
		line("TokenBucket, 100 goroutines, a token each 2 µs", byGoroutines(nothing, 0, func() (func() error, func()) {
			b := xsync.NewTokenBucket(100, 200*time.Microsecond, xsync.Continuous)
			b.TryConsume(100)
			return func() error { return b.Consume(cancelable, 1) }, nothing
		}), "x/time rate.Limiter", byGoroutines(nothing, 0, func() (func() error, func()) {
			l := rate.NewLimiter(500_000, 100)
			l.AllowN(time.Now(), 100)
			return func() error { return l.Wait(cancelable) }, nothing
		})),
	}
}
