package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/stream"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// Up to three values are fetched at the same time, and come out in their order.
func ExampleMapN() {
	fetch := func(ctx context.Context, n int) (string, error) {
		err := core.Sleep(ctx, time.Duration(3-n%3)*time.Millisecond)
		return fmt.Sprint("page ", n), err
	}
	pages := stream.MapN(stream.From(slices.Values([]int{1, 2, 3, 4})), 3, stream.Ordered, fetch)
	fmt.Println(stream.ReadAll(context.Background(), pages))
	// Output: [page 1 page 2 page 3 page 4] <nil>
}

// A value of one of two streams, and none of the other, unless it takes too long.
func ExampleFutureStream_ReadCase() {
	urgent, usual := stream.New[string](0), stream.New[string](0)
	_ = usual.TryWrite("sweep the floor")
	_ = urgent.TryWrite("put out the fire")
	err := core.Run(context.Background(), func(ctx context.Context) error {
		var job string
		cases := []xsync.Case{urgent.ReadCase(&job), usual.ReadCase(&job), xsync.After(time.Millisecond)}
		for {
			n, err := xsync.Select(ctx, cases...)
			if err != nil || n == 2 {
				return err
			}
			fmt.Println(job)
		}
	})
	fmt.Println(err)
	// Output:
	// put out the fire
	// sweep the floor
	// <nil>
}

// Who needs the fewest turns is first.
func ExampleOrder() {
	wait := func(ctx context.Context, n int) (int, error) {
		for range n {
			if err := core.Yield(ctx); err != nil {
				return n, err
			}
		}
		return n, nil
	}
	err := core.Run(context.Background(), func(ctx context.Context) error {
		for _, order := range []stream.Order{stream.Ordered, stream.Unordered} {
			got, err := stream.ReadAll(ctx, stream.MapN(stream.From(slices.Values([]int{9, 6, 3})), 3, order, wait))
			if err != nil {
				return err
			}
			fmt.Println(got)
		}
		return nil
	})
	fmt.Println(err)
	// Output:
	// [9 6 3]
	// [3 6 9]
	// <nil>
}

// The source does not wait for the sink, which gets the latest values.
func ExamplePolicy() {
	err := core.Run(context.Background(), func(ctx context.Context) error {
		recent := stream.Buffer(stream.From(slices.Values([]int{1, 2, 3, 4, 5, 6})), 2, stream.DropOldest)
		return stream.ForEach(ctx, recent, func(ctx context.Context, v int) error {
			fmt.Println(v)
			return core.Sleep(ctx, time.Millisecond)
		})
	})
	fmt.Println(err)
	// Output:
	// 2
	// 5
	// 6
	// <nil>
}

func ExampleRetryPolicy_Do() {
	policy := stream.RetryPolicy{
		Attempts: 5,
		Delay:    time.Millisecond,
		If:       func(err error) bool { return err.Error() == "busy" },
	}
	n := 0
	err := policy.Do(context.Background(), func(context.Context) error {
		if n++; n < 3 {
			return errors.New("busy")
		}
		return nil
	})
	fmt.Println(n, err)
	// Output: 3 <nil>
}

// Two stages get the same values of one run, and meet again.
func ExampleTee() {
	both := stream.Tee(stream.From(slices.Values([]int{1, 2, 3})), 2)
	double := stream.Map(both, func(_ context.Context, v int) (int, error) { return 2 * v, nil })
	square := stream.Map(both, func(_ context.Context, v int) (int, error) { return v * v, nil })
	pairs := stream.Zip(double, square, func(_ context.Context, a, b int) (string, error) { return fmt.Sprintf("%d+%d", a, b), nil })
	fmt.Println(stream.ReadAll(context.Background(), pairs))
	// Output: [2+1 4+4 6+9] <nil>
}

func ExampleMerge() {
	evens := stream.From(slices.Values([]int{0, 2, 4}))
	odds := stream.From(slices.Values([]int{1, 3}))
	got, err := stream.ReadAll(context.Background(), stream.Merge(evens, odds))
	slices.Sort(got) // those of each are in order, those of different ones as they come
	fmt.Println(got, err)
	// Output: [0 1 2 3 4] <nil>
}

func ExampleTimeout() {
	var silent stream.FutureStream[int]
	_, err := stream.ReadAll(context.Background(), stream.Timeout(&silent, time.Millisecond))
	fmt.Println(err)
	// Output: stream: timeout
}
