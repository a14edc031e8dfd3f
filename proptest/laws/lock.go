package laws

import (
	"context"
	"slices"

	"github.com/seed-1e54c410/turnstile/proptest"
)

// Locker is what [Lock] needs of a lock. The method TryAcquire() bool is put to its law too, if the
// type has it.
type Locker interface {
	// Acquire waits for the lock, or returns an error when ctx ends.
	Acquire(ctx context.Context) error
	// Release gives it back.
	Release()
}

// Lock puts locks that mk makes to these laws: mutual exclusion; strict order of arrival, of
// TryAcquire too; a free lock that somebody waits for is taken at once; a wait ends with its ctx, and leaves
// the lock as if it had never been; a done ctx takes nothing.
func Lock(t proptest.TB, mk func() Locker, opts ...Option) {
	t.Helper()
	c := configOf(t, mk(), opts)
	proptest.Check(t, func(p *proptest.P) {
		l := mk()
		r := newPermits(p, c, "the lock", 1)
		r.acquire = func(ctx context.Context, _ int) error { return l.Acquire(ctx) }
		r.release = func(int) { l.Release() }
		modes := slices.Clone(c.modes)
		if l, ok := l.(interface{ TryAcquire() bool }); ok {
			r.try = func(int) bool { return l.TryAcquire() }
			modes = append(modes, trying)
		}
		r.judge(scripts(p, "tasks", 2, 4, 2, 0, 0, modes...), func(int) int { return 1 })
	}, c.check...)
}
