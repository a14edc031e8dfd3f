package proptest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/proptest"
	"github.com/seed-1e54c410/turnstile/queue"
)

// fragile fails if the first task does not get 2 steps before another is canceled in its own, or dies, or its time
// is over: one bug for each kind of disturbance.
func fragile(kind string) func(p *proptest.P) {
	return func(p *proptest.P) {
		n := p.IntRange(3, 6, "tasks") // what is drawn changes, the plan stays
		var q queue.AsyncQueue[int]
		steps := 0
		broken := false
		for i := range n {
			p.Go(fmt.Sprint("w", i), func(ctx context.Context) error {
				if kind == "timers" {
					short, cancel := core.WithTimeout(ctx, time.Second)
					defer cancel()
					ctx = short
				}
				done := false
				defer func() { broken = broken || kind == "panics" && !done }()
				for range 2 {
					steps++
					if i == 1 && steps == 1 && kind == "deviations" {
						return errors.New("w1 is first")
					}
					if err := core.Yield(ctx); err != nil {
						done = true
						if i == 1 && kind == "cancels" || kind == "timers" {
							return fmt.Errorf("lost: %v", err)
						}
						return err
					}
				}
				done = true
				return q.Put(ctx, i)
			})
		}
		p.Finally("nobody has died", func() bool { return !broken })
	}
}

// A plan fails again, also where the property draws something else, and in a row of words only those that matter do
// anything.
func TestReplay(t *testing.T) {
	for kind, opt := range map[string]proptest.Option{
		"deviations": proptest.Deviations(3), "cancels": proptest.Cancels(2), "panics": proptest.Panics(2), "timers": proptest.Timers(2),
	} {
		t.Run(kind, func(t *testing.T) {
			held(t, fragile(kind), proptest.Replay(""))
			plan := replayOf(t, found(t, fragile(kind), opt))
			if plan == "" {
				t.Fatal("an empty plan")
			}
			again := replayOf(t, found(t, fragile(kind), proptest.Replay(plan)))
			if again != plan {
				t.Errorf("Replay(%q) reports %q", plan, again)
			}
			found(t, fragile(kind), proptest.Replay(plan+" d7@9000 c5@9000 p5@9000 t@9000"))
		})
	}
}
