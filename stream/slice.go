package stream

import "context"

// FromSlice is a stream of the values of the slice, which every run reads anew and nobody
// may change during one. A run allocates nothing, so this is what [FlatMap] is best given.
func FromSlice[T any](values []T) Stream[T] { return slice[T](values) }

type slice[T any] []T

func (s slice[T]) run(ctx context.Context, emit func(T) error) error {
	for i := range s {
		if err := emit(s[i]); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}
