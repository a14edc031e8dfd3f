package stream_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/stream"
)

func TestBuffer(t *testing.T) {
	for policy, cases := range map[stream.Policy][]line{
		stream.Suspend: {
			{one("|"), 0, "|"},
			{one("a-b#"), 0, "a-b#"},
			{one("(abcdef)-----|"), 3 * ms, "a--b--c--d--e--f--|"},
			{one("abcdef#"), 3 * ms, "a--b--c--d--e--f--#"},
		},
		stream.DropOldest: {
			{one("a-b#"), 0, "a-b#"},
			{one("abcdef-|"), 7 * ms / 2, "a--c---e--f---|"}, // b goes for d, and d for f
			{one("abcdef#"), 7 * ms / 2, "a--c---e--f---#"},
		},
		stream.DropNewest: {
			{one("a-b#"), 0, "a-b#"},
			{one("abcdef-|"), 7 * ms / 2, "a--b---c--e---|"},
		},
		stream.Fail: {
			{one("a-b#"), 0, "a-b#"},
			{one("abc---d|"), 7 * ms / 2, "a--b---c--d---|"},
			{one("abcdefg"), 7 * ms / 2, "a--b---c--*"},
		},
	} {
		t.Run(fmt.Sprint(policy), func(t *testing.T) {
			lines(t, func(in ...stream.Stream[string]) stream.Stream[string] { return stream.Buffer(in[0], 2, policy) }, cases...)
		})
	}
}

// An overflow stops the source at once, and comes behind what is in the buffer.
func TestBufferOverflow(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		ended, drawn := false, 0
		s := stream.Buffer(stream.From(func(yield func(int) bool) {
			defer func() { ended = true }()
			for yield(drawn) {
				drawn++
			}
		}), 3, stream.Fail)
		var got []int
		err := stream.ForEach(ctx, s, func(ctx context.Context, v int) error {
			if err := core.Sleep(ctx, ms); err != nil {
				return err
			}
			if !ended {
				t.Error("the source goes on")
			}
			got = append(got, v)
			return nil
		})
		// In a task the source fills the buffer before the sink has its first turn.
		if !slices.Equal(got, []int{0, 1, 2}) && !slices.Equal(got, []int{0, 1, 2, 3}) || err != stream.ErrOverflow {
			t.Errorf("got %v, %v", got, err)
		}
		if drawn != len(got) { // behind the one that found no room nothing is drawn
			t.Errorf("%d values drawn, %d given", drawn, len(got))
		}
	})
}

// A buffer is as large as it says, whatever the sink does.
func TestBufferBound(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		var drawn atomic.Int64
		src := stream.From(func(yield func(int) bool) {
			for yield(int(drawn.Add(1))) {
			}
		})
		n := 0
		err := stream.ForEach(ctx, stream.Buffer(src, 5, stream.Suspend), func(ctx context.Context, v int) error {
			if err := core.Sleep(ctx, time.Hour); err != nil {
				return err
			}
			if n++; v != n || drawn.Load() != int64(n+6) { // 5, and one that waits
				t.Errorf("value %d is %d, the source is at %d", n, v, drawn.Load())
			}
			if n == 20 {
				return stream.ErrStop
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// Sources that never wait do not keep the sink from its turn.
func TestDroppingGivesTurns(t *testing.T) {
	endless := func(ended *bool) stream.Stream[int] {
		return stream.From(func(yield func(int) bool) {
			defer func() { *ended = true }()
			for v := 0; yield(v); v++ {
			}
		})
	}
	for name, stage := range map[string]func(stream.Stream[int]) stream.Stream[int]{
		"DropOldest": func(s stream.Stream[int]) stream.Stream[int] { return stream.Buffer(s, 2, stream.DropOldest) },
		"DropNewest": func(s stream.Stream[int]) stream.Stream[int] { return stream.Buffer(s, 2, stream.DropNewest) },
	} {
		t.Run(name, func(t *testing.T) {
			err := core.Run(context.Background(), func(ctx context.Context) error {
				ended, last, n := false, -1, 0
				err := stream.ForEach(ctx, stage(endless(&ended)), func(_ context.Context, v int) error {
					if v <= last {
						t.Errorf("%d comes after %d", v, last)
					}
					last = v
					if n++; n == 1000 {
						return stream.ErrStop
					}
					return nil
				})
				if !ended {
					t.Error("the source has not ended")
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	// Debounce gives nothing of it, but its sink can be canceled.
	err := core.Run(context.Background(), func(ctx context.Context) error {
		ended := false
		ctx, cancel := core.WithTimeout(ctx, ms)
		defer cancel()
		got, err := stream.ReadAll(ctx, stream.Debounce(endless(&ended), time.Hour))
		if len(got) > 0 || !ended {
			t.Errorf("got %v, ended %t", got, ended)
		}
		return err
	})
	if err != context.DeadlineExceeded {
		t.Error(err)
	}
}

func TestMisuse(t *testing.T) {
	s := stream.From(numbers(1))
	fn := func(_ context.Context, v int) (int, error) { return v, nil }
	for want, call := range map[string]func(){
		"stream: buffer of 0":       func() { stream.Buffer(s, 0, stream.Suspend) },
		"stream: unknown policy 4":  func() { stream.Buffer(s, 1, stream.Fail+1) },
		"stream: 0 calls at a time": func() { stream.MapN(s, 0, stream.Ordered, fn) },
		"stream: unknown order 2":   func() { stream.MapN(s, 1, stream.Unordered+1, fn) },
		"stream: tee of 0":          func() { stream.Tee(s, 0) },
		"stream: Tick of 0s":        func() { stream.Tick(0) },
		"stream: Throttle of -1s":   func() { stream.Throttle(s, -time.Second) },
		"stream: Debounce of 0s":    func() { stream.Debounce(s, 0) },
		"stream: Timeout of 0s":     func() { stream.Timeout(s, 0) },
	} {
		if p := caught(call); p != want {
			t.Errorf("panic(%v), want %q", p, want)
		}
	}
}
