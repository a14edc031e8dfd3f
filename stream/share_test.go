package stream_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/stream"
)

// audience runs sinks of one stream at the same time.
type audience struct {
	ctx   context.Context
	began time.Time
	tasks []*core.Task
	got   []*timeline
}

// join adds a sink that comes at a time, is slow, and stops after so many values, if that is not 0.
func (a *audience) join(s stream.Stream[string], at, slow time.Duration, stop int) {
	if a.began.IsZero() {
		a.began = time.Now()
	}
	lines := new(timeline)
	a.got = append(a.got, lines)
	a.tasks = append(a.tasks, core.Start(a.ctx, func(ctx context.Context) error {
		note := func(what string) { *lines = append(*lines, instant{time.Since(a.began), what}) }
		if err := core.Sleep(ctx, at); at > 0 && err != nil {
			return err
		}
		values := 0
		err := stream.ForEach(ctx, s, func(ctx context.Context, v string) error {
			note(v)
			if values++; values == stop {
				return stream.ErrStop
			}
			if slow > 0 {
				return core.Sleep(ctx, slow)
			}
			return nil
		})
		switch err {
		case nil:
			note("|")
		case errBoom:
			note("#")
		default:
			note("*")
		}
		return nil
	}))
}

// all waits for the sinks and returns their timelines.
func (a *audience) all(t *testing.T) string {
	t.Helper()
	for _, task := range a.tasks {
		if err := task.Wait(a.ctx); err != nil {
			t.Error(err)
		}
	}
	var all []string
	for _, l := range a.got {
		all = append(all, l.String())
	}
	return strings.Join(all, " ")
}

// counted is s, and how often it runs and has run.
func counted(s stream.Stream[string], running, runs *int) stream.Stream[string] {
	one := stream.From(func(yield func(stream.Stream[string]) bool) {
		*runs++
		*running++
		defer func() { *running-- }()
		yield(s)
	})
	return each(one)
}

// each gives the values of all streams that s gives, one after the other.
func each(s stream.Stream[stream.Stream[string]]) stream.Stream[string] {
	return stream.FlatMap(s, func(_ context.Context, s stream.Stream[string]) (stream.Stream[string], error) { return s, nil })
}

func TestTee(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		running, runs := 0, 0
		check := func(want string, wantRuns int, a *audience) {
			t.Helper()
			if got := a.all(t); got != want || running != 0 || runs != wantRuns {
				t.Errorf("got\n%s, want\n%s, %d runs, of which %d are left", got, want, runs, running)
			}
			runs = 0
		}
		a := &audience{ctx: ctx}
		s := stream.Tee(counted(playing("a--b--#"), &running, &runs), 2)
		a.join(s, 0, 0, 0)
		a.join(s, 2*ms, 0, 0)
		check("--a--b--# --a--b--#", 1, a) // it begins with the last one

		a = &audience{ctx: ctx}
		s = stream.Tee(counted(playing("abcd|"), &running, &runs), 2)
		a.join(s, 0, 0, 0)
		a.join(s, 0, 3*ms, 0)
		check(a.want("ab-c--(d|)", "a--b--c--d--|"), 1, a)

		a = &audience{ctx: ctx}
		s = stream.Tee(counted(playing("abcd|"), &running, &runs), 2)
		a.join(s, 0, 0, 0)
		a.join(s, 0, 3*ms, 2)
		check(a.want("ab-(cd)|", "a--(b|)"), 1, a) // who stops holds up nobody

		a = &audience{ctx: ctx}
		s = stream.Tee(counted(playing("ab|"), &running, &runs), 2)
		for n := range 4 {
			a.join(s, time.Duration(n)*ms, 0, 0)
		}
		check(a.want("-ab|", "-ab|", "---ab|", "---ab|"), 2, a)

		a = &audience{ctx: ctx}
		s = stream.Tee(counted(playing("abcdefgh"), &running, &runs), 2)
		a.join(s, 0, 0, 3)
		a.join(s, 0, 0, 4)
		check(a.want("ab(c|)", "abc(d|)"), 1, a)
	})
}

func (a *audience) want(lines ...string) string { return strings.Join(lines, " ") }

func TestShare(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		running, runs := 0, 0
		check := func(wantRuns int, a *audience, want ...string) {
			t.Helper()
			if got := a.all(t); got != strings.Join(want, " ") || running != 0 || runs != wantRuns {
				t.Errorf("got\n%s, want\n%s, %d runs, of which %d are left", got, want, runs, running)
			}
			runs = 0
		}
		sinks := func(src string, join func(a *audience, s stream.Stream[string])) *audience {
			a := &audience{ctx: ctx}
			join(a, stream.Share(counted(playing(src), &running, &runs)))
			return a
		}
		// One that comes later gets what comes from then on, and the end.
		check(1, sinks("a-b-c-#", func(a *audience, s stream.Stream[string]) {
			a.join(s, 0, 0, 0)
			a.join(s, 3*ms, 0, 0)
		}), "a-b-c-#", "----c-#")
		// A slow one holds up the others. It has one value, and one waits for it.
		check(1, sinks("a-bcd|", func(a *audience, s stream.Stream[string]) {
			a.join(s, 0, 0, 0)
			a.join(s, ms, 4*ms, 0)
		}), "a-bc--(d|)", "--b---c---d---|")
		// The first leaves, the run goes on; the last one ends it, and the next begins another.
		check(2, sinks("-abcdefgh", func(a *audience, s stream.Stream[string]) {
			a.join(s, 0, 0, 2)
			a.join(s, 0, 0, 4)
			a.join(s, 10*ms, 0, 2)
		}), "-a(b|)", "-abc(d|)", "-----------a(b|)")
		// Who comes behind the end, while somebody is still busy, waits for another run.
		check(2, sinks("a|", func(a *audience, s stream.Stream[string]) {
			a.join(s, 0, 5*ms, 0)
			a.join(s, 3*ms, 0, 0)
		}), "a----|", "-----a|")
		// All who wait for it share that run.
		check(2, sinks("a|", func(a *audience, s stream.Stream[string]) {
			a.join(s, 0, 5*ms, 0)
			for range 3 {
				a.join(s, 3*ms, 0, 0)
			}
		}), "a----|", "-----a|", "-----a|", "-----a|")
	})
}

// A panic is one of the run it belongs to: it does not come again in the next one.
func TestRunBehindPanic(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		runs := 0
		s := stream.Tee(each(stream.From(func(yield func(stream.Stream[string]) bool) {
			if runs++; runs == 1 {
				panic("in the first run")
			}
			yield(playing("ab|"))
		})), 2)
		panics := make([]any, 2)
		var tasks []*core.Task
		for n := range panics {
			tasks = append(tasks, core.Start(ctx, func(ctx context.Context) error {
				panics[n] = caught(func() { _, _ = stream.ReadAll(ctx, s) })
				return nil
			}))
		}
		for n, task := range tasks {
			if err := task.Wait(ctx); err != nil || panics[n] == nil {
				t.Errorf("sink %d: panic(%v), %v", n, panics[n], err)
			}
		}
		a := &audience{ctx: ctx}
		a.join(s, 0, 0, 1) // leaves while the run goes on
		a.join(s, 0, 0, 0)
		if got := a.all(t); got != "(a|) ab|" {
			t.Error(got)
		}
	})
}

// Sinks of different dispatchers and of goroutines share one run.
func TestShareAcross(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		const n = 200
		for _, s := range []stream.Stream[int]{stream.Tee(stream.From(numbers(n)), 4)} {
			var l loops
			sums := make([]int, 4)
			for i := range sums {
				sink := func(ctx context.Context) {
					if err := stream.ForEach(ctx, s, func(_ context.Context, v int) error {
						sums[i] += v
						return nil
					}); err != nil {
						t.Error(err)
					}
				}
				if i == 3 {
					task := core.Start(ctx, func(ctx context.Context) error { sink(ctx); return nil })
					defer func() {
						if err := task.Wait(ctx); err != nil {
							t.Error(err)
						}
						if want := n * (n - 1) / 2; fmt.Sprint(sums) != fmt.Sprint([]int{want, want, want, want}) {
							t.Errorf("sums %v", sums)
						}
					}()
					continue
				}
				l.Go("sink", sink)
			}
			if core.DispatcherOf(ctx) == nil {
				l.Wait()
				continue
			}
			if _, err := core.Blocking(ctx, func(context.Context) (int, error) { l.Wait(); return 0, nil }); err != nil {
				t.Error(err)
			}
		}
	})
}

// A panic of the source is one of all sinks that are there.
func TestPanicOfShared(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		s := stream.Tee(stream.Map(playing("a-p"), func(_ context.Context, v string) (string, error) {
			if v == "p" {
				panicsHere()
			}
			return v, nil
		}), 3)
		panics := make([]any, 3)
		var tasks []*core.Task
		for n := range panics {
			tasks = append(tasks, core.Start(ctx, func(ctx context.Context) error {
				panics[n] = caught(func() {
					_ = stream.ForEach(ctx, s, func(context.Context, string) error {
						if n == 2 {
							return stream.ErrStop
						}
						return nil
					})
				})
				return nil
			}))
		}
		for _, task := range tasks {
			if err := task.Wait(ctx); err != nil {
				t.Error(err)
			}
		}
		for n, p := range panics {
			pe, ok := p.(*core.PanicError)
			if n == 2 && p != nil || n < 2 && (!ok || pe.Value != "at the source" || !strings.Contains(string(pe.Stack), "panicsHere")) {
				t.Errorf("sink %d: panic(%v)", n, p)
			}
		}
	})
}

// A sink that is canceled before all are there leaves its place to another.
func TestTeeCanceledSeat(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		s := stream.Tee(playing("ab|"), 2)
		early, cancel := core.WithTimeout(ctx, ms)
		defer cancel()
		if got, err := stream.ReadAll(early, s); got != nil || err != context.DeadlineExceeded {
			t.Errorf("ReadAll() = %v, %v", got, err)
		}
		a := &audience{ctx: ctx}
		a.join(s, 0, 0, 0)
		a.join(s, ms, 0, 0)
		if got := a.all(t); got != "-ab| -ab|" {
			t.Error(got)
		}
	})
}

// Whoever leaves before a run gives the place to one who waits for it, whatever others do just then: where
// there are two, they run.
func TestTeeSeatsAreTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range check.Many(10_000, 100_000) {
			s := stream.Tee(stream.FromSlice([]int{1, 2}), 2)
			all, cancelAll := context.WithCancel(t.Context())
			early, cancel := context.WithCancel(all)
			var waiting atomic.Int32
			sink := func(ctx context.Context) {
				_, _ = stream.ReadAll(ctx, s)
				waiting.Add(-1)
			}
			waiting.Add(1)
			go sink(early)
			synctest.Wait()
			waiting.Add(4)
			for range 4 {
				go sink(all)
			}
			runtime.Gosched()
			cancel()
			synctest.Wait()
			if n := waiting.Load(); n > 1 {
				t.Errorf("%d wait for each other", n)
			}
			cancelAll()
			synctest.Wait()
		}
	})
}

// A value that all have, or that came when nobody was left, is held no longer.
func TestSharedValueIsNotHeld(t *testing.T) {
	type value [64]byte
	everywhere(t, func(t *testing.T, ctx context.Context) {
		ctx, cancel := core.WithCancel(ctx)
		defer cancel()
		var mu sync.Mutex
		var made []weak.Pointer[value]
		s := stream.Share(stream.Map(stream.From(numbers(2)), func(ctx context.Context, v int) (*value, error) {
			if v == 1 {
				_ = core.Sleep(ctx, time.Hour) // until it is canceled
			}
			p := new(value)
			mu.Lock()
			defer mu.Unlock()
			made = append(made, weak.Make(p))
			return p, nil
		}))
		sink := core.Start(ctx, func(ctx context.Context) error {
			return stream.ForEach(ctx, s, func(context.Context, *value) error { return nil })
		})
		for n := 1; n <= 2; n++ {
			settle(core.Shield(ctx))
			runtime.GC()
			mu.Lock()
			if len(made) != n || made[n-1].Value() != nil {
				t.Errorf("of %d values the last one is held", len(made))
			}
			mu.Unlock()
			cancel()
		}
		if err := sink.Wait(core.Shield(ctx)); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		runtime.KeepAlive(s)
	})
}
