package stream

import (
	"context"
	"fmt"
)

// Window is a stream of slices of n values of s each, in order, each of which begins step values
// behind the one before: with a smaller step than n they overlap, with a larger one values
// between them are dropped. A slice comes with its last value, and belongs to whoever
// receives it. There are only full ones: what is left at the end is dropped; [Batch] keeps
// it. Up to n - 1 values are held. Window panics if n or step is less than 1.
func Window[T any](s Stream[T], n, step int) Stream[[]T] {
	needStream("Window", s)
	if n < 1 || step < 1 {
		panic(fmt.Sprintf("stream: windows of %d, every %d", n, step))
	}
	return &windowed[T]{s, n, step}
}

type windowed[T any] struct {
	src     Stream[T]
	n, step int
}

func (w *windowed[T]) run(ctx context.Context, emit func([]T) error) error {
	var cur []T
	skip := 0 // values before the next window begins
	return w.src.run(ctx, func(v T) error {
		if skip > 0 {
			skip--
			return nil
		}
		if cur = append(cur, v); len(cur) < w.n {
			return nil
		}
		full := cur
		if w.step < w.n {
			cur = append(make([]T, 0, w.n), full[w.step:]...)
		} else {
			cur, skip = make([]T, 0, w.n), w.step-w.n
		}
		return emit(full)
	})
}

// Pairwise is a stream of each value of s together with the one before it; so there is one pair
// less than there are values. It is [Window] of 2 with a step of 1, without allocations.
func Pairwise[T any](s Stream[T]) Stream[[2]T] {
	needStream("Pairwise", s)
	return &pairwise[T]{s}
}

type pairwise[T any] struct{ src Stream[T] }

func (p *pairwise[T]) run(ctx context.Context, emit func([2]T) error) error {
	var last T
	first := true
	return p.src.run(ctx, func(v T) error {
		pair := [2]T{last, v}
		last = v
		if first {
			first = false
			return nil
		}
		return emit(pair)
	})
}
