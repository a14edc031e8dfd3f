package stream

import "context"

// FlatMap is a stream of the values of the streams that fn makes of the values of s, one stream
// behind the other: the next value of s is taken when the stream for the one before has ended. A
// nil stream has no values. An error of fn, or of one of those streams, ends the whole,
// behind the values before; [ErrStop] of fn ends it without an error. fn may wait, with
// the ctx it is given. Nothing is buffered, and beyond what fn and its streams need nothing is
// allocated.
func FlatMap[T, U any](s Stream[T], fn func(ctx context.Context, v T) (Stream[U], error)) Stream[U] {
	needStream("FlatMap", s)
	need("FlatMap", "function", fn != nil)
	return &flattened[T, U]{s, fn}
}

type flattened[T, U any] struct {
	src Stream[T]
	fn  func(context.Context, T) (Stream[U], error)
}

func (f *flattened[T, U]) run(ctx context.Context, emit func(U) error) error {
	fn, stopped := f.fn, false
	err := f.src.run(ctx, func(v T) error {
		inner, err := fn(ctx, v)
		if err != nil {
			stopped = err == ErrStop
			return err
		}
		if inner == nil {
			return nil
		}
		// fn may have waited, and a source may rely on a ctx that is not done when it begins.
		if err := ctx.Err(); err != nil {
			return err
		}
		// An ErrStop from here is not ours: an inner stage has settled its own, so that it
		// is that of a stage behind, or a failure.
		return inner.run(ctx, emit)
	})
	return settled(err, stopped)
}
