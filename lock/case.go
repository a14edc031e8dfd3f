package lock

import xsync "github.com/seed-1e54c410/turnstile/sync"

// AcquireCase returns the case of an xsync.Select that takes the lock.
func (l *AsyncLock) AcquireCase() xsync.Case {
	return l.queue.Case(&l.mu, struct{}{}, l.take, l.won)
}

// won hears that a Select has taken the lock. It is a method, since a function that is inlined with its caller
// would count as the caller's where tracking tells who called.
func (l *AsyncLock) won(struct{}, error) { l.took() }

// AcquireCase returns the case of an xsync.Select that takes the lock for writing.
func (l *AsyncRWLock) AcquireCase() xsync.Case { return l.enterCase(writing) }

// RAcquireCase returns the case of an xsync.Select that takes the lock for reading.
func (l *AsyncRWLock) RAcquireCase() xsync.Case { return l.enterCase(reading) }

func (l *AsyncRWLock) enterCase(m mode) xsync.Case {
	return l.queue.Case(&l.mu, m, l.take, l.won)
}

// won is that of AsyncLock.
func (l *AsyncRWLock) won(mode, error) { l.took() }
