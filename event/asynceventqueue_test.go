package event_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/event"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/internal/check/tasks"
)

func read(r *event.Reader[int], ctx context.Context, limit int) func() string {
	return func() string {
		out, err := r.Read(ctx, limit)
		return fmt.Sprint(out, " ", text(err))
	}
}

func emit(t *testing.T, q *event.AsyncEventQueue[int], values ...int) {
	t.Helper()
	for _, v := range values {
		if err := q.Emit(v); err != nil {
			t.Fatalf("Emit(%d) = %v", v, err)
		}
	}
}

// Readers see what is emitted since they have subscribed, each for itself.
func TestEventQueueBroadcast(t *testing.T) {
	ctx := t.Context()
	var q event.AsyncEventQueue[int]
	emit(t, &q, 1)
	same(t, "Stats() without readers", q.Stats(), event.EventQueueStats{})
	a := q.Subscribe()
	emit(t, &q, 2, 3)
	b := q.Subscribe()
	emit(t, &q, 4)
	same(t, "Stats()", q.Stats(), event.EventQueueStats{Len: 3, Readers: 2})
	same(t, "a", read(a, ctx, 2)(), "[2 3] ok")
	same(t, "Len()", q.Len(), 1)
	same(t, "b", read(b, ctx, 0)(), "[4] ok")
	same(t, "Len()", q.Len(), 1)
	same(t, "a", read(a, ctx, -1)(), "[4] ok")
	same(t, "Len()", q.Len(), 0)
	emit(t, &q, 5)
	a.Close()
	a.Close()
	same(t, "Stats()", q.Stats(), event.EventQueueStats{Len: 1, Readers: 1})
	same(t, "a", read(a, ctx, 0)(), "[] event: closed")
	b.Close()
	same(t, "Stats()", q.Stats(), event.EventQueueStats{})
}

func TestEventQueueReadWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := event.NewAsyncEventQueue[int](-1)
		a, b := q.Subscribe(), q.Subscribe()
		var c calls
		c.start("a1", read(a, t.Context(), 0))
		c.start("a2", read(a, t.Context(), 0))
		c.start("b", read(b, t.Context(), 5))
		same(t, "Stats()", q.Stats(), event.EventQueueStats{Readers: 2, Waiting: 3})
		emit(t, q, 1)
		c.want(t, "a1 [1] ok", "b [1] ok")
		emit(t, q, 2)
		c.want(t, "a2 [2] ok")
		same(t, "b", read(b, t.Context(), 0)(), "[2] ok")
		same(t, "Len()", q.Len(), 0)
	})
}

// The values that several readers wait for wake all of them: tokio-rs/tokio#2134 lost one.
func TestBugTokio2134(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q event.AsyncEventQueue[int]
		var c calls
		var want []string
		for i := range 5 {
			c.start(fmt.Sprint(i), read(q.Subscribe(), t.Context(), 0))
			want = append(want, fmt.Sprint(i, " [7] ok"))
		}
		emit(t, &q, 7)
		c.want(t, want...)
	})
}

// A Read that was canceled is over: the next one is not taken for a second at the same time, and what
// comes is read by it. In chronos (4.4) a canceled waitEvents left its waiter behind.
func TestBugChronosWaitEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q event.AsyncEventQueue[int]
		r := q.Subscribe()
		var c calls
		for range 3 {
			ctx, cancel := context.WithCancel(t.Context())
			c.start("a", read(r, ctx, 0))
			cancel()
			c.want(t, "a [] context canceled")
		}
		same(t, "Stats()", q.Stats(), event.EventQueueStats{Readers: 1})
		c.start("b", read(r, t.Context(), 0))
		emit(t, &q, 1, 2)
		c.want(t, "b [1] ok")
		same(t, "the rest", read(r, t.Context(), 0)(), "[2] ok")
	})
}

// A reader whose ctx ends in the moment of the Emit has the value, and one whose ctx ended before has
// lost nothing: agronholm/anyio#146 and #728.
func TestBugAnyIO146(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q event.AsyncEventQueue[int]
		r := q.Subscribe()
		for range 50 { // the select of the waiter is fair to both channels
			var c calls
			ctx, cancel := context.WithCancel(t.Context())
			c.start("a", read(r, ctx, 0))
			emit(t, &q, 1)
			cancel()
			c.want(t, "a [1] ok")
			emit(t, &q, 2)
			same(t, "done ctx", read(r, ctx, 0)(), "[] context canceled")
			same(t, "the next", read(r, t.Context(), 0)(), "[2] ok")
		}
	})
}

// A done ctx loses also where there is something to read: golang/go#63615.
func TestEventQueueDoneContextLoses(t *testing.T) {
	ctx := check.NewCtx()
	ctx.SetErr(errors.New("over"))
	q := event.NewAsyncEventQueue[int](1)
	r := q.Subscribe()
	emit(t, q, 1, 2)
	same(t, "Read()", read(r, ctx, 0)(), "[] over")
	same(t, "Read()", read(r, t.Context(), 0)(), "[] event: reader lagged, 1 missed")
	same(t, "Read()", read(r, t.Context(), 0)(), "[2] ok")
}

func TestEventQueueLagged(t *testing.T) {
	ctx := t.Context()
	q := event.NewAsyncEventQueue[int](2)
	slow, quick, late := q.Subscribe(), q.Subscribe(), q.Subscribe()
	for v := range 5 {
		emit(t, q, v)
		same(t, "quick", read(quick, ctx, 0)(), fmt.Sprintf("[%d] ok", v))
	}
	same(t, "Len()", q.Len(), 2)
	_, err := slow.Read(ctx, 0)
	var lagged *event.LaggedError
	if !errors.As(err, &lagged) || lagged.Missed != 3 {
		t.Fatalf("Read() = %v", err)
	}
	// Once, and then it goes on; what comes meanwhile can be missed again.
	same(t, "slow", read(slow, ctx, 1)(), "[3] ok")
	emit(t, q, 5)
	same(t, "slow", read(slow, ctx, 1)(), "[4] ok")
	emit(t, q, 6, 7)
	same(t, "slow", read(slow, ctx, 0)(), "[] event: reader lagged, 1 missed")
	// A reader that was closed in that state leaves nothing, and no place.
	late.Close()
	q.Close()
	same(t, "slow", read(slow, ctx, 0)(), "[6 7] ok")
	same(t, "Len()", q.Len(), 2)
	same(t, "quick", read(quick, ctx, 0)(), "[] event: reader lagged, 1 missed")
	same(t, "quick", read(quick, ctx, 0)(), "[6 7] ok")
	same(t, "Len()", q.Len(), 0)
}

func TestEventQueueClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		var q event.AsyncEventQueue[int]
		a, b, gone := q.Subscribe(), q.Subscribe(), q.Subscribe()
		var c calls
		c.start("a", read(a, ctx, 0))
		c.start("b", read(b, ctx, 0))
		c.start("gone", read(gone, ctx, 0))
		gone.Close()
		c.want(t, "gone [] event: closed")
		emit(t, &q, 1)
		c.want(t, "a [1] ok", "b [1] ok")
		c.start("a", read(a, ctx, 0))
		emit(t, &q, 2)
		q.Close()
		q.Close()
		// What was there before can be read.
		c.want(t, "a [2] ok")
		same(t, "Emit()", q.Emit(3), event.ErrClosed)
		same(t, "b", read(b, ctx, 0)(), "[2] ok")
		for _, r := range []*event.Reader[int]{a, b, q.Subscribe()} {
			same(t, "Read()", read(r, ctx, 0)(), "[] event: closed")
			r.Close()
		}
		same(t, "Stats()", q.Stats(), event.EventQueueStats{})
	})
}

func TestReaderAll(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	q := event.NewAsyncEventQueue[int](3)
	r := q.Subscribe()
	emit(t, q, 1, 2, 3, 4)
	var got []string
	for v, err := range r.All(ctx) {
		got = append(got, fmt.Sprint(v, " ", text(err)))
		if v == 3 {
			break
		}
	}
	same(t, "All()", fmt.Sprint(got), "[0 event: reader lagged, 1 missed 2 ok 3 ok]")
	same(t, "Len() behind a break", q.Len(), 1)
	emit(t, q, 5)
	got = nil
	for v, err := range r.All(ctx) {
		got = append(got, fmt.Sprint(v, " ", text(err)))
		cancel()
	}
	same(t, "All() with a cancel", fmt.Sprint(got), "[4 ok 0 context canceled]")
	q.Close()
	got = nil
	for v, err := range r.All(t.Context()) {
		got = append(got, fmt.Sprint(v, " ", text(err)))
	}
	same(t, "All() to the end", fmt.Sprint(got), "[5 ok]")
}

// Once the readers keep up, nothing is allocated for a value but what Read returns.
func TestEventQueueAllocations(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	q := event.NewAsyncEventQueue[int](8)
	a, b := q.Subscribe(), q.Subscribe()
	if n := testing.AllocsPerRun(1000, func() {
		for v := range 4 {
			_ = q.Emit(v)
		}
		_, _ = a.Read(ctx, 0)
		_, _ = b.Read(ctx, 0)
	}); n > 2 {
		t.Errorf("%v allocations, more than the two slices", n)
	}
	// A loop has one slice for all its values.
	b.Close()
	values := 0
	if n := testing.AllocsPerRun(10, func() {
		_ = q.Emit(0)
		for range a.All(ctx) {
			if values++; values%100 == 0 {
				return
			}
			_ = q.Emit(0)
		}
	}); n > 10 {
		t.Errorf("%v allocations for 100 values of a loop", n)
	}
}

// Every reader gets what its emitters have emitted since, once and in order, or hears how much it has
// missed, whoever gives up in between.
func TestEventQueueStress(t *testing.T) {
	const emitters, readers = 3, 6
	for _, limit := range []int{0, 4} {
		for name, steppers := range tasks.Steppers() {
			t.Run(fmt.Sprint(name, "/limit=", limit), func(t *testing.T) {
				q := event.NewAsyncEventQueue[[2]int](limit)
				each := check.Times(200, 5000)
				r := steppers()
				for i := range readers {
					reader := q.Subscribe()
					r.Go(fmt.Sprint("reader", i), func(own context.Context) {
						defer reader.Close()
						rnd := rand.New(rand.NewPCG(uint64(i), 1))
						last := [emitters]int{-1, -1, -1}
						seen, missed := 0, 0
						for {
							ctx, cancel := context.WithCancel(own)
							if rnd.IntN(2) == 0 {
								go cancel()
							}
							out, err := reader.Read(ctx, rnd.IntN(3))
							done := ctx.Err()
							cancel()
							var lagged *event.LaggedError
							switch {
							case errors.As(err, &lagged):
								missed += int(lagged.Missed)
							case err != nil && err == done:
								continue
							case err != nil:
								if seen+missed != emitters*each || limit == 0 && missed > 0 {
									t.Errorf("%v at the end, %d seen, %d missed", err, seen, missed)
								}
								return
							}
							seen += len(out)
							for _, v := range out {
								if v[1] <= last[v[0]] || limit == 0 && v[1] != last[v[0]]+1 {
									t.Errorf("%d after %d", v[1], last[v[0]])
								}
								last[v[0]] = v[1]
							}
						}
					})
				}
				ended := make(chan int, emitters)
				for e := range emitters {
					r.Go(fmt.Sprint("emitter", e), func(context.Context) {
						for n := range each {
							_ = q.Emit([2]int{e, n})
						}
						ended <- e
						if len(ended) == emitters {
							q.Close()
						}
					})
				}
				r.Wait()
				same(t, "Stats()", q.Stats(), event.EventQueueStats{})
			})
		}
	}
}

// What cannot work says so at once, and in words.
func TestReaderMisuse(t *testing.T) {
	var q event.AsyncEventQueue[int]
	var zero event.Reader[int]
	var out []int
	for name, c := range map[string]struct {
		call func()
		want string
	}{
		"Read":               {func() { _, _ = zero.Read(t.Context(), 0) }, "event: Reader that was not made by Subscribe"},
		"Close":              {zero.Close, "event: Reader that was not made by Subscribe"},
		"ReadCase":           {func() { zero.ReadCase(0, &out) }, "event: Reader that was not made by Subscribe"},
		"ReadCase to no out": {func() { q.Subscribe().ReadCase(0, nil) }, "event: ReadCase with a nil pointer"},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() { same(t, "panic", fmt.Sprint(recover()), c.want) }()
			c.call()
		})
	}
}
