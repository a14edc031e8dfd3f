package xsync_test

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/lock"
	"github.com/seed-1e54c410/turnstile/queue"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// mixed is one of each type where some that wait want more than others.
type mixed struct {
	sem    *xsync.Semaphore
	rw     lock.AsyncRWLock
	queues [2]*queue.AsyncQueue[int]
	held   counter // permits
	inside counter // of rw: readers, or a writer, which counts for a hundred
	items  counter
}

// branch is a case, and what follows if it wins.
type branch struct {
	c    xsync.Case
	then func(t *testing.T)
}

// permits is a branch that never waits forever, and so are write and read.
func (m *mixed) permits(n int) branch {
	return branch{m.sem.AcquireNCase(n), func(t *testing.T) {
		if m.held.add(n) > 4 {
			t.Error("more permits than there are")
		}
		_ = core.Yield(context.Background())
		m.held.add(-n)
		m.sem.ReleaseN(n)
	}}
}

func (m *mixed) write() branch {
	return branch{m.rw.AcquireCase(), func(t *testing.T) {
		if m.inside.add(100) != 100 {
			t.Error("a writer beside others")
		}
		_ = core.Yield(context.Background())
		m.inside.add(-99)
		m.rw.Downgrade()
		m.inside.add(-1)
		m.rw.RRelease()
	}}
}

func (m *mixed) read() branch {
	return branch{m.rw.RAcquireCase(), func(t *testing.T) {
		if m.inside.add(1) >= 100 {
			t.Error("a reader beside a writer")
		}
		_ = core.Yield(context.Background())
		m.inside.add(-1)
		m.rw.RRelease()
	}}
}

func (m *mixed) put(k int) branch {
	return branch{m.queues[k].PutCase(1), func(*testing.T) { m.items.add(1) }}
}

func (m *mixed) get(k int) branch {
	v := new(int)
	return branch{m.queues[k].GetCase(v), func(t *testing.T) {
		if *v != 1 {
			t.Error("won without an item")
		}
		m.items.add(-1)
	}}
}

// Selects that win one thing while they stand in front of another, cancels, and plain calls: nothing is
// lost, nobody waits for what is free, and nothing is left behind.
func TestSelectMixedStress(t *testing.T) {
	for name, runner := range runners() {
		t.Run(name, func(t *testing.T) {
			m := &mixed{sem: xsync.NewSemaphore(4)}
			m.queues = [2]*queue.AsyncQueue[int]{queue.New[int](1), queue.New[int](1)}
			load(t, runner(), 30, check.Times(60, 800), func(ctx context.Context, i, j int) {
				r := rand.New(rand.NewPCG(uint64(i), uint64(j)))
				sure := []branch{m.permits(1 + r.IntN(4)), m.write(), m.read(), m.read()}[r.IntN(4)]
				all := []branch{sure, m.put(i % 2), m.get((i + j) % 2), m.permits(1 + r.IntN(4))}
				r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
				switch r.IntN(6) {
				case 0:
					all = []branch{sure}
				case 1:
					if v, err := m.queues[j%2].TryGet(); err == nil {
						m.items.add(-v)
					}
				}
				var cases []xsync.Case
				for _, b := range all {
					cases = append(cases, b.c)
				}
				if n, err := xsync.Select(ctx, cases...); err == nil {
					all[n].then(t)
				}
			})
			want(t, m.sem.Stats(), xsync.SemaphoreStats{Size: 4})
			want(t, m.rw.Stats(), lock.RWStats{})
			left := 0
			for _, q := range m.queues {
				s := q.Stats()
				left += s.Len
				want(t, s, queue.Stats{Len: s.Len, Unfinished: s.Unfinished})
			}
			want(t, m.items.add(0), left)
		})
	}
}
