package stream

import (
	"context"
	"errors"
	"iter"

	"github.com/seed-1e54c410/turnstile/queue"
)

// Stream is the description of a pipeline, or of its beginning, that gives values of
// type T when a sink runs it. It is made by the functions of this package; a
// *[FutureStream] is one, too.
//
// A description holds no values and does nothing by itself. It can be run any number of
// times, also at the same time, if what it begins with can: a slice gives its values to
// every run, while a FutureStream shares them out.
type Stream[T any] interface {
	// run gives the values to emit, one after the other, and returns nil at the end
	// of the stream or the error it ends with. What an implementation keeps to:
	//
	//   - emit is called on the goroutine or task that has called run, before run
	//     returns. Work that needs a task of its own hands its values over, see beside.
	//   - An error of emit means that no more values are wanted, for whatever reason: run
	//     calls it no more, ends what it has started, and returns this error.
	//   - ctx reaches whatever waits. What does not wait looks at it between values.
	//   - When run returns, panics, or ends by Goexit, nothing it has started is left.
	run(ctx context.Context, emit func(T) error) error
}

// ErrStop is returned by a function that was given to a source, an operator or a sink to end
// the stream at its place: the stages before it stop, those behind it, and the sink, see
// a stream that has ended well. It must be ErrStop itself, not an error that wraps it.
var ErrStop = errors.New("stream: stop")

// settled is the end of a stage that may have stopped the stream itself.
func settled(err error, stopped bool) error {
	if stopped && err == ErrStop {
		return nil
	}
	return err
}

// From is a stream of the values of seq, which is iterated over anew in every run. A
// sequence knows no ctx, so the stream looks at it before each further value; one that
// waits itself must watch a ctx of its own.
func From[T any](seq iter.Seq[T]) Stream[T] {
	need("From", "sequence", seq != nil)
	return sequence[T](seq)
}

type sequence[T any] iter.Seq[T]

func (s sequence[T]) run(ctx context.Context, emit func(T) error) error {
	for v := range s {
		if err := emit(v); err != nil {
			return err
		}
		// Looked at here and not before emit, so that no value is drawn and dropped.
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// FromQueue is a stream of the items that are got from q, until q is shut down and
// empty. An item is got only when the one before is dealt with: an early stop
// leaves the rest in the queue. To call TaskDone, for those who wait in Join of q, is left to the
// stages behind, which know when an item is dealt with.
func FromQueue[T any](q *queue.AsyncQueue[T]) Stream[T] {
	need("FromQueue", "queue", q != nil)
	return queued[T]{q}
}

type queued[T any] struct{ q *queue.AsyncQueue[T] }

func (s queued[T]) run(ctx context.Context, emit func(T) error) error {
	for {
		v, err := s.q.Get(ctx)
		if err == queue.ErrShutdown {
			return nil
		}
		if err == nil {
			err = emit(v)
		}
		if err != nil {
			return err
		}
	}
}
