package stream

import "context"

// Fold runs s and returns what fn makes of the result before and each value, beginning with init.
// If the stream ends with an error, fn returns one, or ctx ends first or is done at the call,
// it returns that error and the result so far. [ErrStop] of fn ends it well, with the
// result so far. fn may wait, with the ctx it is given.
func Fold[T, U any](ctx context.Context, s Stream[T], init U, fn func(ctx context.Context, sum U, v T) (U, error)) (U, error) {
	needStream("Fold", s)
	need("Fold", "function", fn != nil)
	sum := init
	err := ForEach(ctx, s, func(ctx context.Context, v T) error {
		next, err := fn(ctx, sum, v)
		if err == nil {
			sum = next
		}
		return err
	})
	return sum, err
}

// Count runs s and returns how many values there were, and its error, or ctx.Err() if ctx
// ends first or is done at the call.
func Count[T any](ctx context.Context, s Stream[T]) (int, error) {
	needStream("Count", s)
	n := 0
	err := ForEach(ctx, s, func(context.Context, T) error {
		n++
		return nil
	})
	return n, err
}

// First runs s until there is a value and returns it; what is behind it stays at the source. ok is
// false if the stream has ended without one: with err, or well if that is nil. If ctx ends
// first, or is done at the call, err is ctx.Err().
func First[T any](ctx context.Context, s Stream[T]) (v T, ok bool, err error) {
	needStream("First", s)
	err = ForEach(ctx, s, func(_ context.Context, first T) error {
		v, ok = first, true
		return ErrStop
	})
	return v, ok, err
}

// Last runs s and returns its last value. ok is false if there was none. If the stream ends with
// an error, or ctx ends first or is done at the call, err is that error, and v the last value
// before it.
func Last[T any](ctx context.Context, s Stream[T]) (v T, ok bool, err error) {
	needStream("Last", s)
	err = ForEach(ctx, s, func(_ context.Context, next T) error {
		v, ok = next, true
		return nil
	})
	return v, ok, err
}
