package stream_test

import (
	"context"
	"io"
	"testing"

	"github.com/seed-1e54c410/turnstile/stream"
)

func TestGenerate(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		for _, end := range []struct{ of, want error }{{nil, nil}, {stream.ErrStop, nil}, {errBoom, errBoom}, {io.EOF, io.EOF}} {
			s := stream.Generate(func(ctx context.Context, emit func(int) error) error {
				for v := range 3 { // of this run
					if err := emit(v); err != nil {
						return err
					}
				}
				return end.of
			})
			for range 2 {
				got, err := stream.ReadAll(ctx, s)
				if equal(t, got, 0, 1, 2); err != end.want {
					t.Errorf("it ends with %v, want %v", err, end.want)
				}
			}
		}
	})
}

// What stops a stream counts, whatever the function makes of it, and no value gets through
// after it.
func TestGenerateAfterTheStop(t *testing.T) {
	for _, of := range []error{nil, errBoom, stream.ErrStop} {
		cleaned, refusals := 0, 0
		s := stream.Generate(func(_ context.Context, emit func(int) error) error {
			defer func() { cleaned++ }()
			for v := range 5 {
				if emit(v) != nil {
					refusals++
				}
			}
			return of
		})
		got, err := stream.ReadAll(t.Context(), stream.Take(s, 2))
		if equal(t, got, 0, 1); err != nil {
			t.Errorf("%v: it ends with %v", of, err)
		}
		got = nil
		if err := stream.ForEach(t.Context(), s, func(_ context.Context, v int) error {
			got = append(got, v)
			return at(1, io.EOF, v)
		}); err != io.EOF {
			t.Errorf("%v: it ends with %v", of, err)
		}
		equal(t, got, 0, 1)
		ctx, cancel := context.WithCancel(t.Context())
		got, err = stream.ReadAll(ctx, stream.Map(s, func(_ context.Context, v int) (int, error) {
			if v == 1 {
				cancel()
			}
			return v, nil
		}))
		if equal(t, got, 0, 1); err != context.Canceled {
			t.Errorf("%v: it ends with %v", of, err)
		}
		if cleaned != 3 || refusals != 3*4 { // the second value's and three more
			t.Errorf("%v: %d times cleaned, %d times refused", of, cleaned, refusals)
		}
	}
}

func TestGenerateMisuse(t *testing.T) {
	run := func(fn func(ctx context.Context, emit func(int) error) error, sink func(int)) any {
		return caught(func() {
			_ = stream.ForEach(t.Context(), stream.Generate(fn), func(_ context.Context, v int) error { sink(v); return nil })
		})
	}
	const again = "stream: emit of Generate called again before its return, or after the end"
	var kept func(int) error
	keep := func(_ context.Context, emit func(int) error) error { kept = emit; return emit(1) }
	if p := run(keep, func(int) {}); p != nil {
		t.Fatal(p)
	}
	wantPanic(t, again, func() { _ = kept(2) })
	if p := run(keep, func(int) { _ = kept(2) }); p != again {
		t.Errorf("within itself: panic(%v)", p)
	}
	fail := func(_ context.Context, emit func(int) error) error { kept = emit; panic("lost") }
	late := 0
	if p := run(fail, func(int) { late++ }); p != "lost" {
		t.Errorf("panic(%v)", p)
	}
	if wantPanic(t, again, func() { _ = kept(2) }); late != 0 {
		t.Error("a value has got through after the end")
	}
	swallow := func(_ context.Context, emit func(int) error) error {
		_ = caught(func() { _ = emit(1) })
		return nil
	}
	if p := run(swallow, func(int) { panic("lost") }); p != "stream: the function of Generate recovered from a panic of emit" {
		t.Errorf("a panic that is lost: panic(%v)", p)
	}
}
