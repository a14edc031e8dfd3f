package stream_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/stream"
)

func TestTry(t *testing.T) {
	s := stream.New[int](1)
	if v, err := s.TryRead(); v != 0 || err != stream.ErrEmpty {
		t.Errorf("TryRead() of an empty stream = %d, %v", v, err)
	}
	if err := s.TryWrite(1); err != nil {
		t.Error(err)
	}
	if err := s.TryWrite(2); err != stream.ErrFull {
		t.Errorf("TryWrite() to a full stream = %v", err)
	}
	s.Fail(errBoom)
	if err := s.TryWrite(3); err != stream.ErrEnded {
		t.Errorf("TryWrite() behind the end = %v", err)
	}
	if v, err := s.TryRead(); v != 1 || err != nil {
		t.Errorf("TryRead() = %d, %v", v, err)
	}
	for range 2 {
		if v, err := s.TryRead(); v != 0 || err != errBoom {
			t.Errorf("TryRead() at the end = %d, %v", v, err)
		}
	}
	// Without a buffer there is room only where a reader waits.
	none := stream.New[int](stream.Rendezvous)
	if err := none.TryWrite(1); err != stream.ErrFull {
		t.Errorf("TryWrite() without a reader = %v", err)
	}
}

// A callback cannot wait: what finds no room it must keep, or drop, as here.
func ExampleFutureStream_TryWrite() {
	err := core.Run(context.Background(), func(ctx context.Context) error {
		readings := stream.New[int](2)
		dropped := 0
		core.DispatcherOf(ctx).CallSoon(func() {
			for n := range 5 {
				if errors.Is(readings.TryWrite(n), stream.ErrFull) {
					dropped++
				}
			}
			readings.Complete()
		})
		for n, err := range readings.All(ctx) { // waits already when the callback begins
			if err != nil {
				return err
			}
			fmt.Println("read", n)
		}
		fmt.Println(dropped, "dropped")
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// read 0
	// read 1
	// read 2
	// 2 dropped
}
