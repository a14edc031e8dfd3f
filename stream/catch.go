package stream

import "context"

// Catch is a stream of the values of s that goes on, where s fails, with those of the stream that fn makes of
// the error: a fallback, or, with a nil stream, which has no values, a good end. An error of fn is that of the stream,
// so that fn can pass on the one it was given, or another in its place; [ErrStop] ends the stream without one.
// fn may wait, with the ctx it is given. Nothing is buffered.
//
// What s has given stays given. Only errors of s are for fn: not what comes from the stages behind, a panic, the end of
// ctx, or an error of the stream that fn has made. To try s itself again there is [Retry].
func Catch[T any](s Stream[T], fn func(ctx context.Context, err error) (Stream[T], error)) Stream[T] {
	needStream("Catch", s)
	need("Catch", "function", fn != nil)
	return &caught[T]{s, fn}
}

type caught[T any] struct {
	src Stream[T]
	fn  func(context.Context, error) (Stream[T], error)
}

func (c *caught[T]) run(ctx context.Context, emit func(T) error) error {
	var behind error // what the stages behind have returned
	err := c.src.run(ctx, func(v T) error {
		behind = emit(v)
		return behind
	})
	if err == nil || behind != nil || ctx.Err() != nil {
		return err
	}
	next, err := c.fn(ctx, err)
	if err != nil {
		return settled(err, true)
	}
	if next == nil {
		return nil
	}
	// fn may have waited, and a source may rely on a ctx that is not done when it begins.
	if err := ctx.Err(); err != nil {
		return err
	}
	return next.run(ctx, emit)
}
