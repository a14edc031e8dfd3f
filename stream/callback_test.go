package stream_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/stream"
)

// A sink in a callback, where nothing can wait, panics as any wait does there, with all mutexes free, and
// takes nothing along: no task is left, and elsewhere the same stream works.
func TestSinkInCallback(t *testing.T) {
	later := func(ctx context.Context, v int) (int, error) { return v, core.Sleep(ctx, ms) }
	three := stream.Map(stream.FromSlice([]int{1, 2, 3}), later)
	for name, s := range map[string]stream.Stream[int]{
		"plain":     three,
		"MapN":      stream.MapN(stream.FromSlice([]int{1, 2, 3}), 2, stream.Ordered, later),
		"unordered": stream.MapN(three, 1, stream.Unordered, later),
		"Share":     stream.Share(three),
		"Tee":       stream.Tee(three, 1),
		"Buffer":    stream.Buffer(three, 1, stream.Suspend),
		"Debounce":  stream.Filter(stream.Concat(stream.Debounce(three, time.Second), three), yes),
		"Timeout":   stream.Timeout(three, time.Second),
		"Until":     stream.Until(three, unstopped{}),
		"Merge":     stream.Merge(three),
		"Zip":       stream.Zip(three, three, func(_ context.Context, v, _ int) (int, error) { return v, nil }),
		"Batch": stream.FlatMap(stream.Batch(three, 2, time.Second), func(_ context.Context, b []int) (stream.Stream[int], error) {
			return stream.FromSlice(b), nil
		}),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err := core.Run(t.Context(), func(ctx context.Context) error {
					d := core.DispatcherOf(ctx)
					before := d.Pending()
					called := core.NewFuture[any]()
					d.CallSoon(func() {
						called.Complete(caught(func() { _, _ = stream.ReadAll(ctx, s) }))
					})
					if p, err := called.Await(ctx); p != "core: wait inside a dispatcher callback" || err != nil {
						t.Errorf("panic(%v), %v", p, err)
					}
					if err := core.Sleep(ctx, time.Minute); err != nil { // what was canceled ends by itself
						return err
					}
					if n := d.Pending(); n != before {
						t.Errorf("Pending() = %d, before it was %d", n, before)
					}
					got, err := stream.ReadAll(ctx, s)
					if len(got) == 0 || got[len(got)-1] != 3 {
						t.Errorf("ReadAll() = %v", got)
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// unstopped is never done. Its channel is of the bubble in which it is asked for.
type unstopped struct{}

func (unstopped) Done() <-chan struct{} { return make(chan struct{}) }
