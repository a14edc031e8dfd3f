package broken

import (
	"context"

	"github.com/seed-1e54c410/turnstile/lock"
)

// wakesNobody is a lock whose waiter, when it is canceled after it was woken, does not wake the next.
type wakesNobody struct {
	locked bool
	line   line[struct{}]
}

func (l *wakesNobody) Acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if l.locked || len(l.line.waiting) > 0 {
		_, _ = l.line.wait(ctx)
		if err := ctx.Err(); err != nil {
			return err // who was woken has to wake another
		}
	}
	l.locked = true
	return nil
}

func (l *wakesNobody) Release() {
	l.locked = false
	l.line.wake(struct{}{})
}

// takesWhenDone is a lock that looks at ctx only where it has to wait.
type takesWhenDone struct{ lock.AsyncLock }

func (l *takesWhenDone) Acquire(ctx context.Context) error {
	if l.TryAcquire() {
		return nil
	}
	return l.AsyncLock.Acquire(ctx)
}

// keepsWhenCanceled is a lock that a call has got when its cancel comes, and that it does not give back.
type keepsWhenCanceled struct{ l lock.AsyncLock }

func (l *keepsWhenCanceled) Acquire(ctx context.Context) error {
	if err := l.l.Acquire(ctx); err != nil {
		return err
	}
	return ctx.Err()
}

func (l *keepsWhenCanceled) Release() { l.l.Release() }

// barging is a lock that is free between the Release and the moment when the one that was woken runs.
type barging struct {
	locked bool
	line   line[struct{}]
}

func (l *barging) Acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for l.locked {
		if _, err := l.line.wait(ctx); err != nil {
			return err
		}
	}
	l.locked = true
	return nil
}

func (l *barging) Release() {
	l.locked = false
	l.line.wake(struct{}{})
}
