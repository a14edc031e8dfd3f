package stream

import (
	"context"
	"sync"

	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// Zip is a stream of what fn makes of the first values of a and b, of the second ones, and so on. An
// error of fn ends the stream, behind the values before; [ErrStop] ends it without an error. fn
// may wait, with the ctx it is given.
//
// The stream ends, as a or b does, as soon as one of them has no value for the next pair: the
// other is stopped then, even if it waits. Where both have none at the same moment, it ends as a does, and an error
// of b is dropped. Each of them runs on a task of its own and is at most
// two values ahead of the last pair, one for the next pair and one that waits for its place. What
// finds no partner is dropped.
func Zip[A, B, C any](a Stream[A], b Stream[B], fn func(ctx context.Context, a A, b B) (C, error)) Stream[C] {
	needStream("Zip", a)
	needStream("Zip", b)
	need("Zip", "function", fn != nil)
	return &zipped[A, B, C]{a, b, fn}
}

type zipped[A, B, C any] struct {
	a  Stream[A]
	b  Stream[B]
	fn func(context.Context, A, B) (C, error)
}

// zipper is where the values of the two meet.
type zipper[A, B any] struct {
	mu     sync.Mutex
	a      side[A]
	b      side[B]
	end    error // of the first that has ended without a value for the next pair; nil: none has
	reader xsync.WaitQueue[struct{}]
}

// side is the next value of one of the two.
type side[T any] struct {
	v    T
	has  bool
	end  error // behind v
	next xsync.WaitQueue[T]
}

func (s *side[T]) put(v *T) (bool, error) {
	if s.has {
		return false, nil
	}
	s.v, s.has = *v, true
	return true, nil
}

// take takes the value, and lets the next one in.
func (s *side[T]) take() T {
	v := s.v
	var zero T
	s.v, s.has = zero, false
	s.next.Settle(s.put)
	return v
}

// missing is the end of a side that has no value.
func (s *side[T]) missing() error {
	if s.has {
		return nil
	}
	return s.end
}

func (z *zipped[A, B, C]) run(ctx context.Context, emit func(C) error) error {
	var m zipper[A, B]
	stopped := false
	t := team{ctx: ctx}
	err := t.run(
		func(ctx context.Context) error {
			for {
				a, b, err := m.next(ctx)
				if err == errEnd {
					err, stopped = ErrStop, true // so that the other ends, too
				}
				if err != nil {
					return err
				}
				v, err := z.fn(ctx, a, b)
				if err != nil {
					stopped = err == ErrStop
					return err
				}
				if err := emit(v); err != nil {
					return err
				}
			}
		},
		func(ctx context.Context) error { return offer(ctx, &m, &m.a, z.a) },
		func(ctx context.Context) error { return offer(ctx, &m, &m.b, z.b) })
	return settled(err, stopped)
}

// offer is the work of the task of one side.
func offer[T, A, B any](ctx context.Context, m *zipper[A, B], s *side[T], src Stream[T]) error {
	put := func(v *T) (bool, error) {
		done, err := s.put(v)
		m.reader.Settle(m.ready)
		return done, err
	}
	return drive(ctx, src,
		func(v T) error {
			_, err := s.next.Wait(ctx, &m.mu, v, put)
			return err
		},
		func(err error) {
			if err == nil {
				err = errEnd
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			s.end = err
			m.look()
			m.reader.Settle(m.ready)
		})
}

// look finds out whether a side has no value for the next pair.
func (m *zipper[A, B]) look() {
	if m.end != nil {
		return
	}
	if m.end = m.a.missing(); m.end == nil {
		m.end = m.b.missing()
	}
}

// ready is the take function of the reader.
func (m *zipper[A, B]) ready(*struct{}) (bool, error) {
	return m.end != nil || m.a.has && m.b.has, nil
}

func (m *zipper[A, B]) next(ctx context.Context) (a A, b B, err error) {
	if _, err = m.reader.Wait(ctx, &m.mu, struct{}{}, m.ready); err != nil {
		return a, b, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.end != nil {
		return a, b, endOf(ctx, m.end)
	}
	a, b = m.a.take(), m.b.take()
	m.look()
	return a, b, nil
}
