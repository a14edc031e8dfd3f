package xsync_test

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// waitGroups is the law of a WaitGroup that counts size.
func waitGroups() check.Law[*xsync.WaitGroup] {
	return check.Law[*xsync.WaitGroup]{
		Calls:  []string{"wait"},
		Nows:   []string{"add", "take", "take", "done"},
		MaxArg: 3,
		Model:  func(size int) check.Model { return &groupModel{count: size} },
		System: func(g *xsync.WaitGroup) check.System {
			return check.System{
				Call: func(ctx context.Context, _ check.Op) string { return text(g.Wait(ctx)) },
				Now: func(op check.Op) string {
					switch op.Name {
					case "add":
						g.Add(op.Arg - 1)
					case "take":
						g.Add(-op.Arg)
					default:
						g.Done()
					}
					return ""
				},
				State: func() string { return fmt.Sprintf("%+v", g.Stats()) },
			}
		},
	}
}

type groupModel struct {
	check.Ends
	count int
	queue []int
}

func (m *groupModel) Clone() check.Model {
	return &groupModel{m.Ends, m.count, slices.Clone(m.queue)}
}

func (m *groupModel) delta(op check.Op) int {
	switch op.Name {
	case "add":
		return op.Arg - 1
	case "take":
		return -op.Arg
	default:
		return -1
	}
}

func (m *groupModel) Call(op check.Op) {
	if m.count == 0 {
		m.End(op.ID, "ok")
		return
	}
	m.queue = append(m.queue, op.ID)
	slices.Sort(m.queue) // nobody can see the order
}

func (m *groupModel) Cancel(id int) {
	if i := slices.Index(m.queue, id); i >= 0 {
		m.queue = slices.Delete(m.queue, i, i+1)
		m.End(id, text(context.Canceled))
	}
}

func (m *groupModel) Now(op check.Op) string {
	if m.count += m.delta(op); m.count == 0 {
		for _, id := range m.queue {
			m.End(id, "ok")
		}
		m.queue = nil
	}
	return ""
}

func (m *groupModel) Allowed(op check.Op) bool { return m.count+m.delta(op) >= 0 }
func (m *groupModel) Unblock() check.Op        { return check.Op{Name: "done"} }
func (m *groupModel) State() string {
	return fmt.Sprintf("%+v", xsync.WaitGroupStats{Count: m.count, Waiting: len(m.queue)})
}

func TestWaitGroupModel(t *testing.T) {
	everywhere(t, waitGroups(), func(size int) *xsync.WaitGroup {
		g := new(xsync.WaitGroup)
		g.Add(size)
		return g
	})
}

// Each wait that ends well has seen the work that it waited for.
func TestWaitGroupStress(t *testing.T) {
	for name, runner := range runners() {
		t.Run(name, func(t *testing.T) {
			var g xsync.WaitGroup
			load(t, runner(), 60, check.Times(60, 800), func(ctx context.Context, i, _ int) {
				if i%2 == 0 {
					g.Add(2)
					_ = core.Yield(context.Background())
					g.Done()
					_ = core.Yield(context.Background())
					g.Done()
				} else if err := g.Wait(ctx); err != nil {
					wantErr(t, "Wait", err, ctx.Err())
				}
			})
			want(t, g.Stats(), xsync.WaitGroupStats{})
		})
	}
}

// The work is seen by the one who waited for it: the race detector would tell.
func TestWaitGroupMemoryOrder(t *testing.T) {
	for range check.Times(200, 5000) {
		var g xsync.WaitGroup
		var work [4]int
		for i := range work {
			g.Go(func() { work[i] = 1 })
		}
		wantErr(t, "Wait", g.Wait(context.Background()), nil)
		want(t, work, [4]int{1, 1, 1, 1})
	}
}

// Who waits at the zero goes, even if the counter has left it before anybody runs.
func TestWaitGroupReuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g xsync.WaitGroup
		g.Add(1)
		c := start(3, func(int) error { return g.Wait(t.Context()) })
		g.Done()
		g.Add(1)
		late, cancel := context.WithCancel(t.Context())
		c.start("late", func() error { return g.Wait(late) })
		c.want(t, "0 <nil>", "1 <nil>", "2 <nil>")
		cancel()
		c.want(t, "late context canceled")
		want(t, g.Contended(), true)
		g.Done()
		want(t, g.Contended(), false)
		want(t, g.Stats(), xsync.WaitGroupStats{})
		wantErr(t, "Wait", g.Wait(t.Context()), nil)
	})
}

// Between the look at the counter and the wait for it nothing is missed.
func TestWaitGroupZeroBeforeWait(t *testing.T) {
	for range 20 {
		var g xsync.WaitGroup
		g.Add(1)
		free := g.Hold()
		ended := make(chan error)
		go func() { ended <- g.Wait(context.Background()) }()
		for range 100 {
			runtime.Gosched()
		}
		g.Done()
		free()
		wantErr(t, "Wait", <-ended, nil)
	}
}

func TestWaitGroupZeroThenCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 50 {
			var g xsync.WaitGroup
			g.Add(1)
			ctx, cancel := context.WithCancel(t.Context())
			c := start(1, func(int) error { return g.Wait(ctx) })
			g.Done()
			cancel()
			c.want(t, "0 <nil>")
		}
	})
}

func TestWaitGroupDoneContextLoses(t *testing.T) {
	for _, ctx := range doneContexts(t) {
		var g xsync.WaitGroup
		wantErr(t, "Wait at zero", g.Wait(ctx), ctx.Err())
		g.Add(1)
		wantErr(t, "Wait", g.Wait(ctx), ctx.Err())
		want(t, g.Stats(), xsync.WaitGroupStats{Count: 1})
	}
}

func TestWaitGroupBadInput(t *testing.T) {
	const negative, outOfRange = "xsync: negative counter of a WaitGroup", "xsync: counter of a WaitGroup out of range"
	synctest.Test(t, func(t *testing.T) {
		var g xsync.WaitGroup
		mustPanic(t, negative, g.Done)
		g.Add(1)
		c := start(1, func(int) error { return g.Wait(t.Context()) })
		mustPanic(t, negative, func() { g.Add(-2) })
		mustPanic(t, negative, func() { g.Add(math.MinInt) })
		if int64(math.MaxInt) == math.MaxInt64 {
			mustPanic(t, outOfRange, func() { g.Add(math.MaxInt) })
		}
		want(t, g.Stats(), xsync.WaitGroupStats{Count: 1, Waiting: 1})
		g.Done()
		c.want(t, "0 <nil>")
	})
}

// A function that ends its goroutine is over, too.
func TestWaitGroupGoexit(t *testing.T) {
	var g xsync.WaitGroup
	g.Go(runtime.Goexit)
	wantErr(t, "Wait", g.Wait(t.Context()), nil)
}

func TestWaitGroupNoAllocations(t *testing.T) {
	var g xsync.WaitGroup
	noAllocations(t, func(ctx context.Context) {
		g.Add(2)
		g.Done()
		g.Done()
		if err := g.Wait(ctx); err != nil {
			t.Error(err)
		}
	})
}
