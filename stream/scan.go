package stream

import "context"

// Scan is a stream of what fn makes of the result before and each value of s, beginning with
// init, which is itself not among the values: a running sum, a state that changes. [Fold] gives the
// last result alone. An error of fn ends the stream, behind the values before; [ErrStop] ends it
// without an error. fn may wait, with the ctx it is given. Nothing is buffered.
//
// Every run begins with the same init: where that is a map, a slice or a pointer, fn should make
// a new one and not change it.
func Scan[T, U any](s Stream[T], init U, fn func(ctx context.Context, sum U, v T) (U, error)) Stream[U] {
	needStream("Scan", s)
	need("Scan", "function", fn != nil)
	return &scanned[T, U]{s, init, fn}
}

type scanned[T, U any] struct {
	src  Stream[T]
	init U
	fn   func(context.Context, U, T) (U, error)
}

func (s *scanned[T, U]) run(ctx context.Context, emit func(U) error) error {
	sum, fn, stopped := s.init, s.fn, false
	err := s.src.run(ctx, func(v T) error {
		next, err := fn(ctx, sum, v)
		if err != nil {
			stopped = err == ErrStop
			return err
		}
		sum = next
		return emit(sum)
	})
	return settled(err, stopped)
}
