package stream

import (
	"context"
	"iter"
)

// FromAll is a stream of the values of the sequence that all returns for the ctx of the run. It ends with that, or with
// the first error in it. So whatever can be iterated over with a ctx can be a source, by its method All:
//
//	changes := stream.FromAll(reader.All) // reader is an *event.Reader
//
// An error behind which the sequence would go on, such as the *event.LaggedError of such a reader, ends the stream, too:
// then all is called again by the next run, such as that of a [Retry]. A value is drawn when the one before is dealt with.
func FromAll[T any](all func(ctx context.Context) iter.Seq2[T, error]) Stream[T] {
	need("FromAll", "function", all != nil)
	return iterated[T](all)
}

type iterated[T any] func(ctx context.Context) iter.Seq2[T, error]

func (all iterated[T]) run(ctx context.Context, emit func(T) error) error {
	for v, err := range all(ctx) {
		if err == nil {
			err = emit(v)
		}
		// Looked at here and not before emit, so that no value is drawn and dropped.
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
	}
	return nil
}
