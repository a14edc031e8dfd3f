package core_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/lock"
)

// A task that forgets to release a lock is found, before others hang.
func ExampleHeldError() {
	core.Track(true)
	defer core.Track(false)
	d, err := dispatch.New(dispatch.Config{Unhandled: func(err error) {
		if held, ok := errors.AsType[*core.HeldError](err); ok {
			fmt.Println(held.What, "by", held.Call)
		}
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	var l lock.AsyncLock
	err = core.RunOn(context.Background(), d, func(ctx context.Context) error {
		return core.Start(ctx, func(ctx context.Context) error { return l.Acquire(ctx) }).Wait(ctx)
	})
	fmt.Println(err)
	// Output:
	// lock.AsyncLock by lock.(*AsyncLock).Acquire
	// <nil>
}
