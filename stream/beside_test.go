package stream_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/stream"
)

// never is a stream that waits for its end, and says that it has seen it.
func never(ended *bool) stream.Stream[int] {
	return stream.Map(stream.From(numbers(2)), func(ctx context.Context, v int) (int, error) {
		if v == 0 {
			return v, nil
		}
		err := core.Sleep(ctx, time.Hour)
		if err := core.Sleep(core.Shield(ctx), time.Second); err != nil {
			return v, err
		}
		*ended = true
		return v, err
	})
}

// settle lets all others go as far as they go: time moves on only then.
func settle(ctx context.Context) {
	if err := core.Sleep(ctx, time.Nanosecond); err != nil {
		panic(err)
	}
}

// caught calls fn and returns what it panics with.
func caught(fn func()) (p any) {
	defer func() { p = recover() }()
	fn()
	return nil
}

// A panic of the caller's own function leaves the sink as it is, when the others have
// ended.
func TestPanicOfSink(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		ended := false
		s := stream.Batch(never(&ended), 1, ms)
		if p := caught(func() {
			_ = stream.ForEach(ctx, s, func(ctx context.Context, _ []int) error {
				settle(ctx)
				panic("at the sink")
			})
		}); p != "at the sink" || !ended {
			t.Errorf("panic(%v), ended %t", p, ended)
		}
		ended = false
		if p := caught(func() {
			for range stream.All(ctx, s) {
				settle(ctx)
				panic("in the loop")
			}
		}); p != "in the loop" || !ended {
			t.Errorf("panic(%v), ended %t", p, ended)
		}
	})
}

// A panic of a stage on a task of its own leaves the sink behind the values before it, with
// its value and stack, however many tasks it has gone through.
func TestPanicOfSource(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		s := stream.Map(paced(0, 0, ms), func(_ context.Context, v int) (int, error) {
			if v == 2 {
				panicsHere()
			}
			return v, nil
		})
		for depth := range 3 {
			var got []int
			p := caught(func() {
				_ = stream.ForEach(ctx, s, func(_ context.Context, v int) error {
					got = append(got, v)
					return nil
				})
			})
			equal(t, got, 0, 1)
			if depth == 0 {
				if p != "at the source" {
					t.Fatalf("panic(%v)", p)
				}
			} else if pe, ok := p.(*core.PanicError); !ok || pe.Value != "at the source" || !strings.Contains(string(pe.Stack), "panicsHere") {
				t.Fatalf("depth %d: panic(%v)", depth, p)
			}
			s = stream.Map(stream.Batch(s, 1, ms), func(_ context.Context, b []int) (int, error) { return b[0], nil })
		}
	})
}

//go:noinline
func panicsHere() { panic("at the source") }

// A stage that panics while the sink fails is not forgotten.
func TestPanicWhileEnding(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		s := stream.Map(paced(0, time.Hour), func(_ context.Context, v int) (int, error) { return v, nil })
		panics := stream.From(func(yield func(int) bool) {
			defer func() { panic("while ending") }()
			for v, err := range stream.All(ctx, s) {
				if err != nil || !yield(v) || !yield(v) {
					return
				}
			}
		})
		p := caught(func() {
			_ = stream.ForEach(ctx, stream.Batch(panics, 1, ms), func(context.Context, []int) error { return errBoom })
		})
		if pe, ok := p.(*core.PanicError); !ok || pe.Value != "while ending" {
			t.Errorf("panic(%v)", p)
		}
	})
}

// FailNow of a test is Goexit: the sink's ends the sink's caller, when the others have ended; that
// of a stage with a task of its own becomes an error.
func TestGoexit(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		ended, returned := false, false
		task := core.Start(ctx, func(ctx context.Context) error {
			err := stream.ForEach(ctx, stream.Batch(never(&ended), 1, ms), func(ctx context.Context, _ []int) error {
				settle(ctx)
				runtime.Goexit()
				return nil
			})
			returned = true
			return err
		})
		if err := task.Wait(ctx); err != core.ErrGoexit || returned || !ended {
			t.Errorf("%v, returned %t, ended %t", err, returned, ended)
		}
		s := stream.Map(paced(0, 0), func(_ context.Context, v int) (int, error) {
			if v == 1 {
				runtime.Goexit()
			}
			return v, nil
		})
		got, err := stream.ReadAll(ctx, stream.Batch(s, 2, time.Hour))
		if err != core.ErrGoexit || len(got) != 1 {
			t.Errorf("ReadAll() = %v, %v", got, err)
		}
	})
}

// The functions of a pipeline get a ctx of the task they run in: values and cancellation come
// from the ctx of the sink.
func TestContextOfStages(t *testing.T) {
	type key struct{}
	everywhere(t, func(t *testing.T, ctx context.Context) {
		ctx = context.WithValue(ctx, key{}, "value")
		fn := func(ctx context.Context, v int) (int, error) {
			if ctx.Value(key{}) != "value" {
				t.Error("the value of the ctx is lost")
			}
			return v, core.Yield(ctx)
		}
		s := stream.Batch(stream.Map(stream.From(numbers(3)), fn), 2, ms)
		if err := stream.ForEach(ctx, s, func(ctx context.Context, b []int) error {
			_, err := fn(ctx, b[0])
			return err
		}); err != nil {
			t.Error(err)
		}
	})
}

// On a dispatcher that closes, nobody waits for a stage that cannot begin.
func TestDispatcherCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := dispatch.New(dispatch.Config{})
		if err != nil {
			t.Fatal(err)
		}
		ctx := core.On(t.Context(), d)
		s := stream.Batch(stream.From(numbers(3)), 1, ms)
		sink := make(chan error, 2)
		go func() {
			_, err := stream.ReadAll(ctx, s)
			sink <- err
		}()
		go func() {
			out, task := stream.Open(ctx, s, 0)
			_, err := out.Read(t.Context())
			if terr := task.Wait(t.Context()); !errors.Is(terr, err) {
				t.Errorf("the stream ended with %v, the task with %v", err, terr)
			}
			sink <- err
		}()
		synctest.Wait() // the tasks are posted to a loop that nobody turns
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := <-sink; !errors.Is(err, dispatch.ErrClosed) && !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		}
		if _, err := stream.ReadAll(ctx, s); err != dispatch.ErrClosed {
			t.Errorf("ReadAll() on a closed dispatcher: %v", err)
		}
		out, task := stream.Open(ctx, s, 0)
		if _, err := out.Read(t.Context()); err != dispatch.ErrClosed || task.Err() != dispatch.ErrClosed {
			t.Errorf("Open() on a closed dispatcher: %v, %v", err, task.Err())
		}
	})
}

func TestOpen(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		// Through to the end.
		out, task := stream.Open(ctx, stream.From(numbers(3)), 1)
		got, err := stream.ReadAll(ctx, out)
		if equal(t, got, 0, 1, 2); err != nil || task.Wait(ctx) != nil {
			t.Fatal(err, task.Err())
		}
		// A failure, behind the values.
		src := write(t, stream.New[int](0), 1)
		src.Fail(errBoom)
		out, task = stream.Open(ctx, src, stream.Rendezvous)
		got, err = stream.ReadAll(ctx, out)
		if equal(t, got, 1); err != errBoom || task.Wait(ctx) != errBoom {
			t.Fatal(err, task.Err())
		}
		// Canceled by its task.
		ended := false
		out, task = stream.Open(ctx, never(&ended), 0)
		if v, err := out.Read(ctx); v != 0 || err != nil {
			t.Fatal(v, err)
		}
		settle(ctx)
		if err := task.CancelAndWait(ctx); err != nil || !ended || !task.Finished() {
			t.Fatal(err, ended)
		}
		if _, err := out.Read(ctx); err != context.Canceled {
			t.Fatal(err)
		}
		// Ended by its reader.
		out, task = stream.Open(ctx, stream.From(func(yield func(int) bool) {
			for v := 0; yield(v); v++ {
			}
		}), 1)
		if v, err := out.Read(ctx); v != 0 || err != nil {
			t.Fatal(v, err)
		}
		out.Complete()
		if err := task.Wait(ctx); err != nil {
			t.Fatal(err)
		}
		// A panic.
		out, task = stream.Open(ctx, stream.From(func(func(int) bool) { panicsHere() }), 0)
		_, err = out.Read(ctx)
		for _, err := range []error{err, task.Wait(ctx)} {
			if pe, ok := errors.AsType[*core.PanicError](err); !ok || pe.Value != "at the source" || !strings.Contains(string(pe.Stack), "panicsHere") {
				t.Fatal(err)
			}
		}
		// A Goexit.
		out, task = stream.Open(ctx, stream.From(func(func(int) bool) { runtime.Goexit() }), 0)
		if _, err := out.Read(ctx); err != core.ErrGoexit || task.Wait(ctx) != core.ErrGoexit {
			t.Fatal(err, task.Err())
		}
		// An error that looks like a regular end.
		out, _ = stream.Open(ctx, stream.Map(stream.From(numbers(1)), func(context.Context, int) (int, error) { return 0, io.EOF }), 0)
		if _, err := out.Read(ctx); err != io.ErrUnexpectedEOF {
			t.Fatal(err)
		}
	})
}
