package stream

import "errors"

var (
	// ErrFull is returned by TryWrite when there is neither room nor a reader.
	ErrFull = errors.New("stream: full")
	// ErrEmpty is returned by TryRead when there is no value.
	ErrEmpty = errors.New("stream: empty")
)

// TryWrite is Write for those who must not wait, such as the callbacks of a dispatcher. Where Write would wait it
// returns [ErrFull], and ErrEnded if the stream has ended; v is not in the stream then.
func (s *FutureStream[T]) TryWrite(v T) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ok, err := s.tryWrite(v); ok {
		return err
	}
	return ErrFull
}

// tryWrite is Write without the wait; it answers false where that comes. The mutex is held.
func (s *FutureStream[T]) tryWrite(v T) (bool, error) {
	switch {
	case s.end != nil:
		return true, ErrEnded
	case s.readers.Hand(v):
		return true, nil
	case s.room(): // so nobody waits to write
		s.items.PushBack(v)
		return true, nil
	}
	return false, nil
}

// TryRead is Read for those who must not wait. Where Read would wait it returns [ErrEmpty], and has taken nothing; at
// the end it returns what Read does.
func (s *FutureStream[T]) TryRead() (T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok, err := s.tryRead()
	if !ok {
		err = ErrEmpty
	}
	return v, err
}

// tryRead is Read without the wait; it answers false where that comes. The mutex is held.
func (s *FutureStream[T]) tryRead() (v T, ok bool, err error) {
	if s.items.Len() > 0 {
		v = s.items.PopFront()
		if w, ok := s.writers.Take(); ok {
			s.items.PushBack(w)
		}
		return v, true, nil
	}
	if v, ok = s.writers.Take(); ok { // there is no buffer
		return v, true, nil
	}
	return v, s.end != nil, s.end
}
