package xsync_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

var errBoom = errors.New("boom")

// gated is a Once whose initialisers wait for a permit each.
type gated struct {
	once xsync.Once[int]
	gate *xsync.Semaphore
}

func newGated(int) *gated {
	g := &gated{gate: xsync.NewSemaphore(1000)}
	g.gate.TryAcquireN(1000)
	return g
}

// How an initialiser ends, by the argument of its operation.
const (
	succeeds = iota + 1
	fails
	panicking
)

func (g *gated) do(ctx context.Context, op check.Op) (result string) {
	if err := ctx.Err(); err != nil { // with a value Do would not ask, other than the laws expect
		return text(err)
	}
	defer func() {
		if r := recover(); r != nil {
			result = fmt.Sprint(r)
		}
	}()
	v, err := g.once.Do(ctx, func(ctx context.Context) (int, error) {
		switch err := g.gate.Acquire(ctx); {
		case err != nil:
			return 0, err
		case op.Arg == fails:
			return 0, errBoom
		case op.Arg == panicking:
			panic("panicked")
		}
		return op.ID, nil
	})
	if err != nil {
		return text(err)
	}
	return fmt.Sprint(v)
}

// onces is the law of a Once: one initialiser runs at a time, in order of arrival, until one
// has succeeded.
func onces() check.Law[*gated] {
	return check.Law[*gated]{
		Calls:  []string{"do"},
		Nows:   []string{"permit", "permit", "value"},
		MaxArg: 3,
		Model:  func(int) check.Model { return &onceModel{} },
		System: func(g *gated) check.System {
			return check.System{
				Call: g.do,
				Now: func(op check.Op) string {
					// An initialiser takes its time on the way to the gate and from it, which
					// the model does not know: what is canceled meanwhile has to come before or after.
					synctest.Wait()
					if op.Name == "permit" {
						g.gate.Release()
						synctest.Wait()
						return ""
					}
					v, ok := g.once.Value()
					return fmt.Sprint(v, ok)
				},
				State: func() string { return fmt.Sprintf("%+v", g.once.Stats()) },
			}
		},
	}
}

type onceModel struct {
	check.Ends
	permits, value int
	queue          []check.Op // the first one runs its initialiser
}

func (m *onceModel) Clone() check.Model {
	c := *m
	c.queue = slices.Clone(m.queue)
	return &c
}

func (m *onceModel) Call(op check.Op) {
	m.queue = append(m.queue, op)
	m.run()
}

func (m *onceModel) run() {
	for len(m.queue) > 0 {
		op := m.queue[0]
		switch {
		case m.value != 0:
			m.End(op.ID, fmt.Sprint(m.value))
		case m.permits == 0:
			return
		default:
			m.permits--
			switch op.Arg {
			case succeeds:
				m.value = op.ID
				continue
			case fails:
				m.End(op.ID, text(errBoom))
			case panicking:
				m.End(op.ID, "panicked")
			}
		}
		m.queue = m.queue[1:]
	}
}

func (m *onceModel) Cancel(id int) {
	if i := find(m.queue, id); i >= 0 {
		m.queue = slices.Delete(m.queue, i, i+1)
		m.End(id, text(context.Canceled))
		m.run()
	}
}

func (m *onceModel) Now(op check.Op) string {
	if op.Name == "permit" {
		m.permits++
		m.run()
		return ""
	}
	return fmt.Sprint(m.value, m.value != 0)
}

func (m *onceModel) Allowed(check.Op) bool { return true }
func (m *onceModel) Unblock() check.Op     { return check.Op{Name: "permit"} }
func (m *onceModel) State() string {
	return fmt.Sprintf("%+v", xsync.OnceStats{
		Done: m.value != 0, Running: len(m.queue) > 0, Waiting: max(len(m.queue)-1, 0),
	})
}

func TestOnceModel(t *testing.T) { everywhere(t, onces(), newGated) }

// One initialiser at a time, one success, and everybody has its value.
func TestOnceStress(t *testing.T) {
	for name, runner := range runners() {
		t.Run(name, func(t *testing.T) {
			const participants = 40
			ops := check.Times(30, 300)
			onces := make([]xsync.Once[*int], ops)
			var running, tries, made counter
			load(t, runner(), participants, ops, func(ctx context.Context, i, j int) {
				v, err := onces[j].Do(ctx, func(ctx context.Context) (*int, error) {
					if n := running.add(1); n > participants {
						t.Errorf("%d initialisers run", n)
					}
					defer running.add(-1)
					_ = core.Yield(context.Background())
					if tries.add(1)%3 != 0 {
						return nil, errBoom
					}
					made.add(1)
					return &i, nil
				})
				switch {
				case err == nil:
					if got, ok := onces[j].Value(); !ok || got != v {
						t.Errorf("Value() = %v, %t, Do said %v", got, ok, v)
					}
				case err != errBoom && err != ctx.Err():
					t.Errorf("Do() = %v, the ctx says %v", err, ctx.Err())
				}
			})
			n := 0
			for i := range onces {
				s := onces[i].Stats()
				if s.Done {
					n++
				}
				if s.Running || s.Waiting != 0 {
					t.Errorf("at the end: %+v", s)
				}
			}
			if n == 0 || n != made.add(0) {
				t.Errorf("%d have a value, %d were made", n, made.add(0))
			}
		})
	}
}

func TestOnceKeepsTheValue(t *testing.T) {
	var o xsync.Once[int]
	if v, ok := o.Value(); v != 0 || ok {
		t.Errorf("Value() = %d, %t", v, ok)
	}
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, 1)
	v, err := o.Do(ctx, func(got context.Context) (int, error) {
		want(t, got, ctx)
		want(t, o.Stats(), xsync.OnceStats{Running: true})
		return 7, errBoom
	})
	if v != 7 || err != errBoom {
		t.Errorf("Do() = %d, %v", v, err)
	}
	want(t, o.Stats(), xsync.OnceStats{})
	for i := range 3 {
		v, err := o.Do(ctx, func(context.Context) (int, error) { return 8 + i, nil })
		if v != 8 || err != nil {
			t.Errorf("Do() = %d, %v", v, err)
		}
	}
	want(t, o.Stats(), xsync.OnceStats{Done: true})
	// The value is there for a ctx that is done.
	for _, ctx := range doneContexts(t) {
		if v, err := o.Do(ctx, nil); v != 8 || err != nil {
			t.Errorf("Do() = %d, %v", v, err)
		}
	}
}

func TestOnceDoneContextLoses(t *testing.T) {
	for _, ctx := range doneContexts(t) {
		var o xsync.Once[int]
		_, err := o.Do(ctx, func(context.Context) (int, error) { t.Error("fn was called"); return 1, nil })
		wantErr(t, "Do", err, ctx.Err())
		want(t, o.Stats(), xsync.OnceStats{})
	}
}

// A waiter whose turn comes when its ctx has just ended does not begin, and passes the turn on.
func TestOnceTurnThenCancel(t *testing.T) {
	if err := core.Run(t.Context(), func(ctx context.Context) error {
		var o xsync.Once[int]
		var second *core.Task
		first := core.Start(ctx, func(ctx context.Context) error {
			_, err := o.Do(ctx, func(ctx context.Context) (int, error) { return 0, errors.Join(core.Yield(ctx), errBoom) })
			second.Cancel() // it has its turn, and has not run yet
			return err
		})
		second = core.Start(ctx, func(ctx context.Context) error {
			_, err := o.Do(ctx, func(context.Context) (int, error) { t.Error("fn was called"); return 0, nil })
			wantErr(t, "Do", err, context.Canceled)
			return err
		})
		third := core.Start(ctx, func(ctx context.Context) error {
			v, err := o.Do(ctx, func(context.Context) (int, error) { return 3, nil })
			want(t, v, 3)
			return err
		})
		if err := first.Wait(ctx); !errors.Is(err, errBoom) {
			t.Errorf("first: %v", err)
		}
		_ = second.Wait(ctx)
		return third.Wait(ctx)
	}); err != nil {
		t.Fatal(err)
	}
}

func TestOnceNoAllocations(t *testing.T) {
	var o xsync.Once[int]
	noAllocations(t, func(ctx context.Context) {
		if v, err := o.Do(ctx, func(context.Context) (int, error) { return 5, nil }); v != 5 || err != nil {
			t.Errorf("Do() = %d, %v", v, err)
		}
	})
}

// A waiter sees all that the initialiser did: the race detector would tell.
func TestOnceMemoryOrder(t *testing.T) {
	for range check.Times(200, 5000) {
		var o xsync.Once[*int]
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				v, err := o.Do(context.Background(), func(context.Context) (*int, error) {
					v := new(int)
					runtime.Gosched()
					*v = 1
					return v, nil
				})
				if err != nil || *v != 1 {
					t.Errorf("Do() = %v, %v", v, err)
				}
			})
		}
		wg.Wait()
	}
}
