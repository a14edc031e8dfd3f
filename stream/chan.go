package stream

import (
	"context"

	"github.com/seed-1e54c410/turnstile/core"
)

// FromChan is a stream of what is received from ch, until ch is closed. A value is received
// only when the one before is dealt with: an early stop leaves the rest in the channel.
// From a nil channel nothing comes, until the ctx of the sink ends. A task waits as
// [core.Receive] does.
func FromChan[T any](ch <-chan T) Stream[T] { return received[T]{ch} }

type received[T any] struct{ ch <-chan T }

func (s received[T]) run(ctx context.Context, emit func(T) error) error {
	for {
		v, ok, err := core.Receive(ctx, s.ch)
		if err == nil {
			if !ok {
				return nil
			}
			err = emit(v)
		}
		if err != nil {
			return err
		}
	}
}

// ToChan runs s and sends its values to ch. It returns nil at the end of the stream, else its
// error, or ctx.Err() if ctx ends first, or is done at the call; a value that nobody has
// received by then is dropped. ch stays open: that the values are all there, and with
// what outcome, is for the caller to tell, who may close it. A task waits as [core.Send] does.
// On a channel that is closed ToChan panics, as a send does; a nil one takes nothing, until ctx ends.
func ToChan[T any](ctx context.Context, s Stream[T], ch chan<- T) error {
	needStream("ToChan", s)
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.run(ctx, func(v T) error { return core.Send(ctx, ch, v) })
}
