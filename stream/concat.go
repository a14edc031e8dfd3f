package stream

import (
	"context"
	"slices"
)

// Concat is a stream of the values of the given streams, one behind the other. Each is
// begun when the one before has ended. An error of one of them ends the whole, and those behind it
// are not begun. Nothing is buffered. Of nothing, it is an empty stream.
func Concat[T any](streams ...Stream[T]) Stream[T] {
	for _, s := range streams {
		needStream("Concat", s)
	}
	return concat[T](slices.Clone(streams))
}

type concat[T any] []Stream[T]

func (c concat[T]) run(ctx context.Context, emit func(T) error) error {
	for _, s := range c {
		err := s.run(ctx, emit)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
	}
	return nil
}
