package stream_test

import (
	"context"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/stream"
)

const ms = time.Millisecond

// paced is a stream of 0, 1, 2 …, each of which comes after its gap.
func paced(gaps ...time.Duration) stream.Stream[int] {
	return stream.Map(stream.From(numbers(len(gaps))), func(ctx context.Context, v int) (int, error) {
		return v, core.Sleep(ctx, gaps[v])
	})
}

// arrival is a batch and when it came.
type arrival struct {
	at    time.Duration
	batch []int
}

func arrivals(t *testing.T, ctx context.Context, s stream.Stream[[]int]) ([]arrival, error) {
	t.Helper()
	began := time.Now()
	var got []arrival
	err := stream.ForEach(ctx, s, func(_ context.Context, b []int) error {
		got = append(got, arrival{time.Since(began), b})
		return nil
	})
	return got, err
}

func wantArrivals(t *testing.T, got []arrival, want ...arrival) {
	t.Helper()
	if !slices.EqualFunc(got, want, func(a, b arrival) bool { return a.at == b.at && slices.Equal(a.batch, b.batch) }) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func TestBatchByTime(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		// A lone value leaves after the delay, once; a full batch at once; the rest at
		// the end.
		got, err := arrivals(t, ctx, stream.Batch(paced(0, 100*ms, ms, ms, 100*ms, 2*ms), 3, 10*ms))
		if err != nil {
			t.Fatal(err)
		}
		wantArrivals(t, got,
			arrival{10 * ms, []int{0}},
			arrival{102 * ms, []int{1, 2, 3}},
			arrival{204 * ms, []int{4, 5}}) // not after the delay, at 212: the stream has ended
	})
}

// The delay counts from the first value, not from the last.
func TestBatchDelayIsNotProlonged(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		got, err := arrivals(t, ctx, stream.Batch(paced(0, 4*ms, 4*ms, 4*ms, 4*ms), 100, 10*ms))
		if err != nil {
			t.Fatal(err)
		}
		wantArrivals(t, got, arrival{10 * ms, []int{0, 1, 2}}, arrival{16 * ms, []int{3, 4}})
	})
}

// Nor does it begin anew for a value that has waited until there was room.
func TestBatchDelayOfHeldValue(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		// 0 goes on alone at 10, 1 and 2 fill the next batch, and 3 waits until that goes on, at 18.
		var got []arrival
		began := time.Now()
		src := stream.Batch(paced(0, 11*ms, ms, ms, 100*ms), 2, 10*ms)
		err := stream.ForEach(ctx, src, func(ctx context.Context, b []int) error {
			got = append(got, arrival{time.Since(began), b})
			if b[0] > 0 {
				return nil
			}
			return core.Sleep(ctx, 8*ms)
		})
		if err != nil {
			t.Fatal(err)
		}
		wantArrivals(t, got,
			arrival{10 * ms, []int{0}},
			arrival{18 * ms, []int{1, 2}},
			arrival{23 * ms, []int{3}}, // not 10 ms after 18
			arrival{118 * ms, []int{4}})
	})
}

// A ctx that ends before the task of the stage has begun takes nothing from the source.
func TestBatchCanceledBeforeItBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := dispatch.New(dispatch.Config{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(core.On(t.Context(), d))
		defer cancel()
		drawn := 0
		src := stream.From(func(yield func(int) bool) {
			for drawn++; yield(drawn); drawn++ {
			}
		})
		ended := make(chan error)
		go func() {
			_, err := stream.Count(ctx, stream.Batch(src, 3, ms))
			ended <- err
		}()
		synctest.Wait() // nobody runs the dispatcher
		cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := d.Run(context.Background()); err != nil {
				t.Error(err)
			}
		})
		if err := <-ended; err != context.Canceled || drawn > 0 {
			t.Errorf("Count() = %v, %d values drawn", err, drawn)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
}

func TestBatchFailure(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		failing := stream.Map(paced(0, ms, ms, ms), func(_ context.Context, v int) (int, error) { return v, at(3, errBoom, v) })
		got, err := arrivals(t, ctx, stream.Batch(failing, 2, 10*ms))
		if err != errBoom {
			t.Fatal(err)
		}
		wantArrivals(t, got, arrival{ms, []int{0, 1}}, arrival{3 * ms, []int{2}})
	})
}

// What has been collected when the ctx ends is dropped, whoever set the deadline.
func TestBatchCancel(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		ctx, cancel := core.WithTimeout(ctx, 5*ms)
		defer cancel()
		got, err := arrivals(t, ctx, stream.Batch(paced(0, time.Hour), 3, 10*ms))
		if wantArrivals(t, got); err != context.DeadlineExceeded {
			t.Fatal(err)
		}
	})
}

// A value waits for no longer than the delay, or until the stages behind are ready; nor does
// it leave earlier while its batch is not full. Order and values are kept.
func TestBatchProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// No sum of gaps is a sum of delays, so that nothing happens at the same time.
		gap := rapid.Map(rapid.IntRange(0, 6), func(n int) time.Duration { return time.Duration(n) * 10 * ms })
		gaps := rapid.SliceOfN(gap, 1, 15).Draw(t, "gaps")
		n := rapid.IntRange(1, 4).Draw(t, "n")
		delay := time.Duration(rapid.IntRange(0, 12).Draw(t, "delay"))*10*ms + 5*ms
		slow := rapid.SliceOfN(gap, 16, 16).Draw(t, "slow")
		quick := rapid.Bool().Draw(t, "quick")
		task := rapid.Bool().Draw(t, "task")
		body := func(ctx context.Context) error {
			var mu sync.Mutex
			came := make([]time.Time, len(gaps))
			s := stream.Map(paced(gaps...), func(_ context.Context, v int) (int, error) {
				mu.Lock()
				defer mu.Unlock()
				came[v] = time.Now()
				return v, nil
			})
			var got []int
			var free time.Time // when the sink became ready
			batches := 0
			err := stream.ForEach(ctx, stream.Batch(s, n, delay), func(ctx context.Context, b []int) error {
				now := time.Now()
				mu.Lock()
				first := came[b[0]]
				mu.Unlock()
				due := first.Add(delay)
				if late := due; now.After(maxTime(late, free)) {
					t.Errorf("batch %v came at %v, due at %v, ready at %v", b, now, due, free)
				}
				last := b[len(b)-1] == len(gaps)-1
				if len(b) > n || len(b) < n && now.Before(due) && !last {
					t.Errorf("batch %v came at %v, before %v", b, now, due)
				}
				got = append(got, b...)
				batches++
				if !quick {
					if err := core.Sleep(ctx, slow[batches]); err != nil {
						return err
					}
				}
				free = time.Now()
				return nil
			})
			if want := slices.Collect(numbers(len(gaps))); !slices.Equal(got, want) {
				t.Errorf("got %v", got)
			}
			return err
		}
		rapid.SyncTest(t, func(t *rapid.T) {
			var err error
			if task {
				err = core.Run(context.Background(), body)
			} else {
				err = body(context.Background())
			}
			if err != nil {
				t.Error(err)
			}
		})
	})
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// While the sink works on one batch the next is collected, and no more.
func TestBatchReadsAheadByOne(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		var drawn atomic.Int64
		s := stream.From(iter.Seq[int](func(yield func(int) bool) {
			for yield(int(drawn.Add(1))) {
			}
		}))
		n := 0
		err := stream.ForEach(ctx, stream.Batch(s, 3, time.Hour), func(ctx context.Context, b []int) error {
			if err := core.Sleep(ctx, time.Minute); err != nil {
				return err
			}
			// This batch, the next, and one that waits for room.
			if n++; drawn.Load() != int64(3*n+3+1) {
				t.Errorf("%d values drawn at batch %d", drawn.Load(), n)
			}
			if n == 4 {
				return stream.ErrStop
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// However a sink ends, what the stages have started has ended by then.
func TestNothingIsLeft(t *testing.T) {
	type mode struct {
		name string
		fn   func(ctx context.Context, v int) error
		want error
	}
	wait := func(ctx context.Context, _ int) error { return core.Sleep(ctx, time.Hour) }
	for _, m := range []mode{
		{"stop", func(context.Context, int) error { return stream.ErrStop }, nil},
		{"error", func(context.Context, int) error { return errBoom }, errBoom},
		{"cancel", wait, context.DeadlineExceeded},
	} {
		t.Run(m.name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, ctx context.Context) {
				ctx, cancel := core.WithTimeout(ctx, time.Minute)
				defer cancel()
				var cleaned []string
				// The stages above clean up, and take their time for it, when they are canceled.
				forever := func(name string) stream.Stream[int] {
					src := write(t, stream.New[int](0), 0, 1, 2)
					return stream.Map(src, func(ctx context.Context, v int) (int, error) {
						if v < 2 {
							return v, nil
						}
						err := core.Sleep(ctx, 24*time.Hour)
						if err := core.Sleep(core.Shield(ctx), time.Second); err != nil {
							t.Error(err)
						}
						cleaned = append(cleaned, name)
						return v, err
					})
				}
				inner := stream.Map(stream.Batch(forever("source"), 1, ms), func(_ context.Context, b []int) (int, error) { return b[0], nil })
				err := stream.ForEach(ctx, stream.Batch(inner, 1, ms), func(ctx context.Context, b []int) error {
					if b[0] == 0 {
						return nil
					}
					if err := core.Sleep(ctx, ms); err != nil { // until the source waits
						return err
					}
					return m.fn(ctx, b[0])
				})
				if err != m.want {
					t.Errorf("ForEach() = %v, want %v", err, m.want)
				}
				equal(t, cleaned, "source")
			})
		})
	}
}

// Pipelines whose sinks end at a moment that is drawn leave nothing: no task, no goroutine,
// no timer, and nobody who waits at the source.
func TestCancelAnywhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gaps := rapid.SliceOfN(rapid.Map(rapid.IntRange(0, 3), func(n int) time.Duration { return time.Duration(n) * ms }), 0, 12).Draw(t, "gaps")
		after := time.Duration(rapid.IntRange(0, 20).Draw(t, "after")) * ms
		depth := rapid.IntRange(0, 3).Draw(t, "depth")
		rapid.SyncTest(t, func(t *rapid.T) {
			steppers := map[string]check.Stepper{"goroutines": new(check.Goroutines), "tasks": new(loops)}
			for name, r := range steppers {
				src := stream.New[int](1)
				r.Go("source", func(ctx context.Context) {
					defer src.Complete()
					_ = stream.ForEach(ctx, paced(gaps...), func(ctx context.Context, v int) error { return src.Write(ctx, v) })
				})
				var got []int
				var err error
				ended := false
				cancel := r.Go("sink", func(ctx context.Context) {
					var s stream.Stream[int] = src
					for range depth {
						s = stream.Map(stream.Batch(s, 2, 3*ms), func(_ context.Context, b []int) (int, error) { return b[0], nil })
					}
					got, err = stream.ReadAll(ctx, s)
					ended = true
				})
				if err := core.Sleep(context.Background(), after); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				over := ended
				cancel()
				synctest.Wait()
				if !ended || (err != nil) == over || err != nil && err != context.Canceled || !slices.IsSorted(got) {
					t.Fatalf("%s: ended %t, ReadAll() = %v, %v", name, ended, got, err)
				}
				if n := src.Stats().Readers; n != 0 {
					t.Fatalf("%s: %d readers left at the source", name, n)
				}
				for !src.Finished() { // let the writer go
					if _, err := src.Read(t.Context()); err != nil {
						break
					}
				}
				r.Wait()
			}
		})
	})
}
