package stream

import (
	"context"
	"fmt"
)

// Take is a stream of the first n values of s, or of all if there are fewer. It ends when the
// stages behind have dealt with the n-th, without waiting for more: s is stopped then, and
// an error with which it would have ended is not seen. With n = 0 s is not even begun. Take panics if
// n is negative. Nothing is buffered.
func Take[T any](s Stream[T], n int) Stream[T] {
	needStream("Take", s)
	if n < 0 {
		panic(fmt.Sprintf("stream: take of %d values", n))
	}
	return &taken[T]{s, n}
}

type taken[T any] struct {
	src Stream[T]
	n   int
}

func (t *taken[T]) run(ctx context.Context, emit func(T) error) error {
	if t.n == 0 {
		return nil
	}
	left, stopped := t.n, false
	err := t.src.run(ctx, func(v T) error {
		if err := emit(v); err != nil {
			return err
		}
		if left--; left > 0 {
			return nil
		}
		stopped = true
		return ErrStop
	})
	return settled(err, stopped)
}

// TakeWhile is a stream of the values of s before the first for which fn answers false. That one
// is taken from s, and dropped. An error of fn ends the stream, behind the values before;
// [ErrStop] ends it without an error. fn may wait, with the ctx it is given. Nothing
// is buffered.
func TakeWhile[T any](s Stream[T], fn func(ctx context.Context, v T) (bool, error)) Stream[T] {
	needStream("TakeWhile", s)
	need("TakeWhile", "function", fn != nil)
	return &takenWhile[T]{s, fn}
}

type takenWhile[T any] struct {
	src Stream[T]
	fn  func(context.Context, T) (bool, error)
}

func (t *takenWhile[T]) run(ctx context.Context, emit func(T) error) error {
	fn, stopped := t.fn, false
	err := t.src.run(ctx, func(v T) error {
		more, err := fn(ctx, v)
		if err == nil && !more {
			err = ErrStop
		}
		if err != nil {
			stopped = err == ErrStop
			return err
		}
		return emit(v)
	})
	return settled(err, stopped)
}
