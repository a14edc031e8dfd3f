package stream

import "context"

// Distinct is a stream of the values of s without those that are equal to the one before, as
// slices.Compact has it: 1 1 2 1 becomes 1 2 1. It knows only the last value; to drop what has
// been there at any time needs memory without a bound, and is a [Filter] with a map of the
// caller's, who knows how large that may become. A NaN, which is not equal to itself, is never
// dropped.
func Distinct[T comparable](s Stream[T]) Stream[T] {
	needStream("Distinct", s)
	return &distinct[T]{s}
}

type distinct[T comparable] struct{ src Stream[T] }

func (d *distinct[T]) run(ctx context.Context, emit func(T) error) error {
	var last T
	first := true
	return d.src.run(ctx, func(v T) error {
		if !first && v == last {
			return nil
		}
		first, last = false, v
		return emit(v)
	})
}

// DistinctBy is [Distinct] by a key: it drops the values whose key is equal to that of the one
// before. An error of key ends the stream, behind the values before; [ErrStop] ends it
// without an error. key may wait, with the ctx it is given.
func DistinctBy[T any, K comparable](s Stream[T], key func(ctx context.Context, v T) (K, error)) Stream[T] {
	needStream("DistinctBy", s)
	need("DistinctBy", "function", key != nil)
	return &distinctBy[T, K]{s, key}
}

type distinctBy[T any, K comparable] struct {
	src Stream[T]
	key func(context.Context, T) (K, error)
}

func (d *distinctBy[T, K]) run(ctx context.Context, emit func(T) error) error {
	var last K
	key, first, stopped := d.key, true, false
	err := d.src.run(ctx, func(v T) error {
		k, err := key(ctx, v)
		if err != nil {
			stopped = err == ErrStop
			return err
		}
		if !first && k == last {
			return nil
		}
		first, last = false, k
		return emit(v)
	})
	return settled(err, stopped)
}
