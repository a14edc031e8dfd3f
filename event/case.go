package event

import (
	"github.com/seed-1e54c410/turnstile/internal/park"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// WaitCase returns the case of an xsync.Select that wins when the event is set.
func (e *AsyncEvent) WaitCase() xsync.Case { return e.queue.Case(&e.mu, struct{}{}, e.take, nil) }

// WaitCase returns the case of an xsync.Select that takes a Fire.
func (s *AsyncSignal) WaitCase() xsync.Case { return s.queue.Case(&s.mu, struct{}{}, s.take, nil) }

// ChangedCase returns the case of an xsync.Select that wins when the version is another than since. Load
// then tells the value.
func (w *Watch[T]) ChangedCase(since uint64) xsync.Case {
	return park.Open(w.queue.Case(&w.mu, since, w.take, nil))
}

// ReadCase returns the case of an xsync.Select that reads as [Reader.Read] does. If it wins without an
// error, the values are in out, in a new slice. A nil out panics.
func (r *Reader[T]) ReadCase(limit int, out *[]T) xsync.Case {
	if out == nil {
		panic("event: ReadCase with a nil pointer")
	}
	return r.queue.Case(&r.log().mu, fetch[T]{max: limit}, r.take, func(f fetch[T], err error) {
		if err == nil {
			*out = f.out
		}
	})
}
