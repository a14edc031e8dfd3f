package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"

	"github.com/seed-1e54c410/turnstile/internal/park"
	"github.com/seed-1e54c410/turnstile/internal/ring"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// Rendezvous is the buffer size of a stream without a buffer: a Write waits until
// a Read takes its value.
const Rendezvous = -1

// ErrEnded is returned by Write when the stream has ended: by Complete or Fail.
var ErrEnded = errors.New("stream: write after the end")

// FutureStream is a sequence of values that are still to come, and that ends: with
// Complete, or with the error of Fail. Any number of writers and readers share it; each
// value is read once. It is a [Stream], so that a pipeline can begin with it.
//
// The zero value is an empty stream that buffers without a bound. It must not be copied
// after first use.
//
// Fairness: strictly by arrival, on both sides. A value goes straight to the first reader
// that waits, room to the first writer that waits. At the end all readers that
// wait are woken.
//
// Cancellation: a canceled Write has not written, a canceled Read has not read. If the value or
// the room was given first, the call succeeds all the same, and the cancel shows in
// the next wait with that ctx. No value is lost or read twice.
//
// Order of the end: what was written before it can be read after it, and only then
// comes the end itself, io.EOF or the error.
//
// Memory ordering: a Write happens before the return of the Read that gets its value, and
// Complete and Fail before the return of a Read that finds the end. With a buffer of n,
// the i-th Read happens before the return of the (i+n)-th Write.
type FutureStream[T any] struct {
	mu     sync.Mutex
	buffer int // as New has it
	end    error
	failed bool
	items  ring.Ring[T]
	// Somebody waits in readers only while there is neither an item nor a writer but of the
	// same Select, and in writers only while the buffer is full. Once end is set nobody waits.
	readers xsync.WaitQueue[T]
	writers xsync.WaitQueue[T]
}

// New returns a stream that buffers at most so many values: 0 sets no bound, and
// [Rendezvous] buffers none. Any other negative number panics.
func New[T any](buffer int) *FutureStream[T] {
	if buffer < Rendezvous {
		panic(fmt.Sprintf("stream: buffer of %d", buffer))
	}
	return &FutureStream[T]{buffer: buffer}
}

// Write appends v, behind all who came before: it waits until there is room in the
// buffer, or for a reader where there is no buffer. If ctx ends first, or is done at
// the call, it returns ctx.Err(), and ErrEnded if the stream has ended or ends first; v is
// not in the stream then.
func (s *FutureStream[T]) Write(ctx context.Context, v T) error {
	if err := ctx.Err(); err != nil {
		return park.Failed(err)
	}
	s.mu.Lock()
	if ok, err := s.tryWrite(v); ok {
		s.mu.Unlock()
		return err
	}
	_, err := s.writers.WaitLocked(ctx, &s.mu, v, nil)
	return err
}

// room reports whether the buffer takes another value. The mutex is held.
func (s *FutureStream[T]) room() bool { return s.buffer == 0 || s.items.Len() < s.buffer }

// Read waits for a value, behind all who came before, and takes it. At the end it
// returns io.EOF after Complete, and after Fail the error that was given there, as
// often as it is called. If ctx ends first, or is done at the call, it returns ctx.Err(), and
// no value is taken.
func (s *FutureStream[T]) Read(ctx context.Context) (T, error) {
	var v T
	if err := ctx.Err(); err != nil {
		return v, park.Failed(err)
	}
	s.mu.Lock()
	if v, ok, err := s.tryRead(); ok {
		s.mu.Unlock()
		return v, err
	}
	return s.readers.WaitLocked(ctx, &s.mu, v, nil)
}

// Complete ends the stream: readers get what has been written, and then io.EOF. Writers
// that wait get ErrEnded. It reports whether this call was the one that ended the
// stream; on one that has ended, by Complete or by Fail, it does nothing. So a producer may
// begin with defer s.Complete(), and call Fail where it goes wrong.
func (s *FutureStream[T]) Complete() bool { return s.finish(io.EOF, false) }

// Fail ends the stream as Complete does, but readers get err in place of io.EOF, after what
// has been written. An err that is io.EOF itself, which would tell them that all went well,
// becomes io.ErrUnexpectedEOF; nil panics.
func (s *FutureStream[T]) Fail(err error) bool {
	switch err {
	case nil:
		panic("stream: a stream cannot fail with a nil error")
	case io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return s.finish(err, true)
}

func (s *FutureStream[T]) finish(end error, failed bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end != nil {
		return false
	}
	s.end, s.failed = end, failed
	s.endWaits()
	return true
}

// endWaits ends the waits of a stream that has ended. The mutex is held.
func (s *FutureStream[T]) endWaits() {
	s.writers.Fail(-1, ErrEnded)
	if s.items.Len() == 0 {
		s.readers.Fail(-1, s.end)
	}
}

// fill lets writers go for as long as there is room. The mutex is held.
func (s *FutureStream[T]) fill() {
	for s.room() {
		w, ok := s.writers.Take()
		if !ok {
			return
		}
		s.items.PushBack(w)
	}
}

// Finished reports whether the stream has ended and all its values have been read, so that
// every Read from now on gets io.EOF or the error.
func (s *FutureStream[T]) Finished() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end != nil && s.items.Len() == 0
}

// Failed reports whether the stream was ended by Fail. There may still be values to
// read.
func (s *FutureStream[T]) Failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// Len returns the number of values in the buffer; those of writers that wait are not in
// it.
func (s *FutureStream[T]) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.items.Len()
}

// All iterates over the values as Read returns them, until the end. The error of Fail, or of a
// ctx that ends, is yielded in the last step. A loop that breaks off leaves the rest
// in the stream.
func (s *FutureStream[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			v, err := s.Read(ctx)
			if err == io.EOF || !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// readAll is ReadAll of this stream.
func (s *FutureStream[T]) readAll(ctx context.Context) ([]T, error) {
	var all []T
	for {
		v, err := s.Read(ctx)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = s.take(append(all, v))
	}
}

// take moves values from the buffer to the end of all, in the place of a Read for each. It ends
// after some thousand, so that no writer is held up for long.
func (s *FutureStream[T]) take(all []T) []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.items.Len()
	all = slices.Grow(all, n) // once for all that is there
	for range min(n, 4096) {
		all = append(all, s.items.PopFront())
	}
	s.fill()
	return all
}

// run implements Stream. It takes a value only when the one before is dealt with, so that a
// pipeline that stops early leaves the rest to others.
func (s *FutureStream[T]) run(ctx context.Context, emit func(T) error) error {
	for {
		v, err := s.Read(ctx)
		if err == io.EOF {
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

// Stats is what a stream knows of itself at one moment.
type Stats struct {
	Len     int // values in the buffer
	Readers int // callers waiting for a value
	Writers int // callers waiting for room, or for a reader
	// Who is who waits, to read and to write, while core.Track is on; else nil.
	Who *xsync.Who
}

// Stats returns the state of the stream, for tests and diagnosis.
func (s *FutureStream[T]) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := Stats{Len: s.items.Len(), Readers: s.readers.Len(), Writers: s.writers.Len(), Who: s.readers.Who()}
	if also := s.writers.Who(); all.Who != nil && also != nil { // tracking is turned on and off without a lock
		all.Who.Waiters = append(all.Who.Waiters, also.Waiters...)
	}
	return all
}
