package stream_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/seed-1e54c410/turnstile/stream"
)

func ExampleFromSlice() {
	fmt.Println(stream.ReadAll(context.Background(), stream.FromSlice([]int{1, 2, 3})))
	// Output: [1 2 3] <nil>
}

func ExampleFromChan() {
	ch := make(chan int)
	go func() {
		defer close(ch)
		for v := range 3 {
			ch <- v
		}
	}()
	fmt.Println(stream.ReadAll(context.Background(), stream.FromChan(ch)))
	// Output: [0 1 2] <nil>
}

func ExampleFromReader() {
	chunks := stream.FromReader(strings.NewReader("abcdefg"), 3)
	_ = stream.ForEach(context.Background(), chunks, func(_ context.Context, chunk []byte) error {
		fmt.Printf("%s\n", chunk)
		return nil
	})
	// Output:
	// abc
	// def
	// g
}

func ExampleLines() {
	file := func(context.Context) (io.ReadCloser, error) { // most often os.Open
		return io.NopCloser(strings.NewReader("one\ntwo\r\nthree")), nil
	}
	fmt.Printf("%q\n", first(stream.ReadAll(context.Background(), stream.Lines(file, 0))))
	// Output: ["one" "two" "three"]
}

func first[T any](v T, _ error) T { return v }

func ExampleLongLineError() {
	file := func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader("one\ntwo\nthree\n")), nil
	}
	fmt.Println(stream.ReadAll(context.Background(), stream.Lines(file, 4)))
	// Output: [one two] stream: line 3 is longer than 4 bytes
}

// The pages of a list, one behind the other.
func ExampleGenerate() {
	page := func(_ context.Context, n int) (values []int, last bool, err error) {
		return []int{10 * n, 10*n + 1}, n == 2, nil
	}
	s := stream.Generate(func(ctx context.Context, emit func(int) error) error {
		for n := 0; ; n++ {
			values, last, err := page(ctx, n)
			if err != nil {
				return err
			}
			for _, v := range values {
				if err := emit(v); err != nil {
					return err
				}
			}
			if last {
				return nil
			}
		}
	})
	fmt.Println(stream.ReadAll(context.Background(), s))
	// Output: [0 1 10 11 20 21] <nil>
}

func ExampleFlatMap() {
	words := stream.FlatMap(stream.FromSlice([]string{"to be", "or not"}), func(_ context.Context, line string) (stream.Stream[string], error) {
		return stream.FromSlice(strings.Fields(line)), nil
	})
	fmt.Println(stream.ReadAll(context.Background(), words))
	// Output: [to be or not] <nil>
}

func ExampleScan() {
	sums := stream.Scan(stream.FromSlice([]int{1, 2, 3}), 0, func(_ context.Context, sum, v int) (int, error) { return sum + v, nil })
	fmt.Println(stream.ReadAll(context.Background(), sums))
	// Output: [1 3 6] <nil>
}

func ExampleTake() {
	even := stream.Filter(stream.From(numbers(1000)), func(_ context.Context, v int) (bool, error) { return v%2 == 0, nil })
	fmt.Println(stream.ReadAll(context.Background(), stream.Take(even, 3)))
	// Output: [0 2 4] <nil>
}

func ExampleTakeWhile() {
	small := func(_ context.Context, v int) (bool, error) { return v < 3, nil }
	fmt.Println(stream.ReadAll(context.Background(), stream.TakeWhile(stream.FromSlice([]int{1, 2, 3, 1}), small)))
	// Output: [1 2] <nil>
}

func ExampleSkip() {
	fmt.Println(stream.ReadAll(context.Background(), stream.Skip(stream.FromSlice([]int{1, 2, 3}), 2)))
	// Output: [3] <nil>
}

func ExampleSkipWhile() {
	small := func(_ context.Context, v int) (bool, error) { return v < 3, nil }
	fmt.Println(stream.ReadAll(context.Background(), stream.SkipWhile(stream.FromSlice([]int{1, 2, 3, 1}), small)))
	// Output: [3 1] <nil>
}

// What is equal to the value before is dropped; to drop what has ever been there, remember it.
func ExampleDistinct() {
	values := stream.FromSlice([]int{1, 1, 2, 2, 1})
	fmt.Println(stream.ReadAll(context.Background(), stream.Distinct(values)))
	seen := map[int]bool{} // for one run
	unique := stream.Filter(values, func(_ context.Context, v int) (bool, error) {
		before := seen[v]
		seen[v] = true
		return !before, nil
	})
	fmt.Println(stream.ReadAll(context.Background(), unique))
	// Output:
	// [1 2 1] <nil>
	// [1 2] <nil>
}

func ExampleDistinctBy() {
	initial := func(_ context.Context, s string) (byte, error) { return s[0], nil }
	fmt.Println(stream.ReadAll(context.Background(), stream.DistinctBy(stream.FromSlice([]string{"ant", "ape", "bee"}), initial)))
	// Output: [ant bee] <nil>
}

func ExampleConcat() {
	fmt.Println(stream.ReadAll(context.Background(), stream.Concat(stream.FromSlice([]int{1, 2}), stream.FromSlice([]int{3}))))
	// Output: [1 2 3] <nil>
}

// A moving maximum.
func ExampleWindow() {
	of3 := stream.Window(stream.FromSlice([]int{3, 1, 2, 5, 4}), 3, 1)
	highest := stream.Map(of3, func(_ context.Context, w []int) (int, error) { return slices.Max(w), nil })
	fmt.Println(stream.ReadAll(context.Background(), highest))
	// Output: [3 5 5] <nil>
}

func ExamplePairwise() {
	steps := stream.Map(stream.Pairwise(stream.FromSlice([]int{1, 4, 9})), func(_ context.Context, p [2]int) (int, error) {
		return p[1] - p[0], nil
	})
	fmt.Println(stream.ReadAll(context.Background(), steps))
	// Output: [3 5] <nil>
}

func ExampleFold() {
	longest := func(_ context.Context, best, s string) (string, error) {
		if len(s) > len(best) {
			return s, nil
		}
		return best, nil
	}
	fmt.Println(stream.Fold(context.Background(), stream.FromSlice([]string{"a", "abc", "ab"}), "", longest))
	// Output: abc <nil>
}

func ExampleCount() {
	fmt.Println(stream.Count(context.Background(), stream.FromSlice([]int{1, 2, 3})))
	// Output: 3 <nil>
}

func ExampleFirst() {
	fmt.Println(stream.First(context.Background(), stream.FromSlice([]int{1, 2, 3})))
	// Output: 1 true <nil>
}

func ExampleLast() {
	fmt.Println(stream.Last(context.Background(), stream.FromSlice([]int{1, 2, 3})))
	// Output: 3 true <nil>
}

func ExampleToChan() {
	ch := make(chan int, 3)
	err := stream.ToChan(context.Background(), stream.FromSlice([]int{1, 2, 3}), ch)
	close(ch)
	for v := range ch {
		fmt.Println(v)
	}
	fmt.Println(err)
	// Output:
	// 1
	// 2
	// 3
	// <nil>
}

func ExampleToWriter() {
	n, err := stream.ToWriter(context.Background(), stream.FromSlice([]string{"one\n", "two\n"}), os.Stdout)
	fmt.Println(n, err)
	// Output:
	// one
	// two
	// 8 <nil>
}
