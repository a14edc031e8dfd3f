package xsync_test

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

func ExampleTokenBucket() {
	// Ten messages in an hour, and no more than ten at once.
	messages := xsync.NewTokenBucket(10, time.Hour, xsync.Continuous)
	sent := 0
	for messages.TryConsume(1) {
		sent++
	}
	fmt.Println(sent)

	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	fmt.Println(messages.Consume(ctx, 1)) // the next one comes in six minutes
	messages.Replenish(2)
	fmt.Println(messages.Consume(context.Background(), 1), messages.Available())
	// Output:
	// 10
	// context deadline exceeded
	// <nil> 1
}

// hand is a clock that is turned by hand. Its timers never ring.
type hand struct{ now time.Time }

func (h *hand) Now() time.Time                              { return h.now }
func (h *hand) AfterFunc(time.Duration, func()) *time.Timer { return time.NewTimer(time.Hour) }

func ExampleFillMode() {
	clock := &hand{time.Unix(0, 0)}
	smooth := xsync.NewTokenBucketOn(clock, 4, time.Second, xsync.Continuous)
	bursts := xsync.NewTokenBucketOn(clock, 4, time.Second, xsync.Discrete)
	smooth.TryConsume(4)
	bursts.TryConsume(4)
	for range 4 {
		clock.now = clock.now.Add(250 * time.Millisecond)
		fmt.Println(smooth.Available(), bursts.Available())
	}
	// Output:
	// 1 0
	// 2 0
	// 3 0
	// 4 4
}

func ExampleClock() {
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		return
	}
	defer d.Close()
	var clock xsync.Clock[*dispatch.Timer] = d
	bucket := xsync.NewTokenBucketOn(clock, 1, time.Hour, xsync.Discrete)
	fmt.Println(bucket.TryConsume(1), bucket.TryConsume(1))
	// Output:
	// true false
}
