package stream

import "context"

// Merge is a stream of the values of all of ss, as they come: those of each in its order, those of
// different ones in the order in which they are there. It ends when all have ended, or with the
// first error of one, behind the values that came before it. Of none it is empty.
//
// Each of ss runs on a task of its own and holds one value until it is wanted: those that
// wait with one have their turns in order of arrival. If the stages behind stop the stream,
// these values are dropped.
func Merge[T any](ss ...Stream[T]) Stream[T] {
	for _, s := range ss {
		needStream("Merge", s)
	}
	return merged[T](append([]Stream[T](nil), ss...))
}

type merged[T any] []Stream[T]

func (m merged[T]) run(ctx context.Context, emit func(T) error) error {
	if len(m) == 0 {
		return nil
	}
	p := &pipe[T]{open: len(m)}
	fill := make([]func(context.Context) error, len(m))
	for i, s := range m {
		fill[i] = func(ctx context.Context) error { return p.fill(ctx, s) }
	}
	t := team{ctx: ctx}
	return t.run(func(ctx context.Context) error { return p.drain(ctx, emit) }, fill...)
}
