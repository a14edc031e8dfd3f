package stream

import (
	"context"
	"fmt"
)

// Skip is a stream of the values of s behind the first n. Those are taken from s, and
// dropped. Skip panics if n is negative. Nothing is buffered.
func Skip[T any](s Stream[T], n int) Stream[T] {
	needStream("Skip", s)
	if n < 0 {
		panic(fmt.Sprintf("stream: skip of %d values", n))
	}
	return &skipped[T]{s, n}
}

type skipped[T any] struct {
	src Stream[T]
	n   int
}

func (s *skipped[T]) run(ctx context.Context, emit func(T) error) error {
	left := s.n
	return s.src.run(ctx, func(v T) error {
		if left > 0 {
			left--
			return nil
		}
		return emit(v)
	})
}

// SkipWhile is a stream of the values of s from the first for which fn answers false. For those
// behind it fn is not called. An error of fn ends the stream; [ErrStop] ends it without an
// error. fn may wait, with the ctx it is given. Nothing is buffered.
func SkipWhile[T any](s Stream[T], fn func(ctx context.Context, v T) (bool, error)) Stream[T] {
	needStream("SkipWhile", s)
	need("SkipWhile", "function", fn != nil)
	return &skippedWhile[T]{s, fn}
}

type skippedWhile[T any] struct {
	src Stream[T]
	fn  func(context.Context, T) (bool, error)
}

func (s *skippedWhile[T]) run(ctx context.Context, emit func(T) error) error {
	fn, skipping, stopped := s.fn, true, false
	err := s.src.run(ctx, func(v T) error {
		if skipping {
			skip, err := fn(ctx, v)
			if err != nil {
				stopped = err == ErrStop
				return err
			}
			if skip {
				return nil
			}
			skipping = false
		}
		return emit(v)
	})
	return settled(err, stopped)
}
