package stream_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/event"
	"github.com/seed-1e54c410/turnstile/queue"
	"github.com/seed-1e54c410/turnstile/stream"
)

// A FromAll of what All says is the stream that All was given.
func TestFromAll(t *testing.T) {
	marbles(t, func(s stream.Stream[string]) stream.Stream[string] {
		return stream.FromAll(func(ctx context.Context) iter.Seq2[string, error] { return stream.All(ctx, s) })
	},
		marble{"ab|", "ab|", "|"},
		marble{"ab#", "ab#", "#"},
		marble{"|", "|", "|"},
		marble{"#", "#", "#"})
	everywhere(t, func(t *testing.T, ctx context.Context) {
		src := letters(t, "abc|")
		got, err := stream.ReadAll(ctx, stream.Take(stream.FromAll(src.All), 2))
		if equal(t, got, "a", "b"); err != nil || left(t, src) != "c|" {
			t.Errorf("err = %v", err)
		}
	})
}

// The sequence has the ctx of the run, and is not asked for a value that nobody wants.
func TestFromAllCancel(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		var q queue.AsyncQueue[int]
		for v := range 3 {
			if err := q.Put(ctx, v); err != nil {
				t.Fatal(err)
			}
		}
		limited, cancel := core.WithTimeout(ctx, ms)
		defer cancel()
		err := stream.ForEach(limited, stream.FromAll(q.All), func(ctx context.Context, v int) error {
			if v == 1 {
				cancel()
			}
			return nil
		})
		if err != context.Canceled || q.Len() != 1 {
			t.Errorf("ForEach() = %v, %d items left", err, q.Len())
		}
		limited, cancel = core.WithTimeout(ctx, ms)
		defer cancel()
		if n, err := stream.Count(limited, stream.FromAll(q.All)); n != 1 || err != context.DeadlineExceeded {
			t.Errorf("Count() = %d, %v", n, err)
		}
	})
}

// An error behind which the sequence would go on ends a run, and the next one goes on.
func TestFromAllGoesOn(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		q := event.NewAsyncEventQueue[int](2)
		r := q.Subscribe()
		defer r.Close()
		for v := range 5 {
			if err := q.Emit(v); err != nil {
				t.Fatal(err)
			}
		}
		q.Close()
		isLagged := func(err error) bool { return errors.As(err, new(*event.LaggedError)) }
		s := stream.FromAll(r.All)
		if got, err := stream.ReadAll(ctx, s); len(got) > 0 || !isLagged(err) {
			t.Errorf("ReadAll() = %v, %v", got, err)
		}
		got, err := stream.ReadAll(ctx, s)
		if equal(t, got, 3, 4); err != nil {
			t.Error(err)
		}
	})
}

func ExampleFromAll() {
	log := event.NewAsyncEventQueue[string](100)
	reader := log.Subscribe()
	defer reader.Close()
	for _, line := range []string{"GET /", "GET /login", "POST /login"} {
		_ = log.Emit(line)
	}
	log.Close()
	// Every second, or each 100 lines.
	batches := stream.Batch(stream.FromAll(reader.All), 100, time.Second)
	_ = stream.ForEach(context.Background(), batches, func(_ context.Context, lines []string) error {
		fmt.Printf("%q\n", lines)
		return nil
	})
	// Output: ["GET /" "GET /login" "POST /login"]
}
