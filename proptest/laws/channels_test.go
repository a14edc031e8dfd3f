package laws_test

import (
	"context"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/proptest/laws"
)

// slots is a lock of which each holder has put something into the channel.
type slots chan struct{}

func (s slots) Acquire(ctx context.Context) error { return core.Send(ctx, s, struct{}{}) }
func (s slots) Release()                          { <-s }

// token is a lock that whoever has received it holds.
type token chan struct{}

func (c token) Acquire(ctx context.Context) error {
	_, _, err := core.Receive(ctx, c)
	return err
}
func (c token) Release() { c <- struct{}{} }

// Nobody tells those that wait at a channel that they may go on. They are not accused of waiting for nothing.
func TestChannelsOfTasks(t *testing.T) {
	t.Run("slots", func(t *testing.T) {
		laws.Semaphore(t, func(size int) laws.Locker { return make(slots, size) })
	})
	t.Run("token", func(t *testing.T) {
		laws.Lock(t, func() laws.Locker {
			c := make(token, 1)
			c.Release()
			return c
		})
	})
}
