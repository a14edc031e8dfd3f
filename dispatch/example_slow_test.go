package dispatch_test

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

// A callback that blocks holds up everything else, and is named while it does.
func ExampleSlowCallback() {
	reported := make(chan bool)
	d, err := dispatch.New(dispatch.Config{
		SlowCallback: 10 * time.Millisecond,
		OnSlow: func(s dispatch.SlowCallback) {
			reported <- bytes.Contains(s.Stack, []byte("ExampleSlowCallback"))
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	d.CallSoon(func() {
		fmt.Println(<-reported)
		cancel()
	})
	fmt.Println(d.Run(ctx))
	fmt.Println(d.Close())
	// Output:
	// true
	// context canceled
	// <nil>
}
