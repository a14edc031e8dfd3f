package stream

import (
	"context"
	"iter"
	"strings"
)

// ForEach runs s and calls fn with each value, one at a time and in order. It returns nil at
// the end of the stream, or if fn returns [ErrStop]; the first error of fn or of the stream;
// or ctx.Err() if ctx ends first, or is done at the call. In any case all that the stages of
// s have started has ended when it returns.
func ForEach[T any](ctx context.Context, s Stream[T], fn func(ctx context.Context, v T) error) error {
	needStream("ForEach", s)
	need("ForEach", "function", fn != nil)
	if err := ctx.Err(); err != nil {
		return err
	}
	stopped := false
	err := s.run(ctx, func(v T) error {
		err := fn(ctx, v)
		if err != nil {
			stopped = err == ErrStop
		}
		return err
	})
	return settled(err, stopped)
}

// ReadAll runs s and returns its values. If the stream ends with an error, or ctx ends
// first, it returns that error and the values that came before it. From a [FutureStream] it
// takes what is there at once, not one by one.
func ReadAll[T any](ctx context.Context, s Stream[T]) ([]T, error) {
	needStream("ReadAll", s)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if f, ok := s.(*FutureStream[T]); ok {
		return f.readAll(ctx)
	}
	var all []T
	err := s.run(ctx, func(v T) error {
		all = append(all, v)
		return nil
	})
	return all, err
}

// ReadAllString is [ReadAll] that joins text.
func ReadAllString(ctx context.Context, s Stream[string]) (string, error) {
	needStream("ReadAllString", s)
	if err := ctx.Err(); err != nil {
		return "", err
	}
	var all strings.Builder
	err := s.run(ctx, func(v string) error {
		all.WriteString(v)
		return nil
	})
	return all.String(), err
}

// ReadAllBytes is [ReadAll] that joins bytes. It keeps none of the slices that it
// is given.
func ReadAllBytes(ctx context.Context, s Stream[[]byte]) ([]byte, error) {
	needStream("ReadAllBytes", s)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var all []byte
	err := s.run(ctx, func(v []byte) error {
		all = append(all, v...)
		return nil
	})
	return all, err
}

// All runs s for a range loop. The error with which the stream ends, or ctx.Err() if ctx
// ends first, is yielded in the last step. When the loop is left, be it by break, return or a
// panic, all that the stages of s have started has ended.
//
// The body of the loop and the stages share one goroutine or task. In a task, iter.Pull
// must not be used on it where a stage waits: that would be on a coroutine the dispatcher
// does not know. [Open] gives values one by one.
func All[T any](ctx context.Context, s Stream[T]) iter.Seq2[T, error] {
	needStream("All", s)
	return func(yield func(T, error) bool) {
		stopped := false
		err := ctx.Err()
		if err == nil {
			err = s.run(ctx, func(v T) error {
				if !yield(v, nil) {
					stopped = true
					return ErrStop
				}
				return nil
			})
		}
		if err != nil && !stopped {
			var zero T
			yield(zero, err)
		}
	}
}
