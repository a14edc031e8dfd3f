package stream_test

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/seed-1e54c410/turnstile/stream"
)

// A sink does not even begin with a sequence when its ctx is done.
func TestSinksDoNotBeginWithDoneContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := false
	s := stream.From(func(func(string) bool) { began = true })
	ch := make(chan string, 1)
	join := func(_ context.Context, sum, v string) (string, error) { return sum + v, nil }
	for name, sink := range map[string]func() error{
		"Fold":     func() error { _, err := stream.Fold(ctx, s, "", join); return err },
		"Count":    func() error { _, err := stream.Count(ctx, s); return err },
		"First":    func() error { _, _, err := stream.First(ctx, s); return err },
		"Last":     func() error { _, _, err := stream.Last(ctx, s); return err },
		"ToChan":   func() error { return stream.ToChan(ctx, s, ch) },
		"ToWriter": func() error { _, err := stream.ToWriter(ctx, s, io.Discard); return err },
	} {
		if err := sink(); err != context.Canceled || began {
			t.Errorf("%s: %v, began %t", name, err, began)
		}
	}
}

// Sources that do not wait look at the ctx behind each value, also behind the last.
func TestSourcesLookAtContext(t *testing.T) {
	letters := []string{"a", "b", "c"}
	bytes := func() stream.Stream[[]byte] {
		return stream.FromReader(iotest.DataErrReader(strings.NewReader("abc")), 1)
	}
	lines := func(text string) stream.Stream[string] {
		return stream.Lines(func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }, 0)
	}
	for name, s := range map[string]stream.Stream[string]{
		"From":      stream.From(slices.Values(letters)),
		"FromSlice": stream.FromSlice(letters),
		"Generate": stream.Generate(func(_ context.Context, emit func(string) error) error {
			for _, v := range letters {
				_ = emit(v)
			}
			return nil
		}),
		"FromReader":             nil, // which can be read only once
		"Lines":                  lines("a\nb\nc\n"),
		"Lines, the last is cut": lines("a\nb\nc"),
		"Concat":                 stream.Concat(stream.FromSlice(letters[:2]), stream.FromSlice(letters[2:])),
	} {
		for n := range letters {
			ctx, cancel := context.WithCancel(t.Context())
			var got []string
			if name == "FromReader" {
				s = stream.Map(bytes(), func(_ context.Context, b []byte) (string, error) { return string(b), nil })
			}
			err := stream.ForEach(ctx, s, func(_ context.Context, v string) error {
				if got = append(got, v); len(got) == n+1 {
					cancel()
				}
				return nil
			})
			if equal(t, got, letters[:n+1]...); err != context.Canceled {
				t.Errorf("%s: %v after %v", name, err, got)
			}
		}
	}
}
