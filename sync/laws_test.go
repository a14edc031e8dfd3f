package xsync_test

import (
	"testing"

	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/proptest/laws"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

func TestLawsOfSemaphore(t *testing.T) {
	check.Cases(t, 100_000)
	laws.Semaphore(t, func(size int) laws.Locker { return xsync.NewSemaphore(size) })
}
