package xsync_test

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// A primitive of your own can be selected like those of this module.
func ExampleCase() {
	var mailbox permits // a mutex, a number and a WaitQueue
	_ = core.Run(context.Background(), func(ctx context.Context) error {
		core.Spawn(ctx, func(ctx context.Context) error {
			mailbox.add(1)
			return nil
		})
		answer := core.Start(ctx, func(ctx context.Context) error { return core.Sleep(ctx, time.Hour) })
		n, err := xsync.Select(ctx, answer.WaitCase(), mailbox.one(), xsync.After(time.Minute))
		fmt.Println(n, err)
		return nil
	})
	// Output:
	// 1 <nil>
}
