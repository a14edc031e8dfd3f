package stream_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/stream"
)

func TestCatch(t *testing.T) {
	// What fn gets, and the stream it makes of that.
	var with error
	var next stream.Stream[string]
	var says error
	catch := func(s stream.Stream[string]) stream.Stream[string] {
		return stream.Catch(s, func(_ context.Context, err error) (stream.Stream[string], error) {
			with = err
			return next, says
		})
	}
	marbles(t, catch,
		marble{"ab|", "ab|", "|"},
		marble{"ab#", "ab|", "#"}, // nil has no values
		marble{"#", "|", "#"},
		marble{"|", "|", "|"})
	if with != errBoom {
		t.Errorf("fn was given %v", with)
	}
	next = stream.FromSlice([]string{"x", "y"})
	marbles(t, catch, marble{"ab#", "abxy|", "#"}, marble{"ab|", "ab|", "|"})
	next = stream.Map(next, func(_ context.Context, v string) (string, error) {
		if v == "y" {
			return "", errBoom
		}
		return v, nil
	})
	marbles(t, catch, marble{"ab#", "abx#", "#"}) // it is asked once
	says = stream.ErrStop
	marbles(t, catch, marble{"ab#", "ab|", "#"})
	says = errors.New("other")
	marbles(t, catch, marble{"ab#", "abother", "#"})
}

// What is not an error of the source is not for fn.
func TestCatchLeavesOthersAlone(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		catch := func(s stream.Stream[int]) stream.Stream[int] {
			return stream.Catch(s, func(_ context.Context, err error) (stream.Stream[int], error) {
				t.Errorf("fn is called with %v", err)
				return nil, nil
			})
		}
		one := stream.FromSlice([]int{1, 2})
		for _, want := range []error{errBoom, stream.ErrStop} {
			err := stream.ForEach(ctx, catch(one), func(context.Context, int) error { return want })
			if want == stream.ErrStop {
				want = nil
			}
			if err != want {
				t.Errorf("ForEach() = %v, want %v", err, want)
			}
		}
		if got, err := stream.ReadAll(ctx, stream.Take(catch(one), 1)); len(got) != 1 || err != nil {
			t.Errorf("ReadAll() = %v, %v", got, err)
		}
		limited, cancel := core.WithTimeout(ctx, ms)
		defer cancel()
		if _, err := stream.Count(limited, catch(stream.New[int](0))); err != context.DeadlineExceeded {
			t.Errorf("Count() = %v", err)
		}
		panics := stream.Map(one, func(context.Context, int) (int, error) { panic("boom") })
		if p := caught(func() { _, _ = stream.Count(ctx, catch(panics)) }); p != "boom" {
			t.Errorf("panic(%v)", p)
		}
	})
}

// A ctx that has ended while fn waited begins nothing.
func TestCatchCanceledInFn(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		limited, cancel := core.WithTimeout(ctx, ms)
		defer cancel()
		s := stream.Catch(letters(t, "a#"), func(ctx context.Context, _ error) (stream.Stream[string], error) {
			_ = core.Sleep(ctx, time.Hour)
			return stream.Generate(func(context.Context, func(string) error) error {
				t.Error("the other stream is begun")
				return nil
			}), nil
		})
		if n, err := stream.Count(limited, s); n != 1 || err != context.DeadlineExceeded {
			t.Errorf("Count() = %d, %v", n, err)
		}
	})
}

func ExampleCatch() {
	// A source that fails in the middle, and what is used in its place.
	live := stream.Generate(func(_ context.Context, emit func(string) error) error {
		if err := emit("live 1"); err != nil {
			return err
		}
		return errors.New("connection lost")
	})
	s := stream.Catch(live, func(_ context.Context, err error) (stream.Stream[string], error) {
		fmt.Println("from the cache:", err)
		return stream.FromSlice([]string{"cached 2", "cached 3"}), nil
	})
	fmt.Printf("%q\n", first(stream.ReadAll(context.Background(), s)))
	// Output:
	// from the cache: connection lost
	// ["live 1" "cached 2" "cached 3"]
}
