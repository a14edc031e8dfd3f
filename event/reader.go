package event

import (
	"context"
	"errors"
	"iter"

	"github.com/seed-1e54c410/turnstile/internal/park"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// Reader reads what is emitted into an [AsyncEventQueue] since it was made by Subscribe. It may be used by
// several at the same time: then each value goes to one of them. There is no other way to make one: the zero value
// panics.
type Reader[T any] struct {
	q *AsyncEventQueue[T]
	// All that follows is guarded by q.mu.
	next   *slot[T] // nil: closed
	queue  xsync.WaitQueue[fetch[T]]
	links  [2]*Reader[T] // neighbors in q.waiting
	listed bool          // in q.waiting: entered by a caller about to queue
}

// fetch is what a waiter brings and takes away.
type fetch[T any] struct {
	max int
	out []T
}

// Read waits until there is something to read, and returns it: at most limit values, or all there
// are if limit ≤ 0, in a slice that is the caller's. If ctx ends first, or is done at the call, it
// returns ctx.Err() and has read nothing. A *[LaggedError] says, once, that values were missed;
// the next Read goes on with the oldest value there is. ErrClosed comes after Close of the reader,
// or of the queue when the rest has been read.
func (r *Reader[T]) Read(ctx context.Context, limit int) ([]T, error) {
	return r.read(ctx, fetch[T]{max: limit})
}

func (r *Reader[T]) read(ctx context.Context, f fetch[T]) ([]T, error) {
	if err := ctx.Err(); err != nil {
		return nil, park.Failed(err)
	}
	f, err := r.queue.Wait(ctx, &r.log().mu, f, r.take)
	if err != nil {
		return nil, err
	}
	return f.out, nil
}

// log returns the queue that r reads.
func (r *Reader[T]) log() *AsyncEventQueue[T] {
	if r.q == nil {
		panic("event: Reader that was not made by Subscribe")
	}
	return r.q
}

// take serves a waiter: with the error that ends it, or with what there is.
func (r *Reader[T]) take(f *fetch[T]) (bool, error) {
	q := r.q
	switch {
	case r.next == nil:
		return true, ErrClosed
	case r.next.seq < q.head.seq:
		missed := q.head.seq - r.next.seq
		r.next = q.head // which counts it already
		return true, &LaggedError{Missed: missed}
	case r.next != q.tail:
	case q.closed:
		return true, ErrClosed
	default:
		r.list()
		return false, nil
	}
	n := int(q.tail.seq - r.next.seq)
	if f.max > 0 {
		n = min(n, f.max)
	}
	if cap(f.out) < n {
		f.out = make([]T, 0, n)
	}
	r.next.readers--
	for range n {
		f.out = append(f.out, r.next.v)
		r.next = r.next.next
	}
	r.next.readers++
	q.compact()
	return true, nil
}

// All iterates over the values, until the reader is closed, or the queue is and the rest has been
// read. A *[LaggedError] is yielded where values were missed, and the loop may go on behind it; any other
// error, that of a ctx that ends above all, is yielded in the last step. A loop that breaks off leaves the
// rest to be read.
func (r *Reader[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var one [1]T
		for {
			var v T
			out, err := r.read(ctx, fetch[T]{max: 1, out: one[:0]})
			switch {
			case err == nil:
				v = out[0]
				clear(out) // it is not kept while the loop waits for the next one
			case errors.Is(err, ErrClosed):
				return
			case !isLagged(err):
				yield(v, err)
				return
			}
			if !yield(v, err) {
				return
			}
		}
	}
}

// isLagged is apart from its caller's loop, in which the target of As would be allocated for each value.
func isLagged(err error) bool {
	var lagged *LaggedError
	return errors.As(err, &lagged)
}

// Close ends the subscription: what is unread is dropped, and every Read returns ErrClosed, those that
// wait included. It is idempotent.
func (r *Reader[T]) Close() {
	q := r.log()
	q.mu.Lock()
	defer q.mu.Unlock()
	if r.next == nil {
		return
	}
	at := r.next
	if at.seq < q.head.seq {
		at = q.head
	}
	at.readers--
	r.next = nil
	q.readers--
	q.compact()
	r.queue.Fail(-1, ErrClosed)
	r.unlist()
}

// list appends the reader to those at which somebody may wait.
func (r *Reader[T]) list() {
	if r.listed {
		return
	}
	q := r.q
	r.listed = true
	r.links[0] = q.waiting[1]
	if r.links[0] == nil {
		q.waiting[0] = r
	} else {
		r.links[0].links[1] = r
	}
	q.waiting[1] = r
}

// unlist takes the reader out again, if it is there.
func (r *Reader[T]) unlist() {
	if !r.listed {
		return
	}
	q := r.q
	for side := range 2 {
		if n := r.links[side]; n == nil {
			q.waiting[side] = r.links[1-side]
		} else {
			n.links[1-side] = r.links[1-side]
		}
	}
	r.links = [2]*Reader[T]{}
	r.listed = false
}
