package lock_test

import (
	"testing"

	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/lock"
	"github.com/seed-1e54c410/turnstile/proptest/laws"
)

func TestLawsOfAsyncLock(t *testing.T) {
	check.Cases(t, 100_000)
	laws.Lock(t, func() laws.Locker { return new(lock.AsyncLock) })
}

func TestLawsOfAsyncRWLock(t *testing.T) {
	check.Cases(t, 100_000)
	laws.RWLock(t, func() laws.RWLocker { return new(lock.AsyncRWLock) })
}

// A lock for readers and writers that is used by writers alone is a lock.
func TestLawsOfAsyncRWLockAsLock(t *testing.T) {
	check.Cases(t, 20_000)
	laws.Lock(t, func() laws.Locker { return new(lock.AsyncRWLock) })
}
