package stream

import xsync "github.com/seed-1e54c410/turnstile/sync"

// ReadCase returns the case of an xsync.Select that reads a value as [FutureStream.Read] does. If it wins
// without an error, the value is in v. Its error is that of Read at the end: io.EOF, or what Fail was given. A nil
// v panics.
func (s *FutureStream[T]) ReadCase(v *T) xsync.Case {
	if v == nil {
		panic("stream: ReadCase with a nil pointer")
	}
	var zero T
	return s.readers.MatchCase(&s.mu, zero, s.selectRead, s.match, func(got T, err error) {
		if err == nil {
			*v = got
		}
	})
}

// WriteCase returns the case of an xsync.Select that writes v as [FutureStream.Write] does. Its error is
// ErrEnded, if the stream has ended.
func (s *FutureStream[T]) WriteCase(v T) xsync.Case {
	return s.writers.MatchCase(&s.mu, v, s.selectWrite, s.match, nil)
}

// selectRead is tryRead at the beginning of a Select.
func (s *FutureStream[T]) selectRead(v *T) (ok bool, err error) {
	*v, ok, err = s.tryRead()
	return ok, err
}

// selectWrite is tryWrite at the beginning of a Select.
func (s *FutureStream[T]) selectWrite(v *T) (bool, error) { return s.tryWrite(*v) }

// match lets everybody go who may, among them those of a Select that has come to wait. The mutex is held.
func (s *FutureStream[T]) match() {
	if s.end != nil {
		s.writers.Fail(-1, ErrEnded) // of a Select that looked before the end, whatever room there is since
	}
	s.fill()
	for s.readers.Settle(s.takeItem) > 0 {
		s.fill()
	}
	if s.buffer == Rendezvous {
		xsync.Pair(&s.writers, &s.readers)
	}
}

// takeItem gives a reader a value from the buffer, or the end behind the last one.
func (s *FutureStream[T]) takeItem(v *T) (bool, error) {
	if s.items.Len() == 0 {
		return s.end != nil, s.end
	}
	*v = s.items.PopFront()
	return true, nil
}
