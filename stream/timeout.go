package stream

import (
	"context"
	"errors"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
)

// ErrTimeout is the error of a [Timeout] whose source has taken too long.
var ErrTimeout = errors.New("stream: timeout")

// Timeout is a stream of the values of s that fails with [ErrTimeout] when the stages behind have
// waited for the next value, or for the end, for d: then s is canceled, and waited for. The time in
// which they are busy does not count.
//
// Time is that of the dispatcher in a task. Timeout runs s on a task of its own, which holds one
// value until it is wanted. If the stages behind stop the stream, it is dropped. Timeout panics if d is
// not above 0.
func Timeout[T any](s Stream[T], d time.Duration) Stream[T] {
	needStream("Timeout", s)
	if d <= 0 {
		panic("stream: Timeout of " + d.String())
	}
	return &timed[T]{s, d}
}

type timed[T any] struct {
	src Stream[T]
	d   time.Duration
}

func (t *timed[T]) run(ctx context.Context, emit func(T) error) error {
	p := &pipe[T]{open: 1}
	return beside(ctx,
		func(ctx context.Context) error { return p.fill(ctx, t.src) },
		func(ctx context.Context) error {
			for {
				limited, cancel := core.WithTimeout(ctx, t.d)
				v, err := p.get(limited)
				late := err != nil && limited.Err() != nil
				cancel()
				switch {
				case late && ctx.Err() != nil:
					return ctx.Err()
				case late && !p.over():
					return ErrTimeout
				case late:
					err = p.end
				}
				if err == errEnd {
					return nil
				}
				if err == nil {
					err = emit(v)
				}
				if err != nil {
					return err
				}
			}
		})
}
