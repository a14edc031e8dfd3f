package stream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/stream"
)

// plain is a stage that does not look at the end of its input: a function from values to values.
func plain(name string, apply func(stream.Stream[int]) stream.Stream[int], model func([]int) []int) stage {
	return stage{name, apply, func(s sliced[int]) sliced[int] { return sliced[int]{model(s.values), s.end} }}
}

// asked is a stage with a function that answers yes or no, or with an error at a drawn place. Model
// is told for a value what fn answers, and what is to come of that.
func asked(name string, k int, err error, op func(stream.Stream[int], func(context.Context, int) (bool, error)) stream.Stream[int],
	model func(s sliced[int], fn func(int) (bool, error)) sliced[int],
) stage {
	fn := func(v int) (bool, error) { return v%5 > 0, at(k, err, v) }
	return stage{
		fmt.Sprintf("%s(%d: %v)", name, k, err),
		func(s stream.Stream[int]) stream.Stream[int] {
			return op(s, func(_ context.Context, v int) (bool, error) { return fn(v) })
		},
		func(s sliced[int]) sliced[int] { return model(s, fn) },
	}
}

// fusedStage draws a stage that runs without a task. FlatMap and Concat have streams with
// up to depth levels of such stages in them.
func fusedStage(t *rapid.T, depth int) stage {
	k := rapid.IntRange(0, 40).Draw(t, "where") // beyond 10: nowhere
	err := rapid.SampledFrom([]error{errBoom, stream.ErrStop, io.EOF}).Draw(t, "error")
	n := rapid.IntRange(0, 6).Draw(t, "n")
	kinds := []string{
		"map", "filter", "take", "skip", "take while", "skip while", "distinct", "distinct by", "scan", "window", "pairwise", "until",
		"catch",
	}
	if depth > 0 {
		kinds = append(kinds, "flat map", "flat map", "concat", "concat before")
	}
	switch kind := rapid.SampledFrom(kinds).Draw(t, "stage"); kind {
	case "map":
		return stage{
			fmt.Sprintf("map(%d: %v)", k, err),
			func(s stream.Stream[int]) stream.Stream[int] {
				return stream.Map(s, func(_ context.Context, v int) (int, error) { return v + 1, at(k, err, v) })
			},
			func(s sliced[int]) sliced[int] {
				return until(s, func(v int) ([]int, error) { return []int{v + 1}, at(k, err, v) })
			},
		}
	case "filter":
		return asked(kind, k, err, stream.Filter[int], func(s sliced[int], fn func(int) (bool, error)) sliced[int] {
			return until(s, func(v int) ([]int, error) {
				yes, err := fn(v)
				if !yes {
					return nil, err
				}
				return []int{v}, err
			})
		})
	case "take":
		return stage{
			fmt.Sprintf("take(%d)", n),
			func(s stream.Stream[int]) stream.Stream[int] { return stream.Take(s, n) },
			func(s sliced[int]) sliced[int] {
				if len(s.values) >= n {
					return sliced[int]{values: s.values[:n]}
				}
				return s
			},
		}
	case "skip":
		return plain(fmt.Sprintf("skip(%d)", n), func(s stream.Stream[int]) stream.Stream[int] { return stream.Skip(s, n) },
			func(v []int) []int { return v[min(n, len(v)):] })
	case "take while":
		return asked(kind, k, err, stream.TakeWhile[int], func(s sliced[int], fn func(int) (bool, error)) sliced[int] {
			return until(s, func(v int) ([]int, error) {
				if yes, err := fn(v); !yes || err != nil {
					if err == nil {
						err = stream.ErrStop
					}
					return nil, err
				}
				return []int{v}, nil
			})
		})
	case "skip while":
		return asked(kind, k, err, stream.SkipWhile[int], func(s sliced[int], fn func(int) (bool, error)) sliced[int] {
			skipping := true
			return until(s, func(v int) ([]int, error) {
				if skipping {
					yes, err := fn(v)
					if yes || err != nil {
						return nil, err
					}
					skipping = false
				}
				return []int{v}, nil
			})
		})
	case "until":
		// The stop comes while a value is on its way, which is the last one.
		return stage{fmt.Sprintf("until(%d)", k), func(s stream.Stream[int]) stream.Stream[int] {
			return stream.FlatMap(stream.FromSlice([]int{0}), func(context.Context, int) (stream.Stream[int], error) {
				stop, cancel := context.WithCancel(context.Background())
				return stream.Until(stream.Map(s, func(_ context.Context, v int) (int, error) {
					if v%11 == k {
						cancel()
					}
					return v, nil
				}), stop), nil
			})
		}, func(s sliced[int]) sliced[int] {
			if i := slices.IndexFunc(s.values, func(v int) bool { return v%11 == k }); i >= 0 {
				return sliced[int]{values: s.values[:i+1]}
			}
			return s
		}}
	case "catch":
		return caughtStage(k, n, err)
	case "distinct":
		return plain(kind, stream.Distinct[int], func(v []int) []int { return slices.Compact(slices.Clone(v)) })
	case "distinct by":
		key := func(v int) int { return v / 7 }
		return stage{
			fmt.Sprintf("distinct by(%d: %v)", k, err),
			func(s stream.Stream[int]) stream.Stream[int] {
				return stream.DistinctBy(s, func(_ context.Context, v int) (int, error) { return key(v), at(k, err, v) })
			},
			func(s sliced[int]) sliced[int] {
				out := until(s, func(v int) ([]int, error) { return []int{v}, at(k, err, v) })
				out.values = slices.CompactFunc(out.values, func(a, b int) bool { return key(a) == key(b) })
				return out
			},
		}
	case "scan":
		return stage{
			fmt.Sprintf("scan(%d: %v)", k, err),
			func(s stream.Stream[int]) stream.Stream[int] {
				return stream.Scan(s, n, func(_ context.Context, sum, v int) (int, error) { return sum + v, at(k, err, v) })
			},
			func(s sliced[int]) sliced[int] {
				sum := n
				return until(s, func(v int) ([]int, error) { sum += v; return []int{sum}, at(k, err, v) })
			},
		}
	case "window", "pairwise":
		size, step := n%3+1, k%4+1
		total := func(w []int) (sum int) {
			for i, v := range w {
				sum += (i + 1) * v
			}
			return sum
		}
		op := func(s stream.Stream[int]) stream.Stream[int] {
			return stream.Map(stream.Window(s, size, step), func(_ context.Context, w []int) (int, error) { return total(w), nil })
		}
		if kind == "pairwise" {
			size, step = 2, 1
			op = func(s stream.Stream[int]) stream.Stream[int] {
				return stream.Map(stream.Pairwise(s), func(_ context.Context, p [2]int) (int, error) { return total(p[:]), nil })
			}
		}
		return plain(fmt.Sprintf("%s(%d, %d)", kind, size, step), op, func(v []int) (out []int) {
			for from := 0; from+size <= len(v); from += step {
				out = append(out, total(v[from:from+size]))
			}
			return out
		})
	}
	return nested(t, k, err, n, depth)
}

// caughtStage is a Catch that goes on with n values and a failure, with nothing, or with an error of its own.
func caughtStage(k, n int, err error) stage {
	other := sliced[int]{end: err}
	if err == io.EOF { // the end of a FutureStream says something else then
		other.end = nil
	}
	for v := range n {
		other.values = append(other.values, v)
	}
	return stage{
		fmt.Sprintf("catch(%d, %d values, %v)", k%3, n, err),
		func(s stream.Stream[int]) stream.Stream[int] {
			return stream.Catch(s, func(context.Context, error) (stream.Stream[int], error) {
				switch k % 3 {
				case 0:
					return source("other", other), nil
				case 1:
					return nil, nil
				}
				return nil, err
			})
		},
		func(s sliced[int]) sliced[int] {
			switch {
			case s.end == nil || s.end == errMore:
				return s
			case k%3 == 0:
				return sliced[int]{slices.Concat(s.values, other.values), other.end}
			case k%3 == 1 || err == stream.ErrStop:
				return sliced[int]{values: s.values}
			}
			return sliced[int]{s.values, err}
		},
	}
}

// nested draws a FlatMap or a Concat.
func nested(t *rapid.T, k int, err error, n, depth int) stage {
	inner := chain{length: rapid.IntRange(0, 2).Draw(t, "inner stages")}
	inner.draw(t, depth-1)
	end := drawEnd(t, "inner end")
	of := func(v int) sliced[int] {
		s := sliced[int]{end: end}
		for i := range n {
			s.values = append(s.values, (v+i*i)%100)
		}
		return s
	}
	made := func(v int) stream.Stream[int] {
		s := of(v)
		if s.end == nil {
			return inner.apply(stream.FromSlice(s.values))
		}
		return inner.apply(source("stream", s))
	}
	switch rapid.IntRange(0, 2).Draw(t, "nested") {
	case 0, 1:
		return stage{
			fmt.Sprintf("flat map(%d: %v, %d values, then %v, %s)", k, err, n, end, inner.name()),
			func(s stream.Stream[int]) stream.Stream[int] {
				return stream.FlatMap(s, func(_ context.Context, v int) (stream.Stream[int], error) { return made(v), at(k, err, v) })
			},
			func(s sliced[int]) sliced[int] {
				var out sliced[int]
				for _, v := range s.values {
					if err := at(k, err, v); err != nil {
						if out.end = err; err == stream.ErrStop {
							out.end = nil
						}
						return out
					}
					in := inner.model(of(v))
					if out.values = append(out.values, in.values...); in.end != nil {
						out.end = in.end
						return out
					}
				}
				out.end = s.end
				return out
			},
		}
	}
	first := k%2 == 0 // ours comes before
	return stage{
		fmt.Sprintf("concat(%d values, then %v, %s, before: %t)", n, end, inner.name(), first),
		func(s stream.Stream[int]) stream.Stream[int] {
			other := stream.FlatMap(stream.FromSlice([]int{k}), func(_ context.Context, v int) (stream.Stream[int], error) { return made(v), nil })
			if first {
				return stream.Concat(other, s)
			}
			return stream.Concat(s, other)
		},
		func(s sliced[int]) sliced[int] {
			a, b := s, inner.model(of(k))
			if first {
				a, b = b, a
			}
			if a.end != nil {
				return a
			}
			return sliced[int]{slices.Concat(a.values, b.values), b.end}
		},
	}
}

// drawEnd draws how a source ends: mostly well. A failure may be ErrStop, which is no stop.
func drawEnd(t *rapid.T, label string) error {
	switch rapid.IntRange(0, 7).Draw(t, label) {
	case 0:
		return errBoom
	case 1:
		return stream.ErrStop
	}
	return nil
}

// chain is a pipeline without a source and a sink.
type chain struct {
	length int
	stages []stage
}

func (c *chain) draw(t *rapid.T, depth int) {
	for range c.length {
		c.stages = append(c.stages, fusedStage(t, depth))
	}
}

func (c *chain) name() (names []string) {
	for _, s := range c.stages {
		names = append(names, s.name)
	}
	return names
}

func (c *chain) apply(s stream.Stream[int]) stream.Stream[int] {
	for _, st := range c.stages {
		s = st.apply(s)
	}
	return s
}

func (c *chain) model(s sliced[int]) sliced[int] {
	for _, st := range c.stages {
		s = st.model(s)
	}
	return s
}

var errMore = errors.New("more was taken")

// needs is how many of the values of s a pipeline takes: with fewer the result is not decided.
func (c *chain) needs(s sliced[int]) int {
	for n := range len(s.values) + 1 {
		if c.model(sliced[int]{s.values[:n], errMore}).end != errMore {
			return n
		}
	}
	return len(s.values)
}

// Chains of drawn stages, nested up to twice, with errors and stops at drawn places, give
// what the same functions make of a slice, and take no more from the source than that needs,
// in a task and on a goroutine.
func TestFusedModel(t *testing.T) {
	check.Cases(t, 50_000)
	rapid.Check(t, func(t *rapid.T) {
		in := sliced[int]{values: rapid.SliceOfN(rapid.IntRange(0, 200), 0, 20).Draw(t, "values")}
		in.end = drawEnd(t, "end")
		c := chain{length: rapid.IntRange(0, 5).Draw(t, "stages")}
		c.draw(t, 2)
		t.Logf("%q", c.name())
		want := c.model(in)
		needs := c.needs(in)
		body := func(ctx context.Context) error {
			src := source("stream", in).(*stream.FutureStream[int])
			var got []int
			err := stream.ForEach(ctx, c.apply(src), func(_ context.Context, v int) error {
				got = append(got, v)
				return nil
			})
			if !slices.Equal(got, want.values) || err != want.end {
				t.Errorf("got %v, %v, want %v, %v", got, err, want.values, want.end)
			}
			if taken := len(in.values) - src.Len(); taken != needs {
				t.Errorf("%d values taken, %d are needed", taken, needs)
			}
			return nil
		}
		_ = body(context.Background())
		if err := core.Run(context.Background(), body); err != nil {
			t.Error(err)
		}
	})
}
