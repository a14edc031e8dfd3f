package stream_test

import (
	"context"
	"testing"

	"github.com/seed-1e54c410/turnstile/stream"
)

func TestFold(t *testing.T) {
	join := func(ctx context.Context, sum, v string) (string, error) {
		_, err := on("")(ctx, v)
		return sum + v, err
	}
	everywhere(t, func(t *testing.T, ctx context.Context) {
		for _, c := range []marble{
			{"abc|", "-abc|", "|"},
			{"|", "-|", "|"},
			{"ab#", "-ab#", "#"},
			{"axb|", "-a#", "b|"},
			{"asb|", "-a|", "b|"},
		} {
			src := letters(t, c.in)
			got, err := stream.Fold(ctx, src, "-", join)
			if rest := left(t, src); got+ending(err) != c.want || rest != c.rest {
				t.Errorf("%s gives %s%s and leaves %q", c.in, got, ending(err), rest)
			}
		}
	})
}

func TestCountFirstLast(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		for _, c := range []struct {
			in          string
			n           int
			end         error
			first, last string
			firstEnd    error
			rest        string // behind the first
		}{
			{"abc|", 3, nil, "a", "c", nil, "bc|"},
			{"abc#", 3, errBoom, "a", "c", nil, "bc#"},
			{"|", 0, nil, "", "", nil, "|"},
			{"#", 0, errBoom, "", "", errBoom, "#"},
		} {
			if n, err := stream.Count(ctx, letters(t, c.in)); n != c.n || err != c.end {
				t.Errorf("%s: Count() = %d, %v", c.in, n, err)
			}
			src := letters(t, c.in)
			if v, ok, err := stream.First(ctx, src); v != c.first || ok != (c.n > 0) || err != c.firstEnd {
				t.Errorf("%s: First() = %q, %t, %v", c.in, v, ok, err)
			}
			if rest := left(t, src); rest != c.rest {
				t.Errorf("%s: First() leaves %q", c.in, rest)
			}
			if v, ok, err := stream.Last(ctx, letters(t, c.in)); v != c.last || ok != (c.n > 0) || err != c.end {
				t.Errorf("%s: Last() = %q, %t, %v", c.in, v, ok, err)
			}
		}
		if v, ok, err := stream.First(ctx, letters(t, "a")); v != "a" || !ok || err != nil { // waits for no more
			t.Errorf("First() = %q, %t, %v", v, ok, err)
		}
		done, cancel := context.WithCancel(ctx)
		cancel()
		src := letters(t, "a|")
		_, err1 := stream.Count(done, src)
		_, ok2, err2 := stream.First(done, src)
		_, ok3, err3 := stream.Last(done, src)
		sum, err4 := stream.Fold(done, src, "-", func(context.Context, string, string) (string, error) { return "", nil })
		for _, err := range []error{err1, err2, err3, err4} {
			if err != context.Canceled || ok2 || ok3 || sum != "-" || src.Len() != 1 {
				t.Errorf("with a done ctx: %v, %t, %t, %q", err, ok2, ok3, sum)
			}
		}
	})
}
