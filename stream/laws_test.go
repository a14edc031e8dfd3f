package stream_test

import (
	"testing"

	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/proptest/laws"
	"github.com/seed-1e54c410/turnstile/stream"
)

func TestLawsOfFutureStream(t *testing.T) {
	check.Cases(t, 100_000)
	laws.Stream(t, func(buffer int) laws.Streamer { return stream.New[int](buffer) })
}
