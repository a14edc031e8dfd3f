package xsync_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/seed-1e54c410/turnstile/core"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// A program that hangs tells who has what the others wait for.
func ExampleWho() {
	core.Track(true)
	defer core.Track(false)
	sem := xsync.NewSemaphore(2)
	err := core.Run(context.Background(), func(ctx context.Context) error {
		if err := sem.AcquireN(ctx, 2); err != nil {
			return err
		}
		waiter := core.Start(ctx, func(ctx context.Context) error { return sem.Acquire(ctx) })
		who := sem.Stats().Who
		for _, c := range who.Holders {
			fmt.Println("has", c.N, "by", c.Call)
		}
		for _, c := range who.Waiters {
			fmt.Println("wants", c.N, "in", c.Call)
		}
		sem.ReleaseN(2)
		return waiter.Wait(ctx)
	})
	fmt.Println(err, sem.Stats().Who.Holders[0].Ended)
	// Output:
	// has 2 by sync.(*Semaphore).AcquireN
	// wants 1 in sync.(*Semaphore).Acquire
	// <nil> true
}

func ExampleCaller() {
	core.Track(true)
	defer core.Track(false)
	sem := xsync.NewSemaphore(1)
	sem.TryAcquire()
	c := sem.Stats().Who.Holders[0]
	fmt.Println(c.Task == "", c.Call, strings.Contains(c.Place, "ExampleCaller"), c.N)
	// Output:
	// true sync.(*Semaphore).TryAcquire true 1
}
