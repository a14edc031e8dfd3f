package stream

import "context"

// Map is a stream of what fn makes of each value of s, one at a time and in order. An error of fn
// ends the stream, behind the values before; [ErrStop] ends it without an error.
// fn may wait, with the ctx it is given. Nothing is buffered.
func Map[T, U any](s Stream[T], fn func(ctx context.Context, v T) (U, error)) Stream[U] {
	needStream("Map", s)
	need("Map", "function", fn != nil)
	return &mapped[T, U]{s, fn}
}

type mapped[T, U any] struct {
	src Stream[T]
	fn  func(context.Context, T) (U, error)
}

func (m *mapped[T, U]) run(ctx context.Context, emit func(U) error) error {
	fn, stopped := m.fn, false
	err := m.src.run(ctx, func(v T) error {
		u, err := fn(ctx, v)
		if err != nil {
			stopped = err == ErrStop
			return err
		}
		return emit(u)
	})
	return settled(err, stopped)
}
