package event_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/event"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/internal/check/tasks"
)

func waits(s *event.AsyncSignal, ctx context.Context) func() string {
	return func() string { return text(s.Wait(ctx)) }
}

func TestSignalCoalesces(t *testing.T) {
	var s event.AsyncSignal
	same(t, "TryWait() of an unset signal", s.TryWait(), false)
	for range 3 {
		s.Fire()
	}
	same(t, "Stats()", s.Stats(), event.SignalStats{Set: true})
	same(t, "Wait()", s.Wait(t.Context()), nil)
	same(t, "the second TryWait()", s.TryWait(), false)
	s.Fire()
	same(t, "TryWait()", s.TryWait(), true)
	same(t, "IsSet()", s.IsSet(), false)
}

// Each Fire lets one go, in order, and nobody takes it from that one.
func TestSignalWakesOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s event.AsyncSignal
		var c calls
		for i := range 3 {
			c.start(fmt.Sprint(i), waits(&s, t.Context()))
		}
		same(t, "Stats()", s.Stats(), event.SignalStats{Waiting: 3})
		s.Fire()
		if s.TryWait() {
			t.Fatal("TryWait took what was given to a waiter")
		}
		c.want(t, "0 ok")
		s.Fire() // before the first has run, this one is for the next
		s.Fire()
		s.Fire()
		c.want(t, "1 ok", "2 ok")
		same(t, "Stats()", s.Stats(), event.SignalStats{Set: true})
	})
}

// A notification must not be lost with the waiter it was meant for: python/cpython#112202,
// agronholm/anyio#1075, tokio-rs/tokio#4618.
func TestBugTokio4618(t *testing.T) {
	for victim, name := range []string{"head", "middle", "tail"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s event.AsyncSignal
				var c calls
				gone, cancel := context.WithCancel(t.Context())
				for i := range 3 {
					ctx := t.Context()
					if i == victim {
						ctx = gone
					}
					c.start(fmt.Sprint(i), waits(&s, ctx))
				}
				cancel()
				c.want(t, fmt.Sprint(victim, " context canceled"))
				for i := range 3 {
					if i != victim {
						s.Fire()
						c.want(t, fmt.Sprint(i, " ok"))
					}
				}
				s.Fire()
				same(t, "Stats()", s.Stats(), event.SignalStats{Set: true})
			})
		})
	}
}

// A Fire that finds that those who waited have given up is remembered.
func TestSignalRememberedAfterCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s event.AsyncSignal
		var c calls
		ctx, cancel := context.WithCancel(t.Context())
		c.start("a", waits(&s, ctx))
		cancel()
		c.want(t, "a context canceled")
		s.Fire()
		s.Fire()
		same(t, "Stats()", s.Stats(), event.SignalStats{Set: true})
		same(t, "TryWait()", s.TryWait(), true)
		same(t, "Stats()", s.Stats(), event.SignalStats{})
	})
}

// A waiter whose ctx ends in the moment of the Fire has got it.
func TestSignalGrantThenCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 50 { // the select of the waiter is fair to both channels
			var s event.AsyncSignal
			var c calls
			ctx, cancel := context.WithCancel(t.Context())
			c.start("a", waits(&s, ctx))
			s.Fire()
			cancel()
			c.want(t, "a ok")
			same(t, "Stats()", s.Stats(), event.SignalStats{})
			same(t, "the next Wait()", s.Wait(ctx), context.Canceled)
		}
	})
}

// "Somebody is notified already" is no reason to drop the next notification while more are asleep:
// async-rs/async-std#452.
func TestBugAsyncStd452(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s event.AsyncSignal
		var c calls
		c.start("a", waits(&s, t.Context()))
		c.start("b", waits(&s, t.Context()))
		s.Fire()
		s.Fire()
		c.want(t, "a ok", "b ok")
		same(t, "Stats()", s.Stats(), event.SignalStats{})
	})
}

// A done ctx loses, and the signal stays: golang/go#63615.
func TestBugGo63615(t *testing.T) {
	ctx := check.NewCtx()
	ctx.SetErr(errors.New("over"))
	var s event.AsyncSignal
	same(t, "Wait()", s.Wait(ctx), ctx.Err())
	s.Fire()
	same(t, "Wait() with a Fire", s.Wait(ctx), ctx.Err())
	same(t, "Stats()", s.Stats(), event.SignalStats{Set: true})
	var e event.AsyncEvent
	e.Fire()
	same(t, "Wait() for an event", e.Wait(ctx), ctx.Err())
	var q event.AsyncEventQueue[int]
	r := q.Subscribe()
	emit(t, &q, 1)
	same(t, "Read()", read(r, ctx, 0)(), "[] over")
	same(t, "what is left", q.Len(), 1)
	var w event.Watch[int]
	w.Set(1)
	_, _, err := w.Changed(ctx, 0)
	same(t, "Changed()", err, ctx.Err())
	_, _, err = w.WaitFor(ctx, func(int) bool { return true })
	same(t, "WaitFor()", err, ctx.Err())
}

func TestSignalNoAllocations(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var s event.AsyncSignal
	if n := testing.AllocsPerRun(1000, func() {
		s.Fire()
		_ = s.Wait(ctx)
		s.Fire()
		s.Fire()
		s.TryWait()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// What was done before a Fire is seen by who takes it, also where it is remembered together with
// another. Only the race detector can tell, so the flag between the two is hidden from it.
func TestSignalOrdersCoalescedFires(t *testing.T) {
	var s event.AsyncSignal
	var fired hidden
	first, second := 0, 0
	s.Fire()
	go func() {
		first = 1
		s.Fire()
		second = 1
		s.Fire()
		fired.set()
	}()
	for !fired.isSet() {
		runtime.Gosched()
	}
	same(t, "TryWait()", s.TryWait(), true)
	same(t, "what was written before", first+second, 2)
}

type hidden struct{ on bool }

//go:norace
//go:noinline
func (h *hidden) set() { h.on = true }

//go:norace
//go:noinline
func (h *hidden) isSet() bool { return h.on }

// One baton between one who fires and many who wait and give up at random: it is never lost and
// never doubled, and what was done before a Fire is seen by who takes it.
func TestSignalStress(t *testing.T) {
	for name, steppers := range tasks.Steppers() {
		t.Run(name, func(t *testing.T) {
			var there, back event.AsyncSignal
			var over atomic.Bool
			var done int // belongs to who has the baton
			r := steppers()
			rounds := check.Times(300, 20000)
			r.Go("leader", func(ctx context.Context) {
				for range rounds {
					done++
					there.Fire()
					_ = back.Wait(ctx)
				}
				over.Store(true)
				there.Fire()
			})
			for i := range 4 {
				r.Go(fmt.Sprint(i), func(own context.Context) {
					rnd := rand.New(rand.NewPCG(uint64(i), 1))
					for {
						ctx, cancel := context.WithCancel(own)
						if rnd.IntN(2) == 0 {
							go cancel()
						}
						err := there.Wait(ctx)
						cancel()
						switch {
						case over.Load():
							there.Fire() // the next one ends too
							return
						case err == nil:
							done++
							back.Fire()
						default:
							runtime.Gosched()
						}
					}
				})
			}
			r.Wait()
			same(t, "done", done, 2*rounds)
		})
	}
}
