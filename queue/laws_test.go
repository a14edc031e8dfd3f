package queue_test

import (
	"testing"

	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/proptest/laws"
	"github.com/seed-1e54c410/turnstile/queue"
)

func TestLawsOfAsyncQueue(t *testing.T) {
	check.Cases(t, 100_000)
	laws.Queue(t, func(limit int) laws.Queuer { return queue.New[int](limit) })
}
