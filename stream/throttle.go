package stream

import (
	"context"
	"time"
)

// Throttle is a stream of the first value of s and of each that comes when d or more has passed
// since the one given before. It drops the others, so that it never holds up s, nor a value. Time
// is that of the dispatcher in a task. Nothing is buffered. Throttle panics if d is not
// above 0.
//
// Prefer [RateLimit] where no value may be lost, and [Debounce] where the last one counts.
func Throttle[T any](s Stream[T], d time.Duration) Stream[T] {
	needStream("Throttle", s)
	if d <= 0 {
		panic("stream: Throttle of " + d.String())
	}
	return &throttled[T]{s, d}
}

type throttled[T any] struct {
	src Stream[T]
	d   time.Duration
}

func (t *throttled[T]) run(ctx context.Context, emit func(T) error) error {
	var next time.Time
	now := clock(ctx)
	return t.src.run(ctx, func(v T) error {
		at := now()
		if at.Before(next) {
			return nil
		}
		next = at.Add(t.d)
		return emit(v)
	})
}
