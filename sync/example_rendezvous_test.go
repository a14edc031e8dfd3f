package xsync_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/seed-1e54c410/turnstile/core"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// desk is where customers and clerks wait for each other: a primitive with two queues.
type desk struct {
	mu        sync.Mutex
	customers xsync.WaitQueue[string] // each brings a wish
	clerks    xsync.WaitQueue[string] // each takes one away
}

func (d *desk) meet() { xsync.Pair(&d.customers, &d.clerks) }

// Ask waits until a clerk takes the wish.
func (d *desk) Ask(ctx context.Context, wish string) error {
	_, err := xsync.Select(ctx, d.AskCase(wish))
	return err
}

// AskCase is Ask in a Select.
func (d *desk) AskCase(wish string) xsync.Case {
	return d.customers.MatchCase(&d.mu, wish, func(wish *string) (bool, error) {
		return d.clerks.Hand(*wish), nil // to one who waits already
	}, d.meet, nil)
}

// ServeCase is for a clerk, who finds the wish in wish.
func (d *desk) ServeCase(wish *string) xsync.Case {
	return d.clerks.MatchCase(&d.mu, "", func(wish *string) (ok bool, _ error) {
		*wish, ok = d.customers.Take()
		return ok, nil
	}, d.meet, func(got string, _ error) { *wish = got })
}

// Two that wait for each other meet, though each of them waits for something else as well.
func ExampleWaitQueue_MatchCase() {
	var post, bank desk
	_ = core.Run(context.Background(), func(ctx context.Context) error {
		core.Spawn(ctx, func(ctx context.Context) error {
			n, err := xsync.Select(ctx, bank.AskCase("a coin"), post.AskCase("a stamp"))
			fmt.Println("customer:", n, err)
			return nil
		})
		var wish string
		n, err := xsync.Select(ctx, post.ServeCase(&wish))
		fmt.Println("clerk:", n, err, wish)
		return core.Steps(ctx, 1)
	})
	// Output:
	// clerk: 0 <nil> a stamp
	// customer: 1 <nil>
}
