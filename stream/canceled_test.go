package stream_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/stream"
)

// A sink whose ctx is done gets nothing more, however much is there for it.
func TestCanceledSinkGetsNoMore(t *testing.T) {
	many := stream.FromSlice(slices.Repeat([]string{"a"}, 20))
	ops := maps.Clone(several)
	ops["Share alone"] = func(s, _ stream.Stream[string]) stream.Stream[string] { return stream.Share(s) }
	ops["Tee alone"] = func(s, _ stream.Stream[string]) stream.Stream[string] { return stream.Tee(s, 1) }
	for name, op := range ops {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, ctx context.Context) {
				ctx, cancel := core.WithCancel(ctx)
				defer cancel()
				values := 0
				err := stream.ForEach(ctx, op(many, many), func(ctx context.Context, _ string) error {
					values++
					settle(core.Shield(ctx)) // the buffers are full then
					cancel()
					return nil
				})
				if values != 1 || err != context.Canceled {
					t.Errorf("%d values, ForEach() = %v", values, err)
				}
			})
		})
	}
}

// What a source gives, or says, when its ctx is done comes too late, even if the sink waits for it:
// that sees the end of its ctx.
func TestCanceledSourceComesTooLate(t *testing.T) {
	for name, op := range several {
		if name == "MapN inside" {
			continue // the source is part of what its function says
		}
		for says, failure := range map[string]error{"a value": nil, "an error": errBoom} {
			t.Run(name+"/"+says, func(t *testing.T) {
				everywhere(t, func(t *testing.T, ctx context.Context) {
					ctx, cancel := core.WithCancel(ctx)
					defer cancel()
					ended := false
					a := stream.Map(stream.FromSlice([]string{"a", "b"}), func(ctx context.Context, v string) (string, error) {
						if v == "b" {
							settle(ctx) // the sink waits then
							cancel()
							return v, failure
						}
						return v, nil
					})
					b := stream.Map(never(&ended), func(context.Context, int) (string, error) { return "a", nil })
					got, err := stream.ReadAll(ctx, op(a, b))
					if strings.Contains(strings.Join(got, ""), "b") || err != context.Canceled || !ended {
						t.Errorf("ReadAll() = %v, %v, the other one has ended: %t", got, err, ended)
					}
				})
			})
		}
	}
}

// slowly is a ctx that, if armed, answers and then is canceled, before the caller acts on the answer.
type slowly struct {
	context.Context
	armed  *bool
	cancel func()
}

func (c slowly) Err() error {
	err := c.Context.Err()
	if *c.armed {
		*c.armed = false
		c.cancel()
		synctest.Wait()
	}
	return err
}

// Where the ctx ends just behind the last look at it, the sink sees its end, not what the source has
// made of it.
func TestCanceledBehindTheLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner, cancel := context.WithCancel(t.Context())
		armed := false
		src := stream.Map(stream.FromSlice([]int{0, 1}), func(ctx context.Context, v int) (int, error) {
			if v == 0 {
				return v, nil
			}
			<-ctx.Done()
			return v, errBoom
		})
		ctx := slowly{inner, &armed, cancel}
		err := stream.ForEach(ctx, stream.Buffer(src, 1, stream.Suspend), func(context.Context, int) error {
			synctest.Wait()
			armed = true
			return nil
		})
		if err != context.Canceled || armed {
			t.Errorf("ForEach() = %v, armed %t", err, armed)
		}
	})
}

// A stream that FlatMap has from its function is not begun when the ctx has ended in there: what its source
// gives would be lost.
func TestFlatMapBeginsNothingWithDoneContext(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		ctx, cancel := core.WithCancel(ctx)
		defer cancel()
		taken := 0
		inner := stream.From(func(yield func(int) bool) {
			taken++
			yield(taken)
		})
		s := stream.FlatMap(stream.FromSlice([]int{1, 2}), func(context.Context, int) (stream.Stream[int], error) {
			cancel()
			return inner, nil
		})
		if got, err := stream.ReadAll(ctx, s); len(got) != 0 || taken != 0 || err != context.Canceled {
			t.Errorf("ReadAll() = %v, %v, %d taken", got, err, taken)
		}
	})
}
