package stream

import (
	"context"

	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// RateLimit is a stream of the values of s, each of which takes a token of b before it goes on, and
// waits for it: so a full bucket lets as many go at once as it has capacity, and then they go at
// the rate of its filling. Time is that of the bucket: see xsync.NewTokenBucketOn for the clock
// of a dispatcher. No value is lost, s is held up. Nothing is buffered but the value that
// waits, which is dropped if ctx ends meanwhile.
//
// The limit is for all runs, and all streams with the same bucket, together: they have their turns
// in order of arrival.
func RateLimit[T any](s Stream[T], b *xsync.TokenBucket) Stream[T] {
	needStream("RateLimit", s)
	need("RateLimit", "bucket", b != nil)
	return &limited[T]{s, b}
}

type limited[T any] struct {
	src    Stream[T]
	bucket *xsync.TokenBucket
}

func (l *limited[T]) run(ctx context.Context, emit func(T) error) error {
	return l.src.run(ctx, func(v T) error {
		if err := l.bucket.Consume(ctx, 1); err != nil {
			return err
		}
		return emit(v)
	})
}
