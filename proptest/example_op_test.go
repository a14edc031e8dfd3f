package proptest_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/seed-1e54c410/turnstile/event"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/proptest"
	"github.com/seed-1e54c410/turnstile/queue"
)

// In a test, t is the *testing.T.
func ExampleP_Op() {
	check.Record("TestQueue", func(t *check.Recorder) {
		var history []proptest.Operation
		proptest.Check(t, func(p *proptest.P) {
			var q queue.AsyncQueue[string]
			p.Go("getter", func(ctx context.Context) error {
				done := p.Op(ctx, "Get")
				v, err := q.Get(ctx)
				done(v, err)
				return err
			})
			p.Go("putter", func(ctx context.Context) error {
				done := p.Op(ctx, "Put", "tea")
				err := q.Put(ctx, "tea")
				done(err)
				return err
			})
			p.Finally("linearizable", func() bool {
				history = p.History() // put it to a checker here
				return true
			})
		}, proptest.Deviations(0))
		for _, o := range history {
			fmt.Printf("%s: %v, from %d to %d\n", o.Task, o, o.Begin, o.End)
		}
	})
	// Output:
	// getter: Get() = tea, <nil>, from 1 to 4
	// putter: Put(tea) = <nil>, from 2 to 3
}

func ExampleOperation() {
	o := proptest.Operation{Task: "getter", Name: "Get", Args: []any{"tea"}, Begin: 3, Pending: true}
	fmt.Println(o)
	o.Results, o.End, o.Pending = []any{2, nil}, 5, false
	fmt.Println(o)
	// Output:
	// Get(tea) pending
	// Get(tea) = 2, <nil>
}

func ExampleP_Name() {
	type pool struct {
		freed event.AsyncEvent
	}
	failed := check.Record("TestPool", func(t *check.Recorder) { // in a test, the *testing.T
		proptest.Check(t, func(p *proptest.P) {
			one := new(pool)
			p.Name(one, "pool")
			p.Go("user", one.freed.Wait)
		})
	})
	for line := range strings.Lines(failed.Output()) {
		if strings.Contains(line, "user waits") {
			fmt.Print(strings.TrimSpace(line))
		}
	}
	// Output:
	// user waits in event.AsyncEvent.Wait for pool.freed, and nobody is left who could wake it
}
