package proptest_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/proptest"
)

// late fails if the first task is held up for as long as the second one takes for n steps.
func late(n int) func(p *proptest.P) {
	return func(p *proptest.P) {
		steps := 0
		p.Go("slow", func(ctx context.Context) error {
			if err := core.Yield(ctx); err != nil {
				return err
			}
			if steps == n {
				return errors.New("too late")
			}
			return nil
		})
		p.Go("fast", func(ctx context.Context) error {
			for range n {
				steps++
				if err := core.Yield(ctx); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// PCT holds a task up for as long as it takes, and reports what Replay takes.
func TestPCT(t *testing.T) {
	for _, d := range []int{1, 3} {
		out := found(t, late(20), proptest.PCT(d))
		wants(t, out, "too late")
		plan := replayOf(t, out)
		wants(t, found(t, late(20), proptest.Replay(plan)), "too late")
		held(t, late(20), proptest.Replay(""))
	}
}

// A task that is held up for long does not make the report long.
func TestPCTReport(t *testing.T) {
	out := found(t, late(200), proptest.PCT(2))
	plan := replayOf(t, out)
	if n := len(strings.Fields(plan)); n > 20 {
		t.Errorf("the plan has %d words: %s", n, plan)
	}
	for line := range strings.Lines(out) {
		if len(line) > 1000 {
			t.Errorf("a line of %d characters: %s", len(line), line)
		}
	}
	wants(t, out, "too late", " more\n")
	wants(t, found(t, late(200), proptest.Replay(plan)), "too late")
}

// A case in which no order matters shrinks to plain FIFO.
func TestPCTShrinks(t *testing.T) {
	out := found(t, func(p *proptest.P) {
		for range 3 {
			p.Go("w", func(ctx context.Context) error { return core.Steps(ctx, 3) })
		}
		p.Finally("never", func() bool { return false })
	}, proptest.PCT(3))
	wants(t, out, `Replay("")`)
}

// A task that is held up in the middle needs a change of priority: priorities alone let one go on to its end.
func TestPCTChanges(t *testing.T) {
	prop := func(p *proptest.P) {
		steps := 0
		p.Go("slow", func(ctx context.Context) error {
			before := steps
			for range 2 {
				if err := core.Yield(ctx); err != nil {
					return err
				}
			}
			if before == 0 && steps == 20 {
				return errors.New("too late")
			}
			return nil
		})
		p.Go("fast", func(ctx context.Context) error {
			for range 20 {
				steps++
				if err := core.Yield(ctx); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for range 20 {
		held(t, prop, proptest.PCT(1))
		r := check.Record(t.Name(), func(r *check.Recorder) { proptest.Check(r, prop, proptest.PCT(2)) })
		if r.Failed() {
			wants(t, r.Output(), "too late")
			return
		}
	}
	t.Error("2,000 cases have not found it")
}
