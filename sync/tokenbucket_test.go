package xsync_test

import (
	"context"
	"fmt"
	"math"
	"math/big"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/check"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// buckets is the law of a TokenBucket of capacity 1 + size that is filled by hand.
func buckets(consume func(ctx context.Context, b *xsync.TokenBucket, n int) error) check.Law[*xsync.TokenBucket] {
	return check.Law[*xsync.TokenBucket]{
		Calls:  []string{"consume"},
		Nows:   []string{"replenish", "replenish", "try", "available"},
		MaxArg: 4,
		Model:  func(size int) check.Model { return &bucketModel{capacity: 1 + size, level: 1 + size} },
		System: func(b *xsync.TokenBucket) check.System {
			return check.System{
				Call: func(ctx context.Context, op check.Op) string { return text(consume(ctx, b, op.Arg)) },
				Now: func(op check.Op) string {
					switch op.Name {
					case "replenish":
						b.Replenish(op.Arg)
						return ""
					case "try":
						return fmt.Sprint(b.TryConsume(op.Arg))
					default:
						return fmt.Sprint(b.Available())
					}
				},
				State: func() string { return fmt.Sprintf("%+v", b.Stats()) },
			}
		},
	}
}

type bucketModel struct {
	check.Ends
	capacity, level int
	queue           []check.Op
}

func (m *bucketModel) Clone() check.Model {
	c := *m
	c.queue = slices.Clone(m.queue)
	return &c
}

func (m *bucketModel) Call(op check.Op) {
	m.queue = append(m.queue, op)
	m.serve()
}

func (m *bucketModel) serve() {
	for len(m.queue) > 0 {
		op := m.queue[0]
		if op.Arg > m.level {
			return
		}
		m.level -= op.Arg
		m.End(op.ID, "ok")
		m.queue = m.queue[1:]
	}
	m.level = min(m.level, m.capacity)
}

func (m *bucketModel) Cancel(id int) {
	if i := find(m.queue, id); i >= 0 {
		m.queue = slices.Delete(m.queue, i, i+1)
		m.End(id, text(context.Canceled))
		m.serve()
	}
}

func (m *bucketModel) Now(op check.Op) string {
	switch op.Name {
	case "replenish":
		m.level += op.Arg
		m.serve()
		return ""
	case "try":
		if len(m.queue) > 0 || op.Arg > m.level {
			return "false"
		}
		m.level -= op.Arg
		return "true"
	}
	return fmt.Sprint(m.stats().Available)
}

func (m *bucketModel) stats() xsync.TokenBucketStats {
	s := xsync.TokenBucketStats{Capacity: m.capacity, Waiting: len(m.queue)}
	if s.Waiting == 0 {
		s.Available = m.level
	}
	return s
}

func (m *bucketModel) Allowed(check.Op) bool { return true }
func (m *bucketModel) Unblock() check.Op     { return check.Op{Name: "replenish", Arg: 1} }
func (m *bucketModel) State() string         { return fmt.Sprintf("%+v", m.stats()) }

func TestTokenBucketModel(t *testing.T) {
	for name, consume := range map[string]func(ctx context.Context, b *xsync.TokenBucket, n int) error{
		"Consume": func(ctx context.Context, b *xsync.TokenBucket, n int) error { return b.Consume(ctx, n) },
		"Select":  func(ctx context.Context, b *xsync.TokenBucket, n int) error { return only(ctx, b.ConsumeCase(n)) },
	} {
		t.Run(name, func(t *testing.T) {
			everywhere(t, buckets(consume), func(size int) *xsync.TokenBucket {
				return xsync.NewTokenBucket(1+size, 0, xsync.Continuous)
			})
		})
	}
}

// timed is a bucket whose time goes by in jumps, from one nanosecond to the next in which
// something happens, in units of 1/fill of a token.
type timed struct {
	capacity, fill, now, level int
	mode                       xsync.FillMode
	queue                      []int // what each one wants
	from                       int   // the number of the first
	served                     map[int]int
}

func (m *timed) serve() {
	for len(m.queue) > 0 && m.queue[0]*m.fill <= m.level {
		m.level -= m.queue[0] * m.fill
		m.served[m.from] = m.now
		m.queue = m.queue[1:]
		m.from++
	}
	if len(m.queue) == 0 {
		m.level = min(m.level, m.capacity*m.fill)
	}
}

func (m *timed) pass(d int) {
	for range d {
		m.now++
		switch {
		case m.mode == xsync.Continuous:
			m.level += m.capacity
		case m.now%m.fill == 0:
			m.level += m.capacity * m.fill
		}
		m.serve()
	}
}

func (m *timed) available() int {
	if len(m.queue) > 0 {
		return 0
	}
	return m.level / m.fill
}

// Every wait ends in the very nanosecond in which it must, by package time and by the clock of a
// dispatcher.
func TestTokenBucketTimes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &timed{
			capacity: rapid.IntRange(1, 9).Draw(t, "capacity"),
			fill:     rapid.IntRange(1, 40).Draw(t, "fill"),
			mode:     rapid.SampledFrom([]xsync.FillMode{xsync.Continuous, xsync.Discrete}).Draw(t, "mode"),
			served:   map[int]int{},
		}
		m.level = m.capacity * m.fill
		type step struct{ kind, n int }
		steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
			return step{rapid.IntRange(0, 6).Draw(t, "kind"), rapid.IntRange(0, 15).Draw(t, "n")}
		}), 1, 40).Draw(t, "steps")
		own := rapid.Bool().Draw(t, "dispatcher")
		rapid.SyncTest(t, func(t *rapid.T) {
			var b *xsync.TokenBucket
			if own {
				d, err := dispatch.New(dispatch.Config{})
				if err != nil {
					t.Fatal(err)
				}
				b = xsync.NewTokenBucketOn(d, m.capacity, time.Duration(m.fill), m.mode)
				ended := make(chan error)
				go func() { ended <- d.Run(context.Background()) }()
				defer func() {
					if err := d.Close(); err != nil {
						t.Error(err)
					}
					<-ended
				}()
			} else {
				b = xsync.NewTokenBucket(m.capacity, time.Duration(m.fill), m.mode)
			}
			start := time.Now()
			served := map[int]int{}
			ended := make(chan [2]int, 100)
			collect := func() {
				synctest.Wait()
				for len(ended) > 0 {
					r := <-ended
					served[r[0]] = r[1]
				}
			}
			callers := 0
			consume := func(n int, selects bool) {
				i := callers
				callers++
				go func() {
					wait := func() error { return b.Consume(context.Background(), n) }
					if selects {
						wait = func() error { return only(context.Background(), b.ConsumeCase(n)) }
					}
					if wait() == nil {
						ended <- [2]int{i, int(time.Since(start))}
					}
				}()
				synctest.Wait()
				m.queue = append(m.queue, n)
				m.serve()
			}
			for _, s := range steps {
				switch s.kind {
				case 0:
					if got, want := b.TryConsume(s.n), s.n == 0 || len(m.queue) == 0 && s.n*m.fill <= m.level; got != want {
						t.Fatalf("TryConsume(%d) = %t", s.n, got)
					} else if got {
						m.level -= s.n * m.fill
					}
				case 1, 2:
					if s.n > 0 {
						consume(s.n, s.kind == 2)
					}
				case 3:
					b.Replenish(s.n)
					m.level += s.n * m.fill
					m.serve()
				case 4:
					_ = core.Sleep(context.Background(), time.Duration(s.n*s.n))
					m.pass(s.n * s.n)
				case 5:
					_ = core.Sleep(context.Background(), time.Duration(s.n))
					m.pass(s.n)
				}
				collect()
				if got := b.Available(); got != m.available() {
					t.Fatalf("at %d Available() = %d, want %d", m.now, got, m.available())
				}
				if fmt.Sprint(served) != fmt.Sprint(m.served) {
					t.Fatalf("at %d served %v, want %v", m.now, served, m.served)
				}
			}
			b.Replenish(1000)
			collect()
			if len(served) != callers || b.Stats().Waiting != 0 {
				t.Fatalf("%d of %d are served", len(served), callers)
			}
		})
	})
}

// manual is a clock that a test turns by hand.
type manual struct{ now time.Time }

func (m *manual) Now() time.Time { return m.now }

func (m *manual) AfterFunc(time.Duration, func()) *time.Timer { return time.NewTimer(time.Hour) }

// However often it is asked, and with numbers whose product has more than 64 bits, a bucket mints
// what the formula says: there is no drift.
func TestTokenBucketExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		capacity := rapid.IntRange(1, math.MaxInt).Draw(t, "capacity")
		fill := rapid.Int64Range(1, math.MaxInt64).Draw(t, "fill")
		clock := &manual{time.Unix(0, 0)}
		b := xsync.NewTokenBucketOn(clock, capacity, time.Duration(fill), xsync.Continuous)
		if !b.TryConsume(capacity) {
			t.Fatal("it is not full at the start")
		}
		left := rapid.Int64Range(0, fill).Draw(t, "total")
		passed, got := new(big.Int), 0
		for left > 0 {
			d := rapid.Int64Range(1, left).Draw(t, "d")
			left -= d
			clock.now = clock.now.Add(time.Duration(d))
			passed.Add(passed, big.NewInt(d))
			want := new(big.Int).Mul(passed, big.NewInt(int64(capacity)))
			want.Quo(want, big.NewInt(fill))
			n := b.Available()
			got += n
			if !b.TryConsume(n) || want.Cmp(big.NewInt(int64(got))) != 0 {
				t.Fatalf("after %v it gave %d, want %v", passed, got, want)
			}
			if rapid.IntRange(0, 3).Draw(t, "enough") == 0 {
				break
			}
		}
	})
}

func TestTokenBucketClockGoesBack(t *testing.T) {
	for _, mode := range []xsync.FillMode{xsync.Continuous, xsync.Discrete} {
		clock := &manual{time.Unix(1000, 0)}
		b := xsync.NewTokenBucketOn(clock, 10, 10, mode)
		b.TryConsume(10)
		for _, step := range []struct {
			d    time.Duration
			want int
		}{{10, 10}, {-5, 0}, {5, 0}, {-1000, 0}, {1010, 10}} {
			clock.now = clock.now.Add(step.d)
			want(t, b.Available(), step.want)
			b.TryConsume(step.want)
		}
	}
}

// An alarm that rings before the clock says so is set again.
func TestTokenBucketEarlyAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := &ahead{start: time.Now()}
		b := xsync.NewTokenBucketOn(clock, 2, 100, xsync.Continuous)
		b.TryConsume(2)
		c := start(1, func(int) error { return b.Consume(t.Context(), 1) })
		for range 49 { // the token comes after 50
			c.want(t)
			time.Sleep(time.Nanosecond)
		}
		time.Sleep(time.Nanosecond)
		c.want(t, "0 <nil>")
		want(t, clock.alarms > 1, true)
	})
}

// ahead is a clock whose alarms ring a little early.
type ahead struct {
	start  time.Time
	alarms int
}

func (a *ahead) Now() time.Time { return time.Now() }
func (a *ahead) AfterFunc(d time.Duration, fn func()) *time.Timer {
	a.alarms++
	return time.AfterFunc((d+1)/2, fn)
}

// A large wait is served over several fill times, and keeps the small one behind it waiting.
func TestTokenBucketOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := xsync.NewTokenBucket(10, time.Second, xsync.Continuous)
		b.TryConsume(10)
		begin := time.Now()
		var c calls
		c.start("large", func() error { return b.Consume(t.Context(), 25) })
		c.start("small", func() error { return b.Consume(t.Context(), 5) })
		time.Sleep(2400 * time.Millisecond)
		want(t, b.TryConsume(1), false)
		want(t, b.Stats(), xsync.TokenBucketStats{Capacity: 10, Waiting: 2})
		c.want(t)
		time.Sleep(100 * time.Millisecond)
		c.want(t, "large <nil>")
		time.Sleep(500 * time.Millisecond)
		c.want(t, "small <nil>")
		want(t, time.Since(begin), 3*time.Second)
		// What it had of a wait that was given up is for the others, and no more than the
		// capacity stays.
		ctx, cancel := context.WithCancel(t.Context())
		c.start("gone", func() error { return b.Consume(ctx, 100) })
		c.start("next", func() error { return b.Consume(t.Context(), 30) })
		time.Sleep(5 * time.Second)
		c.want(t)
		cancel()
		c.want(t, "gone context canceled", "next <nil>")
		want(t, b.Available(), 10)
	})
}

func TestTokenBucketDoneContextLoses(t *testing.T) {
	for _, ctx := range doneContexts(t) {
		b := xsync.NewTokenBucket(2, 0, xsync.Continuous)
		for n := range 4 {
			wantErr(t, "Consume", b.Consume(ctx, n), ctx.Err())
		}
		want(t, b.Stats(), xsync.TokenBucketStats{Capacity: 2, Available: 2})
	}
}

func TestTokenBucketGrantThenCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 50 {
			b := xsync.NewTokenBucket(1, 0, xsync.Discrete)
			ctx, cancel := context.WithCancel(t.Context())
			c := start(1, func(int) error { return b.Consume(ctx, 2) })
			b.Replenish(1)
			cancel()
			c.want(t, "0 <nil>")
			want(t, b.Available(), 0)
		}
	})
}

func TestTokenBucketBadInput(t *testing.T) {
	const few, back, unknown, negative = "xsync: capacity of a TokenBucket below 1",
		"xsync: negative fill time of a TokenBucket", "xsync: unknown mode of a TokenBucket", "xsync: negative number of tokens"
	mustPanic(t, few, func() { xsync.NewTokenBucket(0, 0, xsync.Continuous) })
	mustPanic(t, few, func() { xsync.NewTokenBucket(-1, 0, xsync.Continuous) })
	mustPanic(t, back, func() { xsync.NewTokenBucket(1, -1, xsync.Continuous) })
	mustPanic(t, unknown, func() { xsync.NewTokenBucket(1, 0, 2) })
	b := xsync.NewTokenBucket(1, 0, xsync.Continuous)
	mustPanic(t, negative, func() { b.TryConsume(-1) })
	mustPanic(t, negative, func() { _ = b.Consume(t.Context(), -1) })
	mustPanic(t, negative, func() { b.Replenish(-1) })
	want(t, b.TryConsume(0), true)
	wantErr(t, "Consume(0)", b.Consume(t.Context(), 0), nil)
	b.Replenish(math.MaxInt)
	b.Replenish(math.MaxInt)
	want(t, b.Stats(), xsync.TokenBucketStats{Capacity: 1, Available: 1})
}

// In tasks, on the clock of their dispatcher, with cancels at any moment: no token is lost or
// made.
func TestTokenBucketStress(t *testing.T) {
	for name, runner := range runners() {
		t.Run(name, func(t *testing.T) {
			const capacity = 8
			b := xsync.NewTokenBucket(capacity, 0, xsync.Continuous)
			var taken, given counter
			load(t, runner(), 40, check.Times(60, 600), func(ctx context.Context, i, j int) {
				n := 1 + (i+j)%3
				if err := b.Consume(ctx, n); err != nil {
					wantErr(t, "Consume", err, ctx.Err())
					return
				}
				taken.add(n)
				_ = core.Yield(context.Background())
				given.add(n)
				b.Replenish(n)
			})
			want(t, b.Stats(), xsync.TokenBucketStats{Capacity: capacity, Available: capacity})
			want(t, taken.add(0) == given.add(0) && given.add(0) > 0, true)
		})
	}
}

func TestTokenBucketNoAllocations(t *testing.T) {
	b := xsync.NewTokenBucket(1000, time.Hour, xsync.Continuous)
	noAllocations(t, func(ctx context.Context) {
		if b.Consume(ctx, 2) != nil || !b.TryConsume(1) || b.TryConsume(2000) {
			t.Error("it does not hold what it must")
		}
		b.Replenish(3)
	})
}
