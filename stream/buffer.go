package stream

import (
	"context"
	"errors"
	"fmt"
)

// Policy says what a [Buffer] does with a value for which it has no room.
type Policy uint8

const (
	// Suspend lets the source wait until there is room.
	Suspend Policy = iota
	// DropOldest drops the value that has been in the buffer for longest, in favor of the new one.
	DropOldest
	// DropNewest drops the value that has just come.
	DropNewest
	// Fail ends the stream with ErrOverflow, behind what is in the buffer. The value that has
	// just come is dropped, and the source stopped.
	Fail
)

// ErrOverflow is the error of a [Buffer] with the policy [Fail] that was full.
var ErrOverflow = errors.New("stream: buffer overflow")

// Buffer is a stream of the values of s, in order, which lets s go ahead by n values: it runs s on a
// task of its own, which goes on until n values wait for the stages behind. What happens to
// the next one is the policy's to say; [Suspend] holds it, besides the n. If the stages
// behind stop the stream, what is in the buffer is dropped.
//
// A source that never waits gives others a turn with each value that is dropped.
// Buffer panics if n is less than 1, or the policy unknown.
func Buffer[T any](s Stream[T], n int, policy Policy) Stream[T] {
	needStream("Buffer", s)
	switch {
	case n < 1:
		panic(fmt.Sprintf("stream: buffer of %d", n))
	case policy > Fail:
		panic(fmt.Sprintf("stream: unknown policy %d", policy))
	}
	return &buffered[T]{s, n, policy}
}

type buffered[T any] struct {
	src    Stream[T]
	n      int
	policy Policy
}

func (b *buffered[T]) run(ctx context.Context, emit func(T) error) error {
	p := &pipe[T]{room: b.n, policy: b.policy, open: 1}
	return beside(ctx,
		func(ctx context.Context) error { return p.fill(ctx, b.src) },
		func(ctx context.Context) error { return p.drain(ctx, emit) })
}
