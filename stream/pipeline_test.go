package stream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/queue"
	"github.com/seed-1e54c410/turnstile/stream"
)

// sliced is what a stream is in the model: its values and how it ends.
type sliced[T any] struct {
	values []T
	end    error
}

// until cuts s off where fn answers with an error, which becomes the end unless it is
// ErrStop.
func until[T, U any](s sliced[T], fn func(T) ([]U, error)) sliced[U] {
	out := sliced[U]{end: s.end}
	for _, v := range s.values {
		us, err := fn(v)
		if err != nil {
			out.end = err
			if err == stream.ErrStop {
				out.end = nil
			}
			return out
		}
		out.values = append(out.values, us...)
	}
	return out
}

// stage is an operator from int to int, and its model.
type stage struct {
	name  string
	apply func(stream.Stream[int]) stream.Stream[int]
	model func(sliced[int]) sliced[int]
}

// at answers with err for the value that is k modulo 11.
func at(k int, err error, v int) error {
	if v%11 == k {
		return err
	}
	return nil
}

func stages(t *rapid.T) stage {
	k := rapid.IntRange(0, 40).Draw(t, "where") // beyond 10: nowhere
	err := rapid.SampledFrom([]error{errBoom, stream.ErrStop, io.EOF}).Draw(t, "error")
	n := rapid.IntRange(1, 4).Draw(t, "n")
	switch rapid.SampledFrom([]string{"map", "filter", "batch", "timed"}).Draw(t, "stage") {
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
		return stage{
			fmt.Sprintf("filter(%d: %v)", k, err),
			func(s stream.Stream[int]) stream.Stream[int] {
				return stream.Filter(s, func(_ context.Context, v int) (bool, error) { return v%3 > 0, at(k, err, v) })
			},
			func(s sliced[int]) sliced[int] {
				return until(s, func(v int) ([]int, error) {
					if v%3 > 0 {
						return []int{v}, at(k, err, v)
					}
					return nil, at(k, err, v)
				})
			},
		}
	case "batch":
		return batchStage(n, 0)
	}
	return batchStage(n, time.Hour)
}

// batchStage makes batches and of each one a number again.
func batchStage(n int, delay time.Duration) stage {
	digest := func(b []int) int {
		sum := len(b)
		for _, v := range b {
			sum = sum*31 + v
		}
		return sum % 1000
	}
	return stage{
		fmt.Sprintf("batch(%d, %v)", n, delay),
		func(s stream.Stream[int]) stream.Stream[int] {
			return stream.Map(stream.Batch(s, n, delay), func(_ context.Context, b []int) (int, error) {
				return digest(b), nil
			})
		},
		func(s sliced[int]) sliced[int] {
			out := sliced[int]{end: s.end}
			for b := range slices.Chunk(s.values, n) {
				out.values = append(out.values, digest(b))
			}
			return out
		},
	}
}

// source is a source of the values and the end of s.
func source(kind string, s sliced[int]) stream.Stream[int] {
	if s.end == nil && kind == "seq" {
		return stream.From(slices.Values(s.values))
	}
	if s.end == nil && kind == "queue" {
		q := queue.New[int](0)
		for _, v := range s.values {
			if err := q.TryPut(v); err != nil {
				panic(err)
			}
		}
		q.Shutdown()
		return stream.FromQueue(q)
	}
	out := stream.New[int](0)
	for _, v := range s.values {
		if err := out.Write(context.Background(), v); err != nil {
			panic(err)
		}
	}
	if s.end == nil {
		out.Complete()
	} else {
		out.Fail(s.end)
	}
	return out
}

// Pipelines of drawn stages, with errors at drawn places, give what the same
// functions make of a slice, to every sink.
func TestOperatorsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := sliced[int]{values: rapid.SliceOfN(rapid.IntRange(0, 200), 0, 20).Draw(t, "values")}
		if rapid.IntRange(0, 3).Draw(t, "fails") == 0 {
			in.end = errBoom
		}
		kind := rapid.SampledFrom([]string{"seq", "queue", "stream"}).Draw(t, "source")
		sink := rapid.SampledFrom([]string{"all", "seq", "each", "open"}).Draw(t, "sink")
		limit := rapid.IntRange(0, 30).Draw(t, "limit")
		s, model := source(kind, in), in
		for range rapid.IntRange(0, 4).Draw(t, "depth") {
			st := stages(t)
			s, model = st.apply(s), st.model(model)
		}
		var got []int
		var err error
		switch sink {
		case "all":
			got, err = stream.ReadAll(t.Context(), s)
			limit = len(model.values) + 1
		case "seq":
			for v, e := range stream.All(t.Context(), s) {
				if err = e; err != nil {
					break
				}
				if got = append(got, v); len(got) > limit {
					break
				}
			}
		case "each":
			err = stream.ForEach(t.Context(), s, func(_ context.Context, v int) error {
				if got = append(got, v); len(got) > limit {
					return stream.ErrStop
				}
				return nil
			})
		case "open":
			out, task := stream.Open(t.Context(), s, limit%4-1)
			for {
				v, e := out.Read(t.Context())
				if e != nil {
					err = e
					break
				}
				if got = append(got, v); len(got) > limit {
					out.Complete()
					break
				}
			}
			if err == io.EOF {
				err = nil
			}
			if e := task.Wait(t.Context()); len(got) <= limit && e != err && !(e == io.EOF && err == io.ErrUnexpectedEOF) {
				t.Fatalf("the task ended with %v, the stream with %v", e, err)
			}
			if err == io.ErrUnexpectedEOF {
				err = io.EOF
			}
		}
		if len(model.values) > limit {
			model = sliced[int]{values: model.values[:limit+1]}
		}
		if !slices.Equal(got, model.values) || err != model.end {
			t.Fatalf("got %v, %v, want %v, %v", got, err, model.values, model.end)
		}
	})
}

// An early stop takes nothing from a source that it does not use.
func TestEarlyStopLeavesTheRest(t *testing.T) {
	two := func(s stream.Stream[int]) {
		t.Helper()
		n := 0
		doubled := stream.Map(s, func(_ context.Context, v int) (int, error) { return 2 * v, nil })
		if err := stream.ForEach(t.Context(), doubled, func(_ context.Context, v int) error {
			if n++; v != 2*n {
				t.Errorf("value %d is %d", n, v)
			}
			if n == 2 {
				return stream.ErrStop
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	s := write(t, stream.New[int](0), 1, 2, 3)
	two(s)
	read(t, s, 3, nil)
	q := queue.New[int](0)
	for v := range 3 {
		if err := q.TryPut(v + 1); err != nil {
			t.Fatal(err)
		}
	}
	two(stream.FromQueue(q))
	equal(t, q.Clear(), 3)
	drawn := 0
	two(stream.From(func(yield func(int) bool) {
		for drawn = 1; yield(drawn); drawn++ {
		}
	}))
	if drawn != 2 {
		t.Errorf("%d values were drawn", drawn)
	}
}

// Who fails with ErrStop fails: it ends a stream well only when a function returns it.
func TestFailureThatLooksLikeAStop(t *testing.T) {
	var s stream.FutureStream[int]
	s.Fail(stream.ErrStop)
	same := stream.Map(&s, func(_ context.Context, v int) (int, error) { return v, nil })
	if err := stream.ForEach(t.Context(), same, func(context.Context, int) error { return nil }); err != stream.ErrStop {
		t.Fatalf("ForEach() = %v", err)
	}
}

// A description starts nothing and can be run again.
func TestLazy(t *testing.T) {
	runs := 0
	s := stream.Map(stream.From(func(yield func(int) bool) {
		runs++
		_ = yield(1) && yield(2)
	}), func(_ context.Context, v int) (string, error) { return strings.Repeat("x", v), nil })
	if runs != 0 {
		t.Fatal("it runs without a sink")
	}
	for range 2 {
		if got, err := stream.ReadAllString(t.Context(), s); got != "xxx" || err != nil {
			t.Fatalf("ReadAllString() = %q, %v", got, err)
		}
	}
	if runs != 2 {
		t.Fatalf("%d runs", runs)
	}
}

func TestSinksReturnWhatCameBeforeTheError(t *testing.T) {
	text := stream.New[string](0)
	for _, s := range []string{"a", "b"} {
		if err := text.Write(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	text.Fail(errBoom)
	if got, err := stream.ReadAllString(t.Context(), text); got != "ab" || err != errBoom {
		t.Errorf("ReadAllString() = %q, %v", got, err)
	}
	chunk := []byte("ab")
	same := stream.Map(stream.From(slices.Values([]byte("xyz"))), func(_ context.Context, b byte) ([]byte, error) {
		chunk[1] = b // a source may use its buffer again
		return chunk, at(int('z')%11, errBoom, int(b))
	})
	if got, err := stream.ReadAllBytes(t.Context(), same); string(got) != "axay" || err != errBoom {
		t.Errorf("ReadAllBytes() = %q, %v", got, err)
	}
	ints := write(t, stream.New[int](0), 1, 2)
	ints.Fail(errBoom)
	got, err := stream.ReadAll(t.Context(), ints)
	if equal(t, got, 1, 2); err != errBoom {
		t.Errorf("ReadAll() = %v", err)
	}
	if got, err := stream.ReadAll(t.Context(), ints); got != nil || err != errBoom {
		t.Errorf("ReadAll() of an ended stream = %v, %v", got, err)
	}
}

// A done ctx takes nothing, and does not even begin with a sequence.
func TestSinksWithDoneContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var began bool
	text := stream.From(func(func(string) bool) { began = true })
	chunks := stream.From(func(func([]byte) bool) { began = true })
	s := write(t, stream.New[int](0), 1)
	errs := map[string]error{}
	_, errs["ReadAll"] = stream.ReadAll(ctx, s)
	_, errs["ReadAllString"] = stream.ReadAllString(ctx, text)
	_, errs["ReadAllBytes"] = stream.ReadAllBytes(ctx, chunks)
	errs["ForEach"] = stream.ForEach(ctx, text, func(context.Context, string) error { return nil })
	for _, err := range stream.All(ctx, text) {
		errs["All"] = err
	}
	out, task := stream.Open(ctx, text, 1)
	_, errs["Open"] = out.Read(t.Context())
	if err := task.Wait(t.Context()); !errors.Is(err, context.Canceled) {
		t.Errorf("Open: %v", err)
	}
	for name, err := range errs {
		if err != context.Canceled {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(errs) != 6 || began || s.Len() != 1 {
		t.Errorf("errors %v, began %t, Len() = %d", errs, began, s.Len())
	}
}

// A value that a stage has accepted before the cancel goes its way; none is taken after it.
func TestCancelBetweenValues(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	drawn := 0
	var seq iter.Seq[int] = func(yield func(int) bool) {
		for drawn = 1; yield(drawn); drawn++ {
		}
	}
	got, err := stream.ReadAll(ctx, stream.Filter(stream.From(seq), func(_ context.Context, v int) (bool, error) {
		if v == 3 {
			cancel()
		}
		return true, nil
	}))
	if equal(t, got, 1, 2, 3); err != context.Canceled || drawn != 3 {
		t.Fatalf("ReadAll() = %v, %d drawn", err, drawn)
	}
}

// Batch by number drops what it has when the ctx ends, and not when the source fails.
func TestBatchByNumberAndCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := stream.Map(stream.From(slices.Values([]int{1, 2, 3, 4, 5})), func(_ context.Context, v int) (int, error) {
		if v == 3 {
			cancel()
		}
		return v, nil
	})
	got, err := stream.ReadAll(ctx, stream.Batch(s, 2, 0))
	if len(got) != 1 || err != context.Canceled {
		t.Fatalf("ReadAll() = %v, %v", got, err)
	}
	defer func() {
		if p := recover(); p != "stream: batches of 0" {
			t.Fatalf("panic(%v)", p)
		}
	}()
	stream.Batch(s, 0, 0)
}

func TestFusedStagesAllocateNothing(t *testing.T) {
	allocs := func(n int) float64 {
		add := func(_ context.Context, v int) (int, error) { return v + 1, nil }
		odd := func(_ context.Context, v int) (bool, error) { return v%2 == 1, nil }
		s := stream.Map(stream.Filter(stream.Map(stream.From(numbers(n)), add), odd), add)
		return testing.AllocsPerRun(20, func() {
			_ = stream.ForEach(context.Background(), s, func(context.Context, int) error { return nil })
		})
	}
	if one, many := allocs(1), allocs(1000); one != many {
		t.Errorf("%v allocations for one value, %v for 1000", one, many)
	}
}

func numbers(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}
