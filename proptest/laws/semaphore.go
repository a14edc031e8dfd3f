package laws

import (
	"context"
	"slices"

	"github.com/seed-1e54c410/turnstile/proptest"
)

// Weighted is what a semaphore has that grants several permits at once.
type Weighted interface {
	// AcquireN waits for n permits, or returns an error, and takes none, when ctx ends.
	AcquireN(ctx context.Context, n int) error
	// ReleaseN gives n back.
	ReleaseN(n int)
}

// Semaphore puts semaphores to these laws, each made by mk with so many free permits: no more permits are
// held than there are, and none is lost; strict order of arrival, so that the first in line is not
// overtaken by others that want less, nor by a try; while enough is free for the first in line, it
// does not wait, also when the one that was in front of it gives up; a wait ends with its ctx, and leaves the
// semaphore as if it had never been; a done ctx takes nothing.
//
// The methods of [Weighted], TryAcquire() bool and TryAcquireN(n int) bool are put to the laws too, if the
// type has them.
func Semaphore(t proptest.TB, mk func(size int) Locker, opts ...Option) {
	t.Helper()
	c := configOf(t, mk(1), opts)
	proptest.Check(t, func(p *proptest.P) {
		size := p.IntRange(1, 3, "size")
		s := mk(size)
		r := newPermits(p, c, "the permits", size)
		modes := slices.Clone(c.modes)
		most, plain := 1, true
		if w, ok := s.(Weighted); ok {
			most = size
			r.acquire, r.release = w.AcquireN, w.ReleaseN
			if plain = p.Bool("calls for one permit without N"); plain {
				r.acquire = func(ctx context.Context, n int) error {
					if n == 1 {
						return s.Acquire(ctx)
					}
					return w.AcquireN(ctx, n)
				}
				r.release = func(n int) {
					if n == 1 {
						s.Release()
						return
					}
					w.ReleaseN(n)
				}
			}
		} else {
			r.acquire = func(ctx context.Context, n int) error { return each(ctx, s, n) }
			r.release = func(n int) {
				for range n {
					s.Release()
				}
			}
		}
		switch s := s.(type) {
		case interface{ TryAcquireN(n int) bool }:
			r.try = s.TryAcquireN
			if one, ok := s.(interface{ TryAcquire() bool }); ok && plain {
				r.try = func(n int) bool {
					if n == 1 {
						return one.TryAcquire()
					}
					return s.TryAcquireN(n)
				}
			}
		case interface{ TryAcquire() bool }:
			if most == 1 {
				r.try = func(int) bool { return s.TryAcquire() }
			}
		}
		if r.try != nil {
			modes = append(modes, trying)
		}
		r.judge(scripts(p, "tasks", 2, 4, 2, 1, most, modes...), func(n int) int { return n })
	}, c.check...)
}

// each takes n permits one by one.
func each(ctx context.Context, s Locker, n int) error {
	for i := range n {
		if err := s.Acquire(ctx); err != nil {
			for range i {
				s.Release()
			}
			return err
		}
	}
	return nil
}
