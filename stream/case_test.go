package stream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/proptest"
	"github.com/seed-1e54c410/turnstile/stream"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

func TestCases(t *testing.T) {
	broken := errors.New("broken")
	for name, buffer := range map[string]int{"rendezvous": stream.Rendezvous, "buffer": 1, "unbounded": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := stream.New[int](buffer)
				never := stream.New[int](0)
				v, other := -1, -1
				read := func() (int, error) { return xsync.Select(t.Context(), never.ReadCase(&other), s.ReadCase(&v)) }
				wants := func(what string, n int, err error, wantErr error, want int) {
					t.Helper()
					if n != 1 || err != wantErr || v != want || other != -1 {
						t.Errorf("%s: Select = %d, %v and read %d, %d, want 1, %v, %d", what, n, err, v, other, wantErr, want)
					}
				}
				// One waits to read, and gets what is written.
				go func() {
					synctest.Wait()
					if err := s.Write(t.Context(), 1); err != nil {
						t.Error(err)
					}
				}()
				n, err := read()
				wants("before the write", n, err, nil, 1)
				synctest.Wait()
				// A Select that writes meets one that reads.
				go func() {
					n, err := xsync.Select(t.Context(), never.ReadCase(&other), s.WriteCase(2))
					if n != 1 || err != nil {
						t.Errorf("write: Select = %d, %v", n, err)
					}
				}()
				synctest.Wait()
				n, err = read()
				wants("behind the write", n, err, nil, 2)
				// What is there comes before the end, and leaves v alone.
				if buffer != stream.Rendezvous {
					if err := s.TryWrite(3); err != nil {
						t.Error(err)
					}
				}
				s.Fail(broken)
				if buffer != stream.Rendezvous {
					n, err = read()
					wants("before the end", n, err, nil, 3)
				}
				v = 4
				n, err = read()
				wants("at the end", n, err, broken, 4)
				n, err = xsync.Select(t.Context(), never.ReadCase(&other), s.WriteCase(5))
				wants("write after the end", n, err, stream.ErrEnded, 4)
				if got, want := s.Stats(), (stream.Stats{}); got != want {
					t.Errorf("%+v, want %+v", got, want)
				}
				if got, want := never.Stats(), (stream.Stats{}); got != want {
					t.Errorf("the other one: %+v, want %+v", got, want)
				}
			})
		})
	}
	defer func() {
		if r := recover(); r != "stream: ReadCase with a nil pointer" {
			t.Errorf("panic %v", r)
		}
	}()
	stream.New[int](0).ReadCase(nil)
}

// The end of a stream ends a Select that waits for it, and one that comes to wait when the stream has ended since it
// looked.
func TestCasesEnd(t *testing.T) {
	for name, buffer := range map[string]int{"rendezvous": stream.Rendezvous, "buffer": 1} {
		for _, late := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				s := stream.New[int](buffer)
				_ = s.TryWrite(1) // so that a write waits, in a buffer
				full := stream.New[int](buffer)
				_ = full.TryWrite(1)
				empty := stream.New[int](buffer)
				var v int
				cases := map[string]struct {
					s    *stream.FutureStream[int]
					c    xsync.Case
					want error
				}{"read": {empty, empty.ReadCase(&v), io.EOF}, "write": {full, full.WriteCase(2), stream.ErrEnded}}
				for what, c := range cases {
					end := func() { c.s.Complete() }
					first := new(gate)
					if late {
						first.second = end
					} else {
						go func() { synctest.Wait(); end() }()
					}
					n, err := xsync.Select(t.Context(), first.Case(), c.c)
					if n != 1 || err != c.want {
						t.Errorf("%s, %s, late %v: Select = %d, %v, want 1, %v", name, what, late, n, err, c.want)
					}
				}
			})
		}
	}
}

// A Select that has looked before the end, and comes to wait after it, writes nothing, though there is room by then; and
// it still reads what is left.
func TestCasesBesideTheEnd(t *testing.T) {
	s := stream.New[int](1)
	_ = s.TryWrite(1)
	n, err := xsync.Select(t.Context(), s.WriteCase(2), (&gate{first: func() {
		s.Complete()
		_, _ = s.TryRead()
	}}).Case())
	if n != 0 || err != stream.ErrEnded || !s.Finished() {
		t.Errorf("write: Select = %d, %v, and finished is %v, want 0, %v, true", n, err, s.Finished(), stream.ErrEnded)
	}
	s = stream.New[int](1)
	var v int
	n, err = xsync.Select(t.Context(), s.ReadCase(&v), (&gate{first: func() {
		_ = s.TryWrite(1)
		s.Complete()
	}}).Case())
	if n != 0 || err != nil || v != 1 {
		t.Errorf("read: Select = %d, %v and read %d, want 0, <nil>, 1", n, err, v)
	}
}

// A Select that comes to wait finds the room and the values that have come since it looked, and lets those go who wait
// behind what it takes.
func TestCasesBesideOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stream.New[int](1)
		_ = s.TryWrite(1)
		n, err := xsync.Select(t.Context(), s.WriteCase(2), (&gate{first: func() { _, _ = s.TryRead() }}).Case(), xsync.After(time.Hour))
		if v, empty := s.TryRead(); n != 0 || err != nil || v != 2 || empty != nil {
			t.Errorf("write: Select = %d, %v, and then TryRead = %d, %v, want 0, <nil>, 2, <nil>", n, err, v, empty)
		}
		var v int
		var writer sync.WaitGroup
		n, err = xsync.Select(t.Context(), s.ReadCase(&v), (&gate{first: func() {
			_ = s.TryWrite(3)
			writer.Go(func() { _ = s.Write(t.Context(), 4) })
			synctest.Wait()
		}}).Case(), xsync.After(time.Hour))
		if got, want := s.Stats(), (stream.Stats{Len: 1}); n != 0 || err != nil || v != 3 || got != want {
			t.Errorf("read: Select = %d, %v and read %d, and left %+v, want 0, <nil>, 3, %+v", n, err, v, got, want)
		}
		_, _ = s.TryRead() // a writer that waits still goes
		writer.Wait()
	})
}

// gate is a case that never wins. It calls first when its Select looks at it, and second when that begins to wait for
// it.
type gate struct {
	mu            sync.Mutex
	queue         xsync.WaitQueue[struct{}]
	looks         int
	first, second func()
}

func (g *gate) Case() xsync.Case {
	return g.queue.Case(&g.mu, struct{}{}, func(*struct{}) (bool, error) {
		g.looks++
		switch {
		case g.looks == 1 && g.first != nil:
			g.first()
		case g.looks == 2 && g.second != nil:
			g.second()
		}
		return false, nil
	}, nil)
}

// A Select that reads and writes one stream without a buffer does not meet itself, but others on either side.
func TestRendezvousWithItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stream.New[int](stream.Rendezvous)
		type result struct{ n, v int }
		start := func(v int) <-chan result {
			out := make(chan result, 1)
			go func() {
				got := -1
				n, err := xsync.Select(t.Context(), s.ReadCase(&got), s.WriteCase(v))
				if err != nil {
					t.Error(err)
				}
				out <- result{n, got}
			}()
			synctest.Wait()
			return out
		}
		first := start(1)
		if len(first) != 0 {
			t.Fatalf("it has met itself: %+v", <-first)
		}
		if got, want := s.Stats(), (stream.Stats{Readers: 1, Writers: 1}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		second := start(2)
		if len(first) != 1 || len(second) != 1 {
			t.Fatal("two Selects do not meet")
		}
		a, b := <-first, <-second
		if a.n == b.n || a.n == 0 && a.v != 2 || b.n == 0 && b.v != 1 {
			t.Errorf("%+v and %+v", a, b)
		}
		third := start(3)
		if v, err := s.Read(t.Context()); v != 3 || err != nil {
			t.Errorf("Read = %d, %v", v, err)
		}
		<-third
		fourth := start(4)
		if err := s.Write(t.Context(), 5); err != nil {
			t.Error(err)
		}
		if got := <-fourth; got != (result{0, 5}) {
			t.Errorf("%+v", got)
		}
		if got, want := s.Stats(), (stream.Stats{}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
}

// Selects that write to one stream and read from the next, in a ring, with nothing but each other to meet, and some
// that are canceled: none waits for another for ever, and no value is lost or read twice. Many look for each other
// before one waits, and meet where they come to wait.
func TestRendezvousRing(t *testing.T) {
	for _, buffer := range []int{stream.Rendezvous, 1} {
		for _, n := range []int{2, 4} {
			t.Run(fmt.Sprintf("%d of buffer %d", n, buffer), func(t *testing.T) { goRound(t, n, buffer) })
		}
	}
}

func goRound(t *testing.T, n, buffer int) {
	ring := make([]*stream.FutureStream[int], n)
	for i := range ring {
		ring[i] = stream.New[int](buffer)
	}
	written, read := make([]atomic.Int64, n), make([]atomic.Int64, n)
	var sum atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	times := check.Times(2000, 50_000)
	var left atomic.Int64
	left.Store(int64(times))
	for i := range 2 * n {
		body := func(ctx context.Context) error {
			for k := 0; ctx.Err() == nil; k++ {
				mine, cancel := core.WithCancel(ctx)
				if k%7 == i%7 {
					go cancel()
				}
				to, from := ring[i%n], ring[(i+1)%n]
				v := -1
				cases := []xsync.Case{to.WriteCase(k), from.ReadCase(&v)}
				at := [2]int{0, 1}
				if k%2 == 0 {
					cases[0], cases[1] = cases[1], cases[0]
					at = [2]int{1, 0}
				}
				late := new(gate)
				late.first = func() {
					for range (i + k) % 4 {
						runtime.Gosched()
					}
				}
				var got int
				var err error
				switch k % 7 {
				case i % 7: // without a Select, since this one is canceled
					if got, err = at[0], to.Write(mine, k); err != nil {
						got = -1
					}
				case (i + 1) % 7:
					time.AfterFunc(time.Microsecond, cancel)
					got = at[1]
					if v, err = from.Read(mine); err != nil {
						got = -1
					}
				default:
					got, err = xsync.Select(mine, append(cases, late.Case())...)
				}
				cancel()
				switch {
				case err != nil:
					if got != -1 {
						t.Errorf("Select = %d, %v", got, err)
					}
				case at[got] == 0:
					written[i%n].Add(1)
					sum.Add(int64(k))
				default:
					read[(i+1)%n].Add(1)
					sum.Add(-int64(v))
				}
				if left.Add(-1) == 0 {
					stop()
				}
			}
			return nil
		}
		all.Go(func() {
			if i%2 == 0 {
				_ = core.Run(ctx, body)
			} else {
				_ = body(ctx)
			}
		})
	}
	all.Wait()
	stop()
	for i, s := range ring {
		rest := 0
		for {
			v, err := s.TryRead()
			if err != nil {
				break
			}
			rest++
			sum.Add(-int64(v))
		}
		if w, r := written[i].Load(), read[i].Load()+int64(rest); w != r {
			t.Errorf("%d written, %d read or left", w, r)
		}
		if got, want := s.Stats(), (stream.Stats{}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	if s := sum.Load(); s != 0 {
		t.Errorf("other values were read than written: %d", s)
	}
}

// Selects over streams, under drawn schedules and cancels: what was written is read, once and in order, and what was not
// selected was not taken.
func TestCasesSchedules(t *testing.T) {
	proptest.Check(t, func(p *proptest.P) {
		buffer := rapid.SampledFrom([]int{stream.Rendezvous, 0, 1, 2}).Draw(p.T, "buffer")
		a, b := stream.New[int](buffer), stream.New[int](buffer)
		var wrote, got [2][]int
		for i := range rapid.IntRange(2, 4).Draw(p.T, "tasks") {
			kind := rapid.SampledFrom([]string{"read", "write", "across", "back"}).Draw(p.T, "kind")
			p.Go(kind, func(ctx context.Context) error {
				for k := range 2 {
					v, from := -1, -1
					value := 10*i + k
					var cases []xsync.Case
					var to int
					switch kind {
					case "read":
						cases = []xsync.Case{a.ReadCase(&v), b.ReadCase(&v)}
					case "write":
						cases = []xsync.Case{a.WriteCase(value), b.WriteCase(value)}
					case "across":
						cases = []xsync.Case{a.ReadCase(&v), b.WriteCase(value)}
						from, to = 0, 1
					case "back":
						cases = []xsync.Case{a.WriteCase(value), b.ReadCase(&v)}
						from, to = 1, 0
					}
					n, err := xsync.Select(ctx, append(cases, xsync.After(time.Second))...)
					if err != nil || n == 2 {
						if v != -1 || err != nil && n != -1 {
							p.Errorf("Select = %d, %v and has read %d", n, err, v)
						}
						return err
					}
					switch {
					case v != -1:
						got[n] = append(got[n], v)
					case from >= 0 && n != to:
						p.Errorf("Select = %d, and nothing was read", n)
					default:
						wrote[n] = append(wrote[n], value)
					}
				}
				return nil
			})
		}
		p.Finally("all that was written was read or is left", func() bool {
			for i, s := range []*stream.FutureStream[int]{a, b} {
				for v, err := s.TryRead(); err == nil; v, err = s.TryRead() {
					got[i] = append(got[i], v)
				}
				seen := map[int]int{}
				for _, v := range wrote[i] {
					seen[v]++
				}
				for _, v := range got[i] {
					seen[v]--
				}
				for _, n := range seen {
					if n != 0 {
						return false
					}
				}
			}
			return a.Stats() == stream.Stats{} && b.Stats() == stream.Stats{}
		})
	}, proptest.Cancels(2))
}
