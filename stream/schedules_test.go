package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/proptest"
	"github.com/seed-1e54c410/turnstile/stream"
)

// concurrent is a stage with tasks of its own, for all schedules and cancels.
type concurrent struct {
	build func(in func() stream.Stream[int], n int) stream.Stream[int]
	sinks int
	// ahead is how many values the sources may be ahead of the slowest sink.
	ahead func(n int) int
	// wrong says what is wrong with what a sink has got. It was all there was if whole is set.
	wrong func(got []int, k int, whole bool) error
}

func prefix(got []int, k int, whole bool) error {
	for i, v := range got {
		if v != i {
			return fmt.Errorf("value %d is %d", i, v)
		}
	}
	if whole && len(got) != k || len(got) > k {
		return fmt.Errorf("%d values of %d", len(got), k)
	}
	return nil
}

// once wants every value so many times.
func once(times int) func([]int, int, bool) error {
	return func(got []int, k int, whole bool) error {
		count := make([]int, k)
		for _, v := range got {
			count[v]++
		}
		for v, n := range count {
			if n > times || whole && n != times {
				return fmt.Errorf("%d comes %d times", v, n)
			}
		}
		return nil
	}
}

func increasing(got []int, k int, whole bool) error {
	for i := 1; i < len(got); i++ {
		if got[i] <= got[i-1] {
			return fmt.Errorf("%d behind %d", got[i], got[i-1])
		}
	}
	return nil
}

func yields(ctx context.Context, v int) (int, error) {
	for range v % 3 {
		if err := core.Yield(ctx); err != nil {
			return v, err
		}
	}
	return v, nil
}

func join(_ context.Context, a, b int) (int, error) { return 100*a + b, nil }

func plus(n int) func(int) int { return func(m int) int { return n + m } }

var underSchedules = map[string]concurrent{
	"MapN ordered": {
		func(in func() stream.Stream[int], n int) stream.Stream[int] {
			return stream.MapN(in(), n, stream.Ordered, yields)
		}, 1, func(n int) int { return 2*n + 1 }, prefix,
	},
	"MapN unordered": {
		func(in func() stream.Stream[int], n int) stream.Stream[int] {
			return stream.MapN(in(), n, stream.Unordered, yields)
		}, 1, func(n int) int { return 2*n + 1 }, once(1),
	},
	"Buffer": {
		func(in func() stream.Stream[int], n int) stream.Stream[int] {
			return stream.Buffer(in(), n, stream.Suspend)
		},
		1, plus(2), prefix,
	},
	"Buffer that drops the oldest": {
		func(in func() stream.Stream[int], n int) stream.Stream[int] {
			return stream.Buffer(in(), n, stream.DropOldest)
		}, 1, plus(100), func(got []int, k int, whole bool) error {
			if whole && k > 0 && (len(got) == 0 || got[len(got)-1] != k-1) {
				return errors.New("the last one does not come")
			}
			return increasing(got, k, whole)
		},
	},
	"Buffer that drops the newest": {
		func(in func() stream.Stream[int], n int) stream.Stream[int] {
			return stream.Buffer(in(), n, stream.DropNewest)
		}, 1, plus(100), func(got []int, k int, whole bool) error {
			if len(got) > 0 && got[0] != 0 {
				return errors.New("the first one does not come")
			}
			return increasing(got, k, whole)
		},
	},
	"Merge": {
		func(in func() stream.Stream[int], n int) stream.Stream[int] {
			ss := make([]stream.Stream[int], n)
			for i := range ss {
				ss[i] = stream.Map(in(), func(_ context.Context, v int) (int, error) { return 100*i + v, nil })
			}
			return stream.Merge(ss...)
		}, 1, plus(1), func(got []int, k int, whole bool) error {
			of := make([][]int, 5)
			for _, v := range got {
				of[v/100] = append(of[v/100], v%100)
			}
			for _, values := range of {
				if err := prefix(values, k, whole && len(values) > 0); err != nil {
					return err
				}
			}
			if whole && k > 0 && len(of[0]) == 0 {
				return errors.New("nothing of the first")
			}
			return nil
		},
	},
	"Zip": {
		func(in func() stream.Stream[int], _ int) stream.Stream[int] { return stream.Zip(in(), in(), join) },
		1, func(int) int { return 4 }, func(got []int, k int, whole bool) error {
			of := slices.Clone(got)
			for i, v := range of {
				of[i] = v % 100
				if v/100 != v%100 {
					return fmt.Errorf("%d", v)
				}
			}
			return prefix(of, k, whole)
		},
	},
	"CombineLatest": {
		func(in func() stream.Stream[int], _ int) stream.Stream[int] {
			return stream.CombineLatest(in(), in(), join)
		}, 1, plus(100), func(got []int, k int, whole bool) error {
			for i := 1; i < len(got); i++ {
				if d := got[i] - got[i-1]; d != 1 && d != 100 {
					return fmt.Errorf("%d behind %d", got[i], got[i-1])
				}
			}
			if whole && k > 0 && (len(got) == 0 || got[len(got)-1] != 101*(k-1)) {
				return fmt.Errorf("ends at %v", got)
			}
			return nil
		},
	},
	"Tee": {
		func(in func() stream.Stream[int], n int) stream.Stream[int] { return stream.Tee(in(), 2) },
		2, func(int) int { return 3 }, prefix,
	},
	"Share": {
		func(in func() stream.Stream[int], n int) stream.Stream[int] { return stream.Share(in()) },
		2, plus(100), func(got []int, k int, whole bool) error {
			for i, v := range got {
				if v != got[0]+i {
					return fmt.Errorf("%d is not behind %d", v, got[0]+i-1)
				}
			}
			if whole && len(got) > 0 && got[len(got)-1] != k-1 {
				return errors.New("the last one does not come")
			}
			return nil
		},
	},
	"Timeout": {
		func(in func() stream.Stream[int], n int) stream.Stream[int] {
			return stream.Timeout(in(), 24*time.Hour)
		},
		1, func(int) int { return 2 }, prefix,
	},
	"Until": {
		func(in func() stream.Stream[int], n int) stream.Stream[int] {
			return stream.Until(in(), core.NewFuture[int]())
		}, 1, plus(1), prefix,
	},
	"Debounce": {
		func(in func() stream.Stream[int], n int) stream.Stream[int] {
			return stream.Debounce(in(), time.Duration(n)*ms)
		}, 1, plus(100), func(got []int, k int, whole bool) error {
			if whole && k > 0 && (len(got) == 0 || got[len(got)-1] != k-1) {
				return errors.New("the last one does not come")
			}
			return increasing(got, k, whole)
		},
	},
	"Retry": {
		func(in func() stream.Stream[int], n int) stream.Stream[int] {
			return stream.Retry(stream.Buffer(in(), n, stream.Suspend), stream.RetryPolicy{})
		}, 1, plus(100), func(got []int, k int, whole bool) error {
			runs := 0
			for i, v := range got {
				if v == 0 {
					runs++
				} else if v != got[i-1]+1 {
					return fmt.Errorf("%d behind %d", v, got[i-1])
				}
			}
			if whole && k > 0 && got[len(got)-1] != k-1 || runs > 3 {
				return fmt.Errorf("%d runs", runs)
			}
			return nil
		},
	},
	"diamond": {
		func(in func() stream.Stream[int], n int) stream.Stream[int] {
			s := stream.Tee(in(), 2)
			return stream.Zip(stream.MapN(s, n, stream.Ordered, yields), stream.Buffer(s, n, stream.Suspend), func(_ context.Context, a, b int) (int, error) {
				if a != b {
					return a, fmt.Errorf("%d is with %d", a, b)
				}
				return a, nil
			})
		}, 1, plus(100), prefix,
	},
}

// Under all schedules, with sinks that are slow, stop, fail and are canceled, values are what
// they should be, the buffers as small as they should be, and when the sinks have ended so
// has all that they have started.
func TestSchedules(t *testing.T) {
	for name, c := range underSchedules {
		t.Run(name, func(t *testing.T) {
			check.Cases(t, 10_000)
			proptest.Check(t, func(p *proptest.P) {
				k := p.IntRange(0, 8, "values")
				n := p.IntRange(1, 3, "n")
				pace := p.IntRange(0, 2, "source: 0 does not wait, 1 yields, 2 sleeps")
				fails := p.IntRange(0, 12, "failure of the source") // beyond k: none
				running := 0
				var drawn []int
				in := func() stream.Stream[int] {
					at := len(drawn)
					drawn = append(drawn, 0)
					values := stream.From(func(yield func(int) bool) {
						running++
						drawn[at] = 0
						defer func() { running-- }()
						for v := 0; v < k && yield(v); v++ {
						}
					})
					return stream.Map(values, func(ctx context.Context, v int) (int, error) {
						drawn[at]++
						switch {
						case v == fails:
							return v, errBoom
						case pace == 1:
							return v, core.Yield(ctx)
						case pace == 2:
							return v, core.Sleep(ctx, time.Duration(v%3)*ms)
						}
						return v, nil
					})
				}
				s := c.build(in, n)
				given := make([]int, c.sinks)
				left := c.sinks
				tasks := make([]*core.Task, c.sinks)
				for i := range c.sinks {
					stop := p.IntRange(0, 10, "stop") // beyond k: nowhere
					end := stream.ErrStop
					if p.Bool("fails") {
						end = errBoom
					}
					slow := p.IntRange(0, 2, "slow")
					tasks[i] = p.Go(fmt.Sprint("sink", i), func(ctx context.Context) error {
						var got []int
						err := stream.ForEach(ctx, s, func(ctx context.Context, v int) error {
							got = append(got, v)
							given[i]++
							if len(got) > stop {
								return end
							}
							if slow == 2 {
								return core.Sleep(ctx, ms)
							}
							_, err := yields(ctx, slow)
							return err
						})
						left--
						if name == "Tee" && ctx.Err() != nil { // or the other one might wait for this one for ever
							tasks[1-i].Cancel()
						}
						if left == 0 && running > 0 {
							p.Fatalf("%d sources go on", running)
						}
						whole := err == nil && len(got) <= stop
						if whole && fails < k {
							p.Fatalf("no error")
						}
						if wrong := c.wrong(got, k, whole); wrong != nil {
							p.Fatalf("got %v: %v", got, wrong)
						}
						if err != nil && err != errBoom && err != ctx.Err() {
							p.Fatalf("it ends with %v", err)
						}
						return nil
					})
				}
				p.Always("the sources are not far ahead", func() bool {
					if c.sinks == 2 && left < 2 {
						return true
					}
					most := 0
					for _, n := range drawn {
						most += n
					}
					if name == "Merge" {
						return most <= given[0]+2*n
					}
					if name == "Zip" {
						return most <= 2*given[0]+6
					}
					return most <= slices.Min(given)+c.ahead(n)
				})
			}, proptest.Cancels(2))
		})
	}
}
