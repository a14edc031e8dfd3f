package stream_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/event"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/proptest"
	"github.com/seed-1e54c410/turnstile/stream"
)

// after is a stop that is done some time after the beginning of each run.
type after time.Duration

func (d after) Done() <-chan struct{} {
	ch := make(chan struct{})
	time.AfterFunc(time.Duration(d), func() { close(ch) })
	return ch
}

func TestUntil(t *testing.T) {
	stop := after(5 * ms / 2)
	lines(t, func(in ...stream.Stream[string]) stream.Stream[string] { return stream.Until(in[0], stop) },
		line{one("|"), 0, "|"},
		line{one("ab|"), 0, "ab|"},
		line{one("a#"), 0, "a#"},
		line{one("a-#"), 0, "a-#"},
		line{one("a--#"), 0, "a-|"},
		line{one("a--b--c"), 0, "a-|"},
		line{one("-----"), 0, "--|"},
		line{one("abcdef"), 0, "ab(c|)"},
		line{one("(abc)"), 2 * ms, "a-b-|"}, // what is under way comes to its end
		line{one("(ab)#"), 9 * ms, "a--------|"},
	)
	// What comes behind has an end like any other, and what comes before a cancel.
	lines(t, func(in ...stream.Stream[string]) stream.Stream[string] {
		return each(stream.Map(stream.Batch(stream.Until(in[0], stop), 2, 9*ms), asStream))
	},
		line{one("abcd"), 0, "-(ab)(c|)"},
		line{one("a-(b#)"), 0, "--(ab#)"},
	)
	lines(t, func(in ...stream.Stream[string]) stream.Stream[string] {
		return stream.Until(each(stream.Map(stream.Batch(in[0], 2, 9*ms), asStream)), stop)
	},
		line{one("abcd"), 0, "-(ab)|"},
		line{one("a-(b#)"), 0, "--(ab#)"},
	)
}

func asStream(_ context.Context, batch []string) (stream.Stream[string], error) {
	return stream.FromSlice(batch), nil
}

// Whatever has a Done can be a stop.
func TestUntilStops(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		var e event.AsyncEvent
		fired := core.Start(ctx, e.Wait)
		failed := core.Start(ctx, func(context.Context) error { return errBoom })
		done, cancel := context.WithCancel(t.Context())
		cancel()
		for name, c := range map[string]struct {
			stop interface{ Done() <-chan struct{} }
			want string
		}{
			"a ctx that cannot end": {context.Background(), "a---b|"},
			"a ctx that is done":    {done, "|"},
			"a ctx":                 {nil, "a-|"},
			"a task":                {fired, "a-|"},
			"a task that fails":     {failed, "|"},
			"a future":              {core.Completed(1), "|"},
		} {
			if name == "a task" {
				d := core.Start(ctx, func(ctx context.Context) error {
					err := core.Sleep(ctx, 5*ms/2)
					e.Fire()
					return err
				})
				defer func() { _ = d.Wait(ctx) }()
			}
			if name == "a ctx" {
				limited, cancel := core.WithTimeout(ctx, 5*ms/2)
				defer cancel()
				c.stop = limited
			}
			_ = core.Join(ctx, failed)
			began := false
			src := each(stream.From(func(yield func(stream.Stream[string]) bool) {
				began = true
				yield(playing("a---b|"))
			}))
			if got := watch(ctx, stream.Until(src, c.stop), 0).String(); got != c.want || began != (got != "|") {
				t.Errorf("%s: %s, want %s, begun %t", name, got, c.want, began)
			}
		}
	})
}

// Only what says nothing but that it was canceled is no error when the stop is done.
func TestUntilErrors(t *testing.T) {
	wrapped := fmt.Errorf("at the source: %w", context.Canceled)
	late := errors.Join(errBoom, context.Canceled)
	panicked := &core.PanicError{Value: context.Canceled}
	for _, c := range []struct{ says, want error }{
		{context.Canceled, nil},
		{&core.CanceledError{Cause: errBoom}, nil},
		{wrapped, nil},
		{errors.Join(context.Canceled, wrapped), nil},
		{late, late},
		{errBoom, errBoom},
		{context.DeadlineExceeded, context.DeadlineExceeded},
		{panicked, panicked},
	} {
		everywhere(t, func(t *testing.T, ctx context.Context) {
			ended := false
			src := stream.Map(stream.From(numbers(2)), func(ctx context.Context, v int) (int, error) {
				if v == 0 {
					return 0, nil
				}
				_ = core.Sleep(ctx, time.Hour)
				_ = core.Sleep(core.Shield(ctx), time.Second) // it is waited for
				ended = true
				return v, c.says
			})
			got, err := stream.ReadAll(ctx, stream.Until(src, after(ms)))
			if equal(t, got, 0); err != c.want || !ended {
				t.Errorf("source: %v, stream: %v, ended %t", c.says, err, ended)
			}
		})
	}
}

// ownWords is a ctx that says in its own words that it has ended.
type ownWords struct{ context.Context }

func (c ownWords) Err() error {
	if c.Context.Err() == nil {
		return nil
	}
	return errBoom
}

// The end of the ctx of the sink is its error, whatever the one between it and the source says.
func TestUntilSaysWhatTheContextSays(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		limited, cancel := core.WithTimeout(ctx, ms)
		defer cancel()
		if _, err := stream.Count(ownWords{limited}, stream.Until(stream.New[int](0), unstopped{})); err != errBoom {
			t.Errorf("at the deadline: %v", err)
		}
		canceled, cancel := core.WithCancel(ctx)
		cancels := core.Start(ctx, func(ctx context.Context) error {
			defer cancel()
			return core.Sleep(ctx, ms)
		})
		if _, err := stream.Count(ownWords{canceled}, stream.Until(stream.New[int](0), unstopped{})); err != errBoom {
			t.Errorf("canceled: %v", err)
		}
		if err := cancels.Wait(ctx); err != nil {
			t.Error(err)
		}
	})
}

// The ends that are not those of the stop stay what they are, also when it is done.
func TestUntilLeavesOthersAlone(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		// The sink's own error, though it looks like the cancel.
		for _, want := range []error{context.Canceled, errBoom} {
			err := stream.ForEach(ctx, stream.Until(playing("ab"), after(ms/2)), func(ctx context.Context, _ string) error {
				if err := core.Sleep(ctx, ms); err != nil {
					return err
				}
				return want
			})
			if err != want {
				t.Errorf("ForEach() = %v, want %v", err, want)
			}
		}
		// The end of the sink's ctx, with which the stop ends, too.
		limited, cancel := core.WithTimeout(ctx, ms)
		defer cancel()
		if got, err := stream.ReadAll(limited, stream.Until(playing("a"), limited)); len(got) != 1 || err != context.DeadlineExceeded {
			t.Errorf("ReadAll() = %v, %v", got, err)
		}
		canceled, cancel := core.WithCancel(ctx)
		defer cancel()
		err := stream.ForEach(canceled, stream.Until(playing("a-b"), canceled), func(context.Context, string) error {
			stop := core.Start(ctx, func(ctx context.Context) error {
				defer cancel()
				return core.Sleep(ctx, ms)
			})
			return stop.Wait(core.Shield(ctx))
		})
		if err != nil { // at the very value that was under way
			t.Errorf("ForEach() = %v", err)
		}
		canceled, cancel = core.WithCancel(ctx)
		waits := core.Start(canceled, func(canceled context.Context) error {
			_, err := stream.ReadAll(canceled, stream.Until(playing("a"), canceled))
			return err
		})
		if err := core.Sleep(ctx, ms); err != nil {
			t.Error(err)
		}
		cancel()
		if err := waits.Wait(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("ReadAll() = %v", err)
		}
	})
}

// A stop from elsewhere also ends a source that never waits, and gives nothing that comes as far as Until. In a
// task that has the loop for itself.
func TestUntilEndsWhatNeverWaits(t *testing.T) {
	body := func(ctx context.Context) error {
		stop, cancel := context.WithCancel(context.Background())
		defer cancel()
		n := 0
		none := stream.Filter(stream.From(numbers(math.MaxInt)), func(context.Context, int) (bool, error) {
			if n++; n == 10 {
				go cancel()
			}
			runtime.Gosched() // where there is one thread, goroutines run now
			return false, nil
		})
		return stream.ForEach(ctx, stream.Until(none, stop), func(context.Context, int) error { return errBoom })
	}
	if err := body(t.Context()); err != nil {
		t.Error(err)
	}
	if err := core.Run(t.Context(), body); err != nil {
		t.Error(err)
	}
}

// What waits for the stop has ended when the sink returns.
func TestUntilLeavesNoWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := core.Run(context.Background(), func(ctx context.Context) error {
			d := core.DispatcherOf(ctx)
			before := d.Pending()
			got, err := stream.ReadAll(ctx, stream.Until(playing("ab|"), core.NewFuture[int]()))
			if n := d.Pending(); n != before || len(got) != 2 {
				t.Errorf("got %v, Pending() = %d, before it was %d", got, n, before)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// Under all schedules a stop loses nothing and takes nothing more: what the sink has got is followed by
// what is left in the source, and it gets at most the one value that was on its way.
func TestUntilSchedules(t *testing.T) {
	check.Cases(t, 10_000)
	proptest.Check(t, func(p *proptest.P) {
		k, buffer := p.IntRange(0, 6, "values"), p.IntRange(-1, 2, "buffer")
		slow := p.IntRange(0, 2, "slow")
		src, stop := stream.New[int](buffer), core.NewFuture[int]()
		var got []int
		written, seen, ended := 0, -1, false
		p.Go("source", func(ctx context.Context) error {
			for v := range k {
				if err := src.Write(ctx, v); err != nil {
					return nil
				}
				written++
			}
			return nil
		})
		p.Go("stop", func(ctx context.Context) error {
			_, err := yields(ctx, p.IntRange(0, 2, "turns"))
			seen = len(got)
			stop.Complete(1)
			return err
		})
		p.Go("sink", func(ctx context.Context) error {
			err := stream.ForEach(ctx, stream.Until[int](src, stop), func(ctx context.Context, v int) error {
				got = append(got, v)
				_, err := yields(ctx, slow)
				return err
			})
			ended = true
			if err != nil && err != ctx.Err() {
				p.Fatalf("it ends with %v", err)
			}
			if err == nil && seen < 0 && ctx.Err() == nil {
				p.Fatalf("it ends before the stop")
			}
			if seen >= 0 && len(got) > seen+1 {
				p.Fatalf("%d values behind the stop", len(got)-seen)
			}
			if n := src.Stats().Readers; n > 0 {
				p.Fatalf("%d readers are left", n)
			}
			all := slices.Clone(got)
			for ended && src.Len() > 0 {
				v, err := src.Read(core.Shield(ctx))
				if err != nil {
					return err
				}
				all = append(all, v)
			}
			src.Complete()
			for i, v := range all {
				if v != i {
					p.Fatalf("got %v, and then %v", got, all[len(got):])
				}
			}
			if len(all) < written {
				p.Fatalf("%d of %d values", len(all), written)
			}
			return nil
		})
	}, proptest.Cancels(2))
}

func ExampleUntil() {
	err := core.Run(context.Background(), func(ctx context.Context) error {
		interrupted, interrupt := core.WithCancel(ctx) // most often Ctrl-C, by signal.NotifyContext
		ticks := stream.Scan(stream.Tick(time.Millisecond), 0, func(_ context.Context, n int, _ time.Time) (int, error) {
			if n == 2 {
				interrupt()
			}
			return n + 1, nil
		})
		// What has been collected by then is dealt with.
		batches := stream.Batch(stream.Until(ticks, interrupted), 100, time.Hour)
		return stream.ForEach(ctx, batches, func(_ context.Context, batch []int) error {
			fmt.Println(batch)
			return nil
		})
	})
	fmt.Println(err)
	// Output:
	// [1 2 3]
	// <nil>
}
