package proptest_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/proptest"
)

// texts is a history in short: who, what, and the places and steps of begin and end.
func texts(ops []proptest.Operation) (all []string) {
	for _, o := range ops {
		all = append(all, fmt.Sprintf("%s: %v [%d,%d] %d..%d", o.Task, o, o.Begin, o.End, o.BeginStep, o.EndStep))
	}
	return all
}

// twoOps has operations that overlap, in tasks of all kinds.
func twoOps(p *proptest.P) {
	p.Go("a", func(ctx context.Context) error {
		done := p.Op(ctx, "Put", 1, "x")
		if err := core.Yield(ctx); err != nil {
			return err
		}
		done()
		p.Op(ctx, "Get")(7, nil)
		task := core.Start(ctx, func(ctx context.Context) error {
			p.Op(ctx, "Len")
			ctx, cancel := core.WithCancel(ctx)
			defer cancel()
			p.Op(ctx, "Len")(0)
			return nil
		})
		return task.Wait(ctx)
	})
	p.Go("b", func(ctx context.Context) error {
		defer p.Op(ctx, "Close")()
		return core.Yield(ctx)
	})
}

func TestHistory(t *testing.T) {
	want := []string{
		"a: Put(1, x) [1,3] 0..2",
		"b: Close() [2,9] 1..3",
		"a: Get() = 7, <nil> [4,5] 2..2",
		"task 1: Len() pending [6,0] 2..0",
		"task 1: Len() = 0 [7,8] 2..2",
	}
	t.Setenv("TURNSTILE_REPORTS", "off")
	runs := 0
	for _, fails := range []bool{false, true} { // which records the case
		r := check.Record(t.Name(), func(r *check.Recorder) {
			proptest.Check(r, func(p *proptest.P) {
				twoOps(p)
				p.Finally("ok", func() bool {
					runs++
					if got := texts(p.History()); !slices.Equal(got, want) {
						t.Errorf("the history is %q, not %q", got, want)
					}
					return !fails
				})
			}, proptest.Deviations(0))
		})
		if r.Failed() != fails {
			t.Errorf("failed: %v, not %v:\n%s", r.Failed(), fails, r.Output())
		}
	}
	if runs < 20 {
		t.Errorf("%d runs", runs)
	}
}

// Each case has a history of its own, and what it hands out is a copy.
func TestHistoryOfOneCase(t *testing.T) {
	proptest.Check(t, func(p *proptest.P) {
		p.Go("a", func(ctx context.Context) error {
			if n := len(p.History()); n != 0 {
				p.Errorf("%d operations to begin with", n)
			}
			p.Op(ctx, "Get")()
			p.History()[0].Name = "Put"
			if name := p.History()[0].Name; name != "Get" {
				p.Errorf("the operation is %s now", name)
			}
			return nil
		})
	})
}

func TestOpEndsTwice(t *testing.T) {
	out := found(t, func(p *proptest.P) {
		p.Go("a", func(ctx context.Context) error {
			done := p.Op(ctx, "Get")
			done()
			defer func() {
				if v := recover(); v != "proptest: the end of an operation was recorded already" {
					panic(v)
				}
				p.Fatalf("refused")
			}()
			done()
			return nil
		})
	})
	if !strings.Contains(out, "tests: refused\n") {
		t.Errorf("the second end was not refused:\n%s", out)
	}
}

// A task that is a goroutine is known by its ctx, and contexts that were derived from it.
func TestHistoryOfGoroutines(t *testing.T) {
	proptest.Check(t, func(p *proptest.P) {
		for i := range 3 {
			name := fmt.Sprint("w", i)
			p.Go(name, func(ctx context.Context) error {
				done := p.Op(ctx, "outer", name)
				inner, cancel := context.WithCancel(ctx)
				defer cancel()
				p.Op(inner, "inner", name)()
				done()
				return nil
			})
		}
		p.Finally("named", func() bool {
			for _, o := range p.History() {
				if o.Task != o.Args[0] || o.Pending || o.End <= o.Begin {
					return false
				}
			}
			return len(p.History()) == 6
		})
	}, proptest.Goroutines())
}
