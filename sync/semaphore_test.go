package xsync_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/internal/check"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// semaphores is the law of a Semaphore of 1 + size permits: that of [check.Semaphores], and what
// becomes of those who want more than there are, and of a change of the size.
func semaphores() check.Law[*xsync.Semaphore] {
	return check.Law[*xsync.Semaphore]{
		Calls:  []string{"acquire"},
		Nows:   []string{"release", "release", "release", "try", "try", "resize", "available"},
		MaxArg: 4,
		Model:  func(size int) check.Model { return &semModel{size: 1 + size, free: 1 + size} },
		System: func(s *xsync.Semaphore) check.System {
			return check.System{
				Call: func(ctx context.Context, op check.Op) string { return text(s.AcquireN(ctx, op.Arg)) },
				Now: func(op check.Op) string {
					switch op.Name {
					case "release":
						s.ReleaseN(op.Arg)
					case "resize":
						s.Resize(op.Arg - 1)
					case "try":
						return fmt.Sprint(s.TryAcquireN(op.Arg))
					default:
						return fmt.Sprint(s.Available())
					}
					return ""
				},
				State: func() string { return fmt.Sprintf("%+v", s.Stats()) },
			}
		},
	}
}

type semModel struct {
	check.Ends
	size, free int
	queue      []check.Op
}

func (m *semModel) Clone() check.Model {
	c := *m
	c.queue = slices.Clone(m.queue)
	return &c
}

func (m *semModel) Call(op check.Op) {
	if op.Arg > m.size {
		m.End(op.ID, text(xsync.ErrTooMany))
		return
	}
	m.queue = append(m.queue, op)
	m.serve()
}

func (m *semModel) serve() {
	for len(m.queue) > 0 {
		switch op := m.queue[0]; {
		case op.Arg > m.size:
			m.End(op.ID, text(xsync.ErrTooMany))
		case op.Arg <= m.free:
			m.free -= op.Arg
			m.End(op.ID, "ok")
		default:
			return
		}
		m.queue = m.queue[1:]
	}
}

func (m *semModel) Cancel(id int) {
	if i := find(m.queue, id); i >= 0 {
		m.queue = slices.Delete(m.queue, i, i+1)
		m.End(id, text(context.Canceled))
		m.serve()
	}
}

func (m *semModel) Now(op check.Op) string {
	switch op.Name {
	case "release":
		m.free += op.Arg
		m.serve()
	case "resize":
		m.free += op.Arg - 1 - m.size
		m.size = op.Arg - 1
		m.serve()
	case "try":
		if len(m.queue) > 0 || op.Arg > m.free {
			return "false"
		}
		m.free -= op.Arg
		return "true"
	default:
		return fmt.Sprint(max(m.free, 0))
	}
	return ""
}

func (m *semModel) Allowed(op check.Op) bool {
	return op.Name != "release" || op.Arg <= m.size-m.free
}

func (m *semModel) Unblock() check.Op { return check.Op{Name: "resize", Arg: 1000} }

func (m *semModel) State() string {
	return fmt.Sprintf("%+v", xsync.SemaphoreStats{Size: m.size, Held: m.size - m.free, Waiting: len(m.queue)})
}

func TestSemaphoreModel(t *testing.T) {
	everywhere(t, semaphores(), func(size int) *xsync.Semaphore { return xsync.NewSemaphore(1 + size) })
}

func TestSemaphoreStress(t *testing.T) {
	for name, runner := range runners() {
		t.Run(name, func(t *testing.T) {
			outer, inner := xsync.NewSemaphore(1), xsync.NewSemaphore(1)
			s := check.Stress{Runner: runner(), N: 60, Ops: check.Times(40, 800)}
			if err := s.Lock(outer, inner); err != nil {
				t.Fatal(err)
			}
			want(t, outer.Stats(), xsync.SemaphoreStats{Size: 1, Held: 1}) // the stress took it last
			want(t, inner.Stats(), xsync.SemaphoreStats{Size: 1, Held: 1})
		})
	}
}

// Weights, sizes that change and cancels at once: never are more permits held than the largest
// size, and none is lost.
func TestSemaphoreStressWeighted(t *testing.T) {
	for name, runner := range runners() {
		t.Run(name, func(t *testing.T) {
			const size = 5
			s := xsync.NewSemaphore(size)
			var held counter
			load(t, runner(), 60, check.Times(60, 800), func(ctx context.Context, i, j int) {
				n := (i + j) % (size + 2)
				switch {
				case j%16 == 15:
					s.Resize(size - i%3)
					return
				case j%5 == 4:
					if !s.TryAcquireN(n) {
						return
					}
				default:
					if err := s.AcquireN(ctx, n); err != nil {
						if err != ctx.Err() && err != xsync.ErrTooMany {
							t.Errorf("AcquireN() = %v, the ctx says %v", err, ctx.Err())
						}
						return
					}
				}
				if now := held.add(n); now > size {
					t.Errorf("%d permits are held", now)
				}
				if s.Available() > size {
					t.Errorf("%d permits are free", s.Available())
				}
				held.add(-n)
				s.ReleaseN(n)
			})
			s.Resize(size)
			want(t, s.Stats(), xsync.SemaphoreStats{Size: size})
		})
	}
}

func TestSemaphoreDoneContextLoses(t *testing.T) {
	for _, ctx := range doneContexts(t) {
		s := xsync.NewSemaphore(2)
		for _, n := range []int{0, 1, 2, 3} {
			wantErr(t, fmt.Sprintf("AcquireN(%d)", n), s.AcquireN(ctx, n), ctx.Err())
		}
		want(t, s.Stats(), xsync.SemaphoreStats{Size: 2})
		s.TryAcquireN(2)
		wantErr(t, "Acquire of one that is held", s.Acquire(ctx), ctx.Err())
		want(t, s.Stats(), xsync.SemaphoreStats{Size: 2, Held: 2})
	}
}

func TestSemaphoreBadInput(t *testing.T) {
	const tooMuch, outOfRange = "xsync: release of more permits than are held", "xsync: size of a Semaphore out of range"
	s := xsync.NewSemaphore(2)
	for text, fn := range map[string]func(){
		"xsync: acquire of a negative number of permits": func() { _ = s.AcquireN(t.Context(), -1) },
		"xsync: release of a negative number of permits": func() { s.ReleaseN(-1) },
		tooMuch:    s.Release,
		outOfRange: func() { s.Resize(-1) },
	} {
		mustPanic(t, text, fn)
	}
	mustPanic(t, "xsync: acquire of a negative number of permits", func() { s.TryAcquireN(math.MinInt) })
	mustPanic(t, outOfRange, func() { xsync.NewSemaphore(-1) })
	mustPanic(t, tooMuch, func() { s.ReleaseN(math.MaxInt) })
	s.ReleaseN(0)
	if !s.TryAcquireN(0) || s.TryAcquireN(3) || s.TryAcquireN(math.MaxInt) {
		t.Error("TryAcquireN is wrong at the edges")
	}
	wantErr(t, "AcquireN(3)", s.AcquireN(t.Context(), 3), xsync.ErrTooMany)
	want(t, s.Stats(), xsync.SemaphoreStats{Size: 2})

	// After contention, and with somebody in the queue.
	synctest.Test(t, func(t *testing.T) {
		s := xsync.NewSemaphore(2)
		s.TryAcquireN(2)
		calls := start(2, func(int) error { return s.Acquire(t.Context()) })
		wantErr(t, "AcquireN(3)", s.AcquireN(t.Context(), 3), xsync.ErrTooMany)
		wantErr(t, "AcquireN(0)", s.AcquireN(t.Context(), 0), nil)
		mustPanic(t, tooMuch, func() { s.ReleaseN(3) })
		want(t, s.Stats(), xsync.SemaphoreStats{Size: 2, Held: 2, Waiting: 2})
		s.ReleaseN(2)
		s.ReleaseN(2)
		mustPanic(t, tooMuch, s.Release)
		calls.want(t, "0 <nil>", "1 <nil>")
		want(t, s.Stats(), xsync.SemaphoreStats{Size: 2})
	})
}

// The zero value and size 0 grant nothing, and serve after a Resize.
func TestSemaphoreZero(t *testing.T) {
	var s xsync.Semaphore
	wantErr(t, "Acquire", s.Acquire(t.Context()), xsync.ErrTooMany)
	if s.TryAcquire() || s.Available() != 0 {
		t.Error("there is a permit")
	}
	s.Resize(1)
	wantErr(t, "Acquire", s.Acquire(t.Context()), nil)
	want(t, s.Stats(), xsync.SemaphoreStats{Size: 1, Held: 1})
}

func TestSemaphoreLargest(t *testing.T) {
	size := math.MaxInt
	if int64(size) == math.MaxInt64 {
		mustPanic(t, "xsync: size of a Semaphore out of range", func() { xsync.NewSemaphore(size) })
		size >>= 1
	}
	s := xsync.NewSemaphore(size)
	if !s.TryAcquireN(size-1) || s.TryAcquireN(2) || !s.TryAcquire() || s.Available() != 0 {
		t.Error("it does not hold what it must")
	}
	s.ReleaseN(size)
	if s.Available() != size {
		t.Errorf("Available() = %d", s.Available())
	}
}

func TestSemaphoreResize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := xsync.NewSemaphore(4)
		s.TryAcquireN(3)
		weights := []int{4, 2, 1}
		calls := start(3, func(i int) error { return s.AcquireN(t.Context(), weights[i]) })
		s.Resize(2)
		if s.Available() != 0 {
			t.Errorf("Available() = %d with more held than there are", s.Available())
		}
		// The first wants more than there are. The next one waits until enough are released.
		calls.want(t, "0 "+xsync.ErrTooMany.Error())
		want(t, s.Stats(), xsync.SemaphoreStats{Size: 2, Held: 3, Waiting: 2})
		s.ReleaseN(2)
		calls.want(t)
		s.Release()
		calls.want(t, "1 <nil>")
		s.Resize(3)
		calls.want(t, "2 <nil>")
		want(t, s.Stats(), xsync.SemaphoreStats{Size: 3, Held: 3})
	})
	// Who does not come to the head of the queue while the size is too small never sees it.
	synctest.Test(t, func(t *testing.T) {
		s := xsync.NewSemaphore(4)
		s.TryAcquireN(4)
		calls := start(2, func(i int) error { return s.AcquireN(t.Context(), 1+3*i) })
		s.Resize(1)
		s.Resize(4)
		s.ReleaseN(4)
		calls.want(t, "0 <nil>")
		s.Release()
		calls.want(t, "1 <nil>")
	})
}

func TestSemaphoreHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := xsync.NewSemaphore(3)
		s.TryAcquireN(3)
		weights := []int{2, 1, 3}
		calls := start(3, func(i int) error { return s.AcquireN(t.Context(), weights[i]) })
		s.Release()
		// The permit is free, and is kept for the first.
		if s.TryAcquire() || s.Available() != 1 {
			t.Fatal("TryAcquire overtook a waiter")
		}
		s.ReleaseN(2)
		// Before the waiters have run: the permits are their own.
		want(t, s.Stats(), xsync.SemaphoreStats{Size: 3, Held: 3, Waiting: 1})
		calls.want(t, "0 <nil>", "1 <nil>")
		s.ReleaseN(3)
		calls.want(t, "2 <nil>")
	})
}

func TestSemaphoreGrantThenCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 50 { // the select of the waiter is fair to both channels
			s := xsync.NewSemaphore(1)
			s.TryAcquire()
			ctx, cancel := context.WithCancel(t.Context())
			calls := start(1, func(int) error { return s.Acquire(ctx) })
			s.Release()
			cancel()
			calls.want(t, "0 <nil>")
			want(t, s.Stats(), xsync.SemaphoreStats{Size: 1, Held: 1})
			wantErr(t, "the next Acquire", s.Acquire(ctx), context.Canceled)
		}
	})
}

// Between the look at the permits and the wait for them nothing is missed.
func TestSemaphoreReleaseBeforeWait(t *testing.T) {
	for range 20 {
		s := xsync.NewSemaphore(1)
		s.TryAcquire()
		free := s.Hold()
		ended := make(chan error)
		go func() { ended <- s.Acquire(context.Background()) }()
		for range 100 {
			runtime.Gosched()
		}
		s.Release()
		free()
		wantErr(t, "Acquire", <-ended, nil)
	}
}

// After the last waiter has given up, nothing of the contention is left.
func TestSemaphoreAfterContention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := xsync.NewSemaphore(2)
		s.TryAcquire()
		ctx, cancel := context.WithCancel(t.Context())
		calls := start(1, func(int) error { return s.AcquireN(ctx, 2) })
		cancel()
		calls.want(t, "0 context canceled")
		if !s.TryAcquire() || s.TryAcquire() {
			t.Error("TryAcquire does not see what is free")
		}
		want(t, s.Contended(), false)
		s.ReleaseN(2)
		want(t, s.Stats(), xsync.SemaphoreStats{Size: 2})

		s.TryAcquireN(2)
		calls = start(2, func(int) error { return s.Acquire(t.Context()) })
		s.Release()
		want(t, s.Contended(), true)
		s.Release()
		want(t, s.Contended(), false)
		calls.want(t, "0 <nil>", "1 <nil>")
	})
}

func TestSemaphoreNoAllocations(t *testing.T) {
	s := xsync.NewSemaphore(3)
	noAllocations(t, func(ctx context.Context) {
		if s.AcquireN(ctx, 2) == nil && s.TryAcquire() {
			s.ReleaseN(2)
			s.Release()
		}
		if s.TryAcquireN(4) || !errors.Is(s.AcquireN(ctx, 4), xsync.ErrTooMany) {
			t.Error("there are not so many")
		}
	})
}

func TestSemaphoreMemoryOrder(t *testing.T) {
	s := xsync.NewSemaphore(1)
	shared := 0 // the race detector would tell
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range check.Times(200, 5000) {
				if i%2 == 0 || !s.TryAcquire() {
					_ = s.Acquire(context.Background())
				}
				shared++
				s.Release()
			}
		})
	}
	wg.Wait()
	if shared != 4*check.Times(200, 5000) {
		t.Errorf("%d increments", shared)
	}
}
