package xsync_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// barriers is the law of a Barrier of 1 + size parties.
func barriers() check.Law[*xsync.Barrier] {
	return check.Law[*xsync.Barrier]{
		Calls: []string{"wait"},
		Nows:  []string{"reset", "reset", "reset", "break"},
		Model: func(size int) check.Model { return &barrierModel{parties: 1 + size} },
		System: func(b *xsync.Barrier) check.System {
			return check.System{
				Call: func(ctx context.Context, _ check.Op) string {
					done := ctx.Err() != nil
					arrival, err := b.Wait(ctx)
					switch {
					case err == nil:
						return fmt.Sprint(arrival)
					case err == context.Canceled && !done:
						// Of two that are canceled at once either, or both, may say so.
						return text(xsync.ErrBroken)
					}
					return text(err)
				},
				Now: func(op check.Op) string {
					if op.Name == "reset" {
						b.Reset()
					} else {
						b.Break()
					}
					return ""
				},
				State: func() string { return fmt.Sprintf("%+v", b.Stats()) },
			}
		},
	}
}

type barrierModel struct {
	check.Ends
	parties int
	broken  bool
	queue   []int
}

func (m *barrierModel) Clone() check.Model {
	c := *m
	c.queue = slices.Clone(m.queue)
	return &c
}

func (m *barrierModel) Call(op check.Op) {
	if m.broken {
		m.End(op.ID, text(xsync.ErrBroken))
		return
	}
	m.queue = append(m.queue, op.ID)
	if len(m.queue) == m.parties {
		for i, id := range m.queue {
			m.End(id, fmt.Sprint(i))
		}
		m.queue = nil
	}
}

func (m *barrierModel) Cancel(id int) {
	if i := slices.Index(m.queue, id); i >= 0 {
		m.queue = slices.Delete(m.queue, i, i+1)
		m.End(id, text(xsync.ErrBroken))
		m.Now(check.Op{Name: "break"})
	}
}

func (m *barrierModel) Now(op check.Op) string {
	for _, id := range m.queue {
		m.End(id, text(xsync.ErrBroken))
	}
	m.queue = nil
	m.broken = op.Name == "break"
	return ""
}

func (m *barrierModel) Allowed(check.Op) bool { return true }
func (m *barrierModel) Unblock() check.Op     { return check.Op{Name: "break"} }
func (m *barrierModel) State() string {
	return fmt.Sprintf("%+v", xsync.BarrierStats{Parties: m.parties, Arrived: len(m.queue), Broken: m.broken})
}

func TestBarrierModel(t *testing.T) {
	check.Cases(t, 100) // the model knows no two that are canceled at the same moment
	everywhere(t, barriers(), func(size int) *xsync.Barrier { return xsync.NewBarrier(1 + size) })
}

// Rounds are complete or broken, whatever is canceled: each number comes once in a round, and with
// as many callers as parties nobody is left waiting.
func TestBarrierStress(t *testing.T) {
	for name, runner := range runners() {
		t.Run(name, func(t *testing.T) {
			const parties = 6
			ops := check.Times(200, 5000)
			b := xsync.NewBarrier(parties)
			var mu sync.Mutex
			var numbers [parties]int
			over := false // somebody has made its last call
			load(t, runner(), parties, ops, func(ctx context.Context, _, j int) {
				if j%8 != 0 { // or hardly a round would be complete
					ctx = context.Background()
				}
				n, err := b.Wait(ctx)
				mu.Lock()
				defer mu.Unlock()
				switch err {
				case nil:
					numbers[n]++
				case xsync.ErrBroken:
					if !over && b.Stats().Broken { // else it would break the next round
						b.Reset()
					}
				default:
					wantErr(t, "Wait", err, ctx.Err())
				}
				if j == ops-1 {
					over = true
					b.Break()
				}
			})
			for _, n := range numbers {
				if n != numbers[0] || n == 0 {
					t.Fatalf("numbers came %v times", numbers)
				}
			}
		})
	}
}

func TestBarrierRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := xsync.NewBarrier(3)
		for range 3 {
			c := start(2, func(i int) error { return barrierWait(t, b, t.Context(), i) })
			want(t, b.Stats(), xsync.BarrierStats{Parties: 3, Arrived: 2})
			wantErr(t, "the last one", barrierWait(t, b, t.Context(), 2), nil)
			// Before those have run: they belong to the round that is over.
			want(t, b.Stats(), xsync.BarrierStats{Parties: 3})
			c.want(t, "0 <nil>", "1 <nil>")
		}
	})
}

// barrierWait is Wait of a party that arrives as number i, if it passes.
func barrierWait(t *testing.T, b *xsync.Barrier, ctx context.Context, i int) error {
	got, err := b.Wait(ctx)
	if err != nil {
		i = 0
	}
	want(t, got, i)
	return err
}

func TestBarrierDoneContextLoses(t *testing.T) {
	for _, ctx := range doneContexts(t) {
		b := xsync.NewBarrier(1)
		wantErr(t, "Wait", barrierWait(t, b, ctx, 0), ctx.Err())
		want(t, b.Stats(), xsync.BarrierStats{Parties: 1})
		b.Break()
		wantErr(t, "Wait", barrierWait(t, b, ctx, 0), ctx.Err())
		wantErr(t, "Wait", barrierWait(t, b, t.Context(), 0), xsync.ErrBroken)
	}
}

// A party that gives up when its round is complete has been in it.
func TestBarrierCompleteThenCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 50 {
			b := xsync.NewBarrier(2)
			ctx, cancel := context.WithCancel(t.Context())
			c := start(1, func(i int) error { return barrierWait(t, b, ctx, i) })
			wantErr(t, "Wait", barrierWait(t, b, t.Context(), 1), nil)
			cancel()
			c.want(t, "0 <nil>")
			want(t, b.Stats(), xsync.BarrierStats{Parties: 2})
		}
	})
}

// A party that panics breaks the barrier.
func TestBarrierInCallback(t *testing.T) {
	b := xsync.NewBarrier(2)
	if err := core.Run(t.Context(), func(ctx context.Context) error {
		task := core.Start(ctx, func(ctx context.Context) error { _, err := b.Wait(ctx); return err })
		b.Reset()
		wantErr(t, "Wait", task.Wait(ctx), xsync.ErrBroken)
		ended := core.NewFuture[any]()
		core.DispatcherOf(ctx).CallSoon(func() { ended.Complete(panics(func() { _, _ = b.Wait(ctx) })) })
		v, err := ended.Await(ctx)
		want(t, v, any("core: wait inside a dispatcher callback"))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	want(t, b.Stats(), xsync.BarrierStats{Parties: 2, Broken: true})
}

func TestBarrierBadInput(t *testing.T) {
	mustPanic(t, "xsync: barrier of less than one party", func() { xsync.NewBarrier(0) })
	mustPanic(t, "xsync: barrier of less than one party", func() { xsync.NewBarrier(-1) })
	var zero xsync.Barrier
	mustPanic(t, "xsync: Barrier not made by NewBarrier", func() { _, _ = zero.Wait(t.Context()) })
}

// A party that gives up, and while it still runs the round becomes complete with it, has not given up: all of a
// round succeed or none.
func TestBarrierCompleteWhileOneLeaves(t *testing.T) {
	complete := 0
	for failed := range 200 { // so many that the task gives way after some failed wait
		err := core.Run(t.Context(), func(ctx context.Context) error {
			b := xsync.NewBarrier(2)
			over, cancel := context.WithCancel(ctx)
			cancel()
			for range failed {
				wantErr(t, "Acquire", new(xsync.Semaphore).Acquire(over), context.Canceled)
			}
			second := core.Start(ctx, func(ctx context.Context) error {
				if err := core.Yield(ctx); err != nil {
					return err
				}
				_, err := b.Wait(ctx)
				return err
			})
			_, err := b.Wait(&ending{Context: ctx})
			other := second.Wait(ctx)
			switch {
			case err == nil && other == nil:
				complete++
			case err != context.Canceled || other != xsync.ErrBroken:
				t.Errorf("%d: %v and %v", failed, err, other)
			}
			return nil
		})
		wantErr(t, "Run", err, nil)
	}
	if complete == 0 {
		t.Error("no round is complete while one leaves")
	}
}

// ending is a ctx that ends after it was asked for the first time.
type ending struct {
	context.Context
	asked bool
}

func (e *ending) Err() error {
	if !e.asked {
		e.asked = true
		return nil
	}
	return context.Canceled
}
