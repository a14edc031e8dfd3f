package stream

import "context"

// Filter is a stream of those values of s for which fn answers true. An error of fn ends the
// stream, behind the values before; [ErrStop] ends it without an error. fn may wait,
// with the ctx it is given. Nothing is buffered.
func Filter[T any](s Stream[T], fn func(ctx context.Context, v T) (bool, error)) Stream[T] {
	needStream("Filter", s)
	need("Filter", "function", fn != nil)
	return &filtered[T]{s, fn}
}

type filtered[T any] struct {
	src Stream[T]
	fn  func(context.Context, T) (bool, error)
}

func (f *filtered[T]) run(ctx context.Context, emit func(T) error) error {
	fn, stopped := f.fn, false
	err := f.src.run(ctx, func(v T) error {
		keep, err := fn(ctx, v)
		switch {
		case err != nil:
			stopped = err == ErrStop
			return err
		case !keep:
			return nil
		}
		return emit(v)
	})
	return settled(err, stopped)
}
