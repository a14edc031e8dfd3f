package stream_test

import (
	"context"
	"runtime"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/stream"
)

// fusedStages are all stages that run without a task, each with a value out for a value in.
var fusedStages = map[string]func(stream.Stream[int]) stream.Stream[int]{
	"Map": func(s stream.Stream[int]) stream.Stream[int] {
		return stream.Map(s, func(_ context.Context, v int) (int, error) { return v, nil })
	},
	"Filter":     func(s stream.Stream[int]) stream.Stream[int] { return stream.Filter(s, yes) },
	"Take":       func(s stream.Stream[int]) stream.Stream[int] { return stream.Take(s, 1<<30) },
	"TakeWhile":  func(s stream.Stream[int]) stream.Stream[int] { return stream.TakeWhile(s, yes) },
	"Skip":       func(s stream.Stream[int]) stream.Stream[int] { return stream.Skip(s, 0) },
	"SkipWhile":  func(s stream.Stream[int]) stream.Stream[int] { return stream.SkipWhile(s, no) },
	"Distinct":   stream.Distinct[int],
	"DistinctBy": func(s stream.Stream[int]) stream.Stream[int] { return stream.DistinctBy(s, same) },
	"Scan": func(s stream.Stream[int]) stream.Stream[int] {
		return stream.Scan(s, 0, func(_ context.Context, sum, v int) (int, error) { return v, nil })
	},
	"Pairwise": func(s stream.Stream[int]) stream.Stream[int] {
		return stream.Map(stream.Pairwise(s), func(_ context.Context, p [2]int) (int, error) { return p[1], nil })
	},
	"Concat": func(s stream.Stream[int]) stream.Stream[int] { return stream.Concat(s, stream.FromSlice([]int{1})) },
	"FlatMap": func(s stream.Stream[int]) stream.Stream[int] {
		one := stream.FromSlice([]int{0})
		return stream.Scan(stream.FlatMap(s, func(context.Context, int) (stream.Stream[int], error) { return one, nil }), 0,
			func(_ context.Context, sum, _ int) (int, error) { return sum + 1, nil })
	},
}

func yes(context.Context, int) (bool, error)     { return true, nil }
func no(context.Context, int) (bool, error)      { return false, nil }
func same(_ context.Context, v int) (int, error) { return v, nil }
func all[T any](s stream.Stream[T]) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		return stream.ForEach(ctx, s, func(context.Context, T) error { return nil })
	}
}

// A value costs no allocation, in any stage, source or sink of numbers, nor in all of them behind
// each other.
func TestFusedStagesAllocateNoMorePerValue(t *testing.T) {
	numbersOf := func(n int) []int {
		values := make([]int, n)
		for i := range values {
			values[i] = i + 1
		}
		return values
	}
	type pipeline func(n int) func(ctx context.Context) error
	pipelines := map[string]pipeline{
		"all": func(n int) func(ctx context.Context) error {
			s := stream.FromSlice(numbersOf(n))
			for _, stage := range fusedStages {
				s = stage(s)
			}
			return all(s)
		},
		"From": func(n int) func(ctx context.Context) error { return all(stream.From(numbers(n))) },
		"Generate": func(n int) func(ctx context.Context) error {
			return all(stream.Generate(func(_ context.Context, emit func(int) error) error {
				for v := range n {
					if err := emit(v); err != nil {
						return err
					}
				}
				return nil
			}))
		},
		"FromChan": func(n int) func(ctx context.Context) error {
			ch := make(chan int, n)
			return func(ctx context.Context) error {
				for v := range n {
					ch <- v
				}
				return all(stream.Take(stream.FromChan(ch), n))(ctx)
			}
		},
		"ToChan": func(n int) func(ctx context.Context) error {
			ch, s := make(chan int, n), stream.FromSlice(numbersOf(n))
			return func(ctx context.Context) error {
				err := stream.ToChan(ctx, s, ch)
				for range n {
					<-ch
				}
				return err
			}
		},
		"Fold": func(n int) func(ctx context.Context) error {
			s := stream.FromSlice(numbersOf(n))
			return func(ctx context.Context) error {
				_, err := stream.Fold(ctx, s, 0, func(_ context.Context, sum, v int) (int, error) { return sum + v, nil })
				return err
			}
		},
		"Count": func(n int) func(ctx context.Context) error {
			s := stream.FromSlice(numbersOf(n))
			return func(ctx context.Context) error { _, err := stream.Count(ctx, s); return err }
		},
		"Last": func(n int) func(ctx context.Context) error {
			s := stream.FromSlice(numbersOf(n))
			return func(ctx context.Context) error { _, _, err := stream.Last(ctx, s); return err }
		},
	}
	for name, stage := range fusedStages {
		pipelines[name] = func(n int) func(ctx context.Context) error { return all(stage(stream.FromSlice(numbersOf(n)))) }
	}
	for name, p := range pipelines {
		measure := func(ctx context.Context, n int) float64 {
			run := p(n)
			return testing.AllocsPerRun(10, func() {
				if err := run(ctx); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		check := func(where string, ctx context.Context) {
			if few, many := measure(ctx, 2), measure(ctx, 1000); few != many {
				t.Errorf("%s %s: %v allocations for two values, %v for 1000", name, where, few, many)
			}
		}
		check("on a goroutine", context.Background())
		if err := core.Run(context.Background(), func(ctx context.Context) error {
			check("in a task", ctx)
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
}

// A panic of the function, or of a stage behind, leaves the sink as it is, and the
// description can be run again; a Goexit ends the caller of the sink.
func TestFusedStagesPanic(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		for name, stage := range fusedStages {
			src := stream.New[int](0)
			s := stage(src)
			write(t, src, 1, 2, 3, 4) // Pairwise takes two of them each time
			if p := caught(func() {
				_ = stream.ForEach(ctx, s, func(context.Context, int) error { panic(name) })
			}); p != name {
				t.Errorf("%s: panic(%v)", name, p)
			}
			returned := false
			task := core.Start(ctx, func(ctx context.Context) error {
				err := stream.ForEach(ctx, s, func(context.Context, int) error { runtime.Goexit(); return nil })
				returned = true
				return err
			})
			if err := task.Wait(ctx); err != core.ErrGoexit || returned {
				t.Errorf("%s: %v, returned %t", name, err, returned)
			}
			write(t, src, 5, 6).Complete()
			if n, err := stream.Count(ctx, s); n == 0 || err != nil {
				t.Errorf("%s: Count() = %d, %v", name, n, err)
			}
			if st := src.Stats(); st != (stream.Stats{}) {
				t.Errorf("%s leaves %+v", name, st)
			}
		}
	})
}

// A cancel reaches the source through every stage; nothing waits there any more.
func TestFusedStagesCancel(t *testing.T) {
	for name, stage := range fusedStages {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, ctx context.Context) {
				ctx, cancel := core.WithTimeout(ctx, ms)
				defer cancel()
				src := write(t, stream.New[int](0), 1, 2, 3)
				if err := all(stage(src))(ctx); err != context.DeadlineExceeded {
					t.Errorf("ForEach() = %v", err)
				}
				if st := src.Stats(); st != (stream.Stats{}) {
					t.Errorf("it leaves %+v", st)
				}
			})
		})
	}
}
