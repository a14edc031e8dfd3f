package stream_test

import (
	"context"
	"sync"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/stream"
)

func TestFromChan(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		ch := make(chan int, 4)
		for v := range 4 {
			ch <- v
		}
		got, err := stream.ReadAll(ctx, stream.Take(stream.FromChan(ch), 2))
		if equal(t, got, 0, 1); err != nil || len(ch) != 2 {
			t.Fatalf("%v, %d left", err, len(ch))
		}
		close(ch)
		got, err = stream.ReadAll(ctx, stream.FromChan(ch))
		if equal(t, got, 2, 3); err != nil {
			t.Fatal(err)
		}
		// From a goroutine that takes its time, until the ctx ends.
		ch = make(chan int)
		var wg sync.WaitGroup
		wg.Go(func() {
			for v := range 2 {
				_ = core.Sleep(context.Background(), ms)
				ch <- v
			}
		})
		limited, cancel := core.WithTimeout(ctx, 10*ms)
		defer cancel()
		got, err = stream.ReadAll(limited, stream.FromChan(ch))
		if equal(t, got, 0, 1); err != context.DeadlineExceeded {
			t.Fatal(err)
		}
		wg.Wait()
		limited, cancel = core.WithTimeout(ctx, ms)
		defer cancel()
		if n, err := stream.Count(limited, stream.FromChan[int](nil)); n != 0 || err != context.DeadlineExceeded {
			t.Fatalf("of nil: Count() = %d, %v", n, err)
		}
	})
}

func TestToChan(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		ch := make(chan int)
		var got []int
		received := make(chan struct{})
		go func() {
			defer close(received)
			for v := range ch {
				_ = core.Sleep(context.Background(), ms)
				got = append(got, v)
			}
		}()
		src := write(t, stream.New[int](0), 1, 2, 3)
		src.Fail(errBoom)
		if err := stream.ToChan(ctx, src, ch); err != errBoom {
			t.Error(err)
		}
		if err := stream.ToChan(ctx, stream.FromSlice([]int{4}), ch); err != nil { // it is still open
			t.Error(err)
		}
		close(ch)
		if _, _, err := core.Receive(ctx, received); err != nil {
			t.Fatal(err)
		}
		equal(t, got, 1, 2, 3, 4)
		// Nobody receives: the value that waits is dropped, the rest stays.
		src = write(t, stream.New[int](0), 1, 2, 3)
		full := make(chan int, 1)
		limited, cancel := core.WithTimeout(ctx, ms)
		defer cancel()
		if err := stream.ToChan(limited, src, full); err != context.DeadlineExceeded || len(full) != 1 || src.Len() != 1 {
			t.Errorf("%v, %d sent, %d left", err, len(full), src.Len())
		}
		if err := stream.ToChan(limited, src, full); err != context.DeadlineExceeded || src.Len() != 1 {
			t.Errorf("with a done ctx: %v, %d left", err, src.Len())
		}
		closed := make(chan int)
		close(closed)
		if caught(func() { _ = stream.ToChan(ctx, src, closed) }) == nil {
			t.Error("no panic on a closed channel")
		}
	})
}
