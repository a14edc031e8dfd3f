package stream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/queue"
	"github.com/seed-1e54c410/turnstile/stream"
)

func ExampleFutureStream() {
	ctx := context.Background()
	s := stream.New[string](1)
	go func() {
		defer s.Complete() // does nothing after Fail
		for _, v := range []string{"one", "two"} {
			if err := s.Write(ctx, v); err != nil { // waits while there is one in the buffer
				return
			}
		}
		s.Fail(errors.New("out of numbers"))
	}()
	for {
		v, err := s.Read(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			fmt.Println("failed:", err)
			break
		}
		fmt.Println(v)
	}
	fmt.Println(s.Finished(), s.Write(ctx, "three"))
	// Output:
	// one
	// two
	// failed: out of numbers
	// true stream: write after the end
}

func ExampleFutureStream_All() {
	var s stream.FutureStream[int]
	ctx := context.Background()
	for v := range 3 {
		_ = s.Write(ctx, v)
	}
	s.Complete()
	for v, err := range s.All(ctx) {
		fmt.Println(v, err)
	}
	// Output:
	// 0 <nil>
	// 1 <nil>
	// 2 <nil>
}

// A pipeline in a task. The same function works on an ordinary goroutine.
func ExampleStream() {
	err := core.Run(context.Background(), func(ctx context.Context) error {
		words := stream.From(strings.FieldsSeq("3 1 x 4 1 5"))
		numbers := stream.Map(words, func(_ context.Context, w string) (int, error) { return strconv.Atoi(w) })
		return stream.ForEach(ctx, numbers, func(_ context.Context, n int) error {
			fmt.Println(n)
			return nil
		})
	})
	fmt.Println(err)
	// Output:
	// 3
	// 1
	// strconv.Atoi: parsing "x": invalid syntax
}

func ExampleMap() {
	double := func(_ context.Context, v int) (int, error) { return 2 * v, nil }
	fmt.Println(stream.ReadAll(context.Background(), stream.Map(stream.From(slices.Values([]int{1, 2, 3})), double)))
	// Output: [2 4 6] <nil>
}

func ExampleFilter() {
	odd := func(_ context.Context, v int) (bool, error) { return v%2 == 1, nil }
	fmt.Println(stream.ReadAll(context.Background(), stream.Filter(stream.From(slices.Values([]int{1, 2, 3})), odd)))
	// Output: [1 3] <nil>
}

// What comes together goes together, and nobody waits for long.
func ExampleBatch() {
	err := core.Run(context.Background(), func(ctx context.Context) error {
		lines := stream.New[string](0)
		producer := core.Start(ctx, func(ctx context.Context) error {
			defer lines.Complete()
			for _, line := range []string{"a", "b", "c", "d"} {
				if err := lines.Write(ctx, line); err != nil {
					return err
				}
			}
			if err := core.Sleep(ctx, 20*time.Millisecond); err != nil {
				return err
			}
			return lines.Write(ctx, "e")
		})
		err := stream.ForEach(ctx, stream.Batch(lines, 3, time.Millisecond), func(_ context.Context, batch []string) error {
			fmt.Println(batch)
			return nil
		})
		return errors.Join(err, producer.Wait(ctx))
	})
	fmt.Println(err)
	// Output:
	// [a b c]
	// [d]
	// [e]
	// <nil>
}

func ExampleForEach() {
	sum := 0
	err := stream.ForEach(context.Background(), stream.From(slices.Values([]int{1, 2, 3, 4})), func(_ context.Context, v int) error {
		if sum += v; sum > 5 {
			return stream.ErrStop
		}
		return nil
	})
	fmt.Println(sum, err)
	// Output: 6 <nil>
}

func ExampleAll() {
	for v, err := range stream.All(context.Background(), stream.From(slices.Values([]int{1, 2, 3}))) {
		if err != nil || v > 2 {
			break
		}
		fmt.Println(v)
	}
	// Output:
	// 1
	// 2
}

func ExampleReadAllString() {
	upper := func(_ context.Context, s string) (string, error) { return strings.ToUpper(s), nil }
	fmt.Println(stream.ReadAllString(context.Background(), stream.Map(stream.From(slices.Values([]string{"a", "b"})), upper)))
	// Output: AB <nil>
}

func ExampleReadAllBytes() {
	ctx := context.Background()
	chunks := stream.New[[]byte](0)
	_ = chunks.Write(ctx, []byte("ab"))
	_ = chunks.Write(ctx, []byte("cd"))
	chunks.Complete()
	data, err := stream.ReadAllBytes(ctx, chunks)
	fmt.Printf("%s %v\n", data, err)
	// Output: abcd <nil>
}

func ExampleFromQueue() {
	q := queue.New[int](0)
	for v := range 3 {
		_ = q.TryPut(v)
	}
	q.Shutdown()
	fmt.Println(stream.ReadAll(context.Background(), stream.FromQueue(q)))
	// Output: [0 1 2] <nil>
}

// The values are taken one by one, while the pipeline runs on a task.
func ExampleOpen() {
	ctx := context.Background()
	squares := stream.Map(stream.From(slices.Values([]int{3})), func(_ context.Context, v int) (int, error) { return v * v, nil })
	out, task := stream.Open(ctx, squares, stream.Rendezvous)
	first, err := out.Read(ctx)
	fmt.Println(first, err)
	_, err = out.Read(ctx)
	fmt.Println(err, task.Wait(ctx))
	// Output:
	// 9 <nil>
	// EOF <nil>
}
