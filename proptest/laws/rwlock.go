package laws

import (
	"context"
	"slices"

	"github.com/seed-1e54c410/turnstile/proptest"
)

// RWLocker is what [RWLock] needs of a lock for readers and writers. The writer's methods are those without
// an R.
type RWLocker interface {
	Locker
	// RAcquire waits for the lock as a reader, or returns an error when ctx ends.
	RAcquire(ctx context.Context) error
	// RRelease gives it back.
	RRelease()
}

// RWLock puts locks for readers and writers that mk makes to these laws: a writer is alone, and readers are together;
// strict order of arrival, so that neither readers nor writers starve, while readers that come one
// after the other enter together; whoever is first in line does not wait where it could enter, also when the one in
// front of it gives up; a wait ends with its ctx, and leaves the lock as if it had never been; a done ctx takes nothing.
//
// The methods TryAcquire() bool and TryRAcquire() bool are put to the laws too, if the type has both.
func RWLock(t proptest.TB, mk func() RWLocker, opts ...Option) {
	t.Helper()
	c := configOf(t, mk(), opts)
	proptest.Check(t, func(p *proptest.P) {
		l := mk()
		const size = 5 // more than there are tasks: what a writer takes
		r := newPermits(p, c, "the lock", size)
		r.acquire = func(ctx context.Context, n int) error {
			if n == size {
				return l.Acquire(ctx)
			}
			return l.RAcquire(ctx)
		}
		r.release = func(n int) {
			if n == size {
				l.Release()
			} else {
				l.RRelease()
			}
		}
		modes := slices.Clone(c.modes)
		if l, ok := l.(interface {
			TryAcquire() bool
			TryRAcquire() bool
		}); ok {
			modes = append(modes, trying)
			r.try = func(n int) bool {
				if n == size {
					return l.TryAcquire()
				}
				return l.TryRAcquire()
			}
		}
		r.judge(scripts(p, "tasks: 1 reads, 2 writes", 2, 4, 2, 1, 2, modes...), func(n int) int {
			if n == 2 {
				return size
			}
			return 1
		})
	}, c.check...)
}
