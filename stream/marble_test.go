package stream_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/seed-1e54c410/turnstile/stream"
)

// marble is a case of a stage in letters: each is a value, | the end and # the failure of
// the stream. A stream without either is still open, and whoever waits for more never returns.
type marble struct {
	in   string
	want string // what a sink gets
	rest string // what is left in the source
}

// letters is a stream of what in says.
func letters(t *testing.T, in string) *stream.FutureStream[string] {
	t.Helper()
	s := stream.New[string](0)
	for _, c := range in {
		switch c {
		case '|':
			s.Complete()
		case '#':
			s.Fail(errBoom)
		default:
			if err := s.Write(context.Background(), string(c)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return s
}

// drawn says what a sink gets from s.
func drawn(ctx context.Context, s stream.Stream[string]) string {
	got, err := stream.ReadAll(ctx, stream.Map(s, func(_ context.Context, v string) (string, error) { return v, nil }))
	return strings.Join(got, "") + ending(err)
}

func ending(err error) string {
	switch {
	case err == nil:
		return "|"
	case err == errBoom:
		return "#"
	}
	return err.Error()
}

// left says what is still in s.
func left(t *testing.T, s *stream.FutureStream[string]) string {
	t.Helper()
	var rest strings.Builder
	for s.Len() > 0 {
		v, err := s.Read(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		rest.WriteString(v)
	}
	switch {
	case s.Failed():
		rest.WriteByte('#')
	case s.Finished():
		rest.WriteByte('|')
	}
	return rest.String()
}

type letterStage func(stream.Stream[string]) stream.Stream[string]

// marbles runs each case everywhere, twice with one description: it must not remember the
// first run.
func marbles(t *testing.T, stage letterStage, cases ...marble) {
	t.Helper()
	everywhere(t, func(t *testing.T, ctx context.Context) {
		for _, c := range cases {
			var src *stream.FutureStream[string]
			s := stage(stream.FlatMap(stream.FromSlice([]int{0}), func(context.Context, int) (stream.Stream[string], error) { return src, nil }))
			for range 2 {
				src = letters(t, c.in)
				if got := drawn(ctx, s); got != c.want {
					t.Errorf("%s gives %s, want %s", c.in, got, c.want)
				}
				if rest := left(t, src); rest != c.rest {
					t.Errorf("%s leaves %q, want %q", c.in, rest, c.rest)
				}
			}
		}
	})
}

// on is a function for a stage that answers with true, or with an error where a value says so:
// x stands for the error, s for ErrStop.
func on(answer string) func(context.Context, string) (bool, error) {
	return func(_ context.Context, v string) (bool, error) {
		switch v {
		case "x":
			return false, errBoom
		case "s":
			return false, stream.ErrStop
		}
		return strings.Contains(answer, v), nil
	}
}

func TestTake(t *testing.T) {
	take := func(n int) letterStage {
		return func(s stream.Stream[string]) stream.Stream[string] { return stream.Take(s, n) }
	}
	marbles(t, take(2),
		marble{"abc|", "ab|", "c|"},
		marble{"ab", "ab|", ""}, // waits for no more
		marble{"ab#", "ab|", "#"},
		marble{"a|", "a|", "|"},
		marble{"a#", "a#", "#"},
		marble{"|", "|", "|"})
	marbles(t, take(0), marble{"a", "|", "a"}, marble{"#", "|", "#"})
	wantPanic(t, "stream: take of -1 values", func() { stream.Take(stream.FromSlice([]int{}), -1) })
}

func TestTakeWhile(t *testing.T) {
	marbles(t, func(s stream.Stream[string]) stream.Stream[string] { return stream.TakeWhile(s, on("abc")) },
		marble{"abzc|", "ab|", "c|"},
		marble{"abz", "ab|", ""},
		marble{"ab|", "ab|", "|"},
		marble{"ab#", "ab#", "#"},
		marble{"axb|", "a#", "b|"},
		marble{"asb|", "a|", "b|"},
		marble{"z", "|", ""})
}

func TestSkip(t *testing.T) {
	skip := func(n int) letterStage {
		return func(s stream.Stream[string]) stream.Stream[string] { return stream.Skip(s, n) }
	}
	marbles(t, skip(2), marble{"abcd|", "cd|", "|"}, marble{"a|", "|", "|"}, marble{"a#", "#", "#"}, marble{"abc#", "c#", "#"})
	marbles(t, skip(0), marble{"ab|", "ab|", "|"})
	wantPanic(t, "stream: skip of -1 values", func() { stream.Skip(stream.FromSlice([]int{}), -1) })
}

func TestSkipWhile(t *testing.T) {
	marbles(t, func(s stream.Stream[string]) stream.Stream[string] { return stream.SkipWhile(s, on("abc")) },
		marble{"abzaxs|", "zaxs|", "|"}, // not asked any more
		marble{"ab|", "|", "|"},
		marble{"ab#", "#", "#"},
		marble{"axz|", "#", "z|"},
		marble{"asz|", "|", "z|"})
}

func TestDistinct(t *testing.T) {
	cases := []marble{
		{"aabbbac|", "abac|", "|"},
		{"aa#", "a#", "#"},
		{"|", "|", "|"},
	}
	marbles(t, stream.Distinct[string], cases...)
	key := func(ctx context.Context, v string) (string, error) {
		if _, err := on("")(ctx, v); err != nil {
			return "", err
		}
		return strings.ToLower(v), nil
	}
	cases = append(cases, marble{"aAab|", "ab|", "|"}, marble{"axb|", "a#", "b|"}, marble{"asb|", "a|", "b|"})
	marbles(t, func(s stream.Stream[string]) stream.Stream[string] { return stream.DistinctBy(s, key) }, cases...)
	// The zero value is a value like others when it comes first.
	got, err := stream.ReadAll(t.Context(), stream.Distinct(stream.FromSlice([]int{0, 0, 1})))
	if equal(t, got, 0, 1); err != nil {
		t.Fatal(err)
	}
}

func TestScan(t *testing.T) {
	marbles(t, func(s stream.Stream[string]) stream.Stream[string] {
		return stream.Scan(s, "-", func(ctx context.Context, sum, v string) (string, error) {
			_, err := on("")(ctx, v)
			return sum + v, err
		})
	},
		marble{"abc|", "-a-ab-abc|", "|"},
		marble{"a#", "-a#", "#"},
		marble{"axb|", "-a#", "b|"},
		marble{"asb|", "-a|", "b|"},
		marble{"|", "|", "|"})
}

func TestWindow(t *testing.T) {
	window := func(n, step int) letterStage {
		return func(s stream.Stream[string]) stream.Stream[string] {
			return stream.Map(stream.Window(s, n, step), func(_ context.Context, w []string) (string, error) {
				text := "(" + strings.Join(w, "") + ")"
				for i := range w {
					w[i] = "?" // it is ours
				}
				if _ = append(w, "?"); strings.Contains(text, "s") {
					return "", stream.ErrStop
				}
				return text, nil
			})
		}
	}
	marbles(t, window(3, 1), marble{"abcde|", "(abc)(bcd)(cde)|", "|"}, marble{"ab|", "|", "|"}, marble{"abc#", "(abc)#", "#"})
	marbles(t, window(3, 2), marble{"abcdefg|", "(abc)(cde)(efg)|", "|"}, marble{"abcdsfg|", "(abc)|", "fg|"})
	marbles(t, window(2, 2), marble{"abcde|", "(ab)(cd)|", "|"}, marble{"ab#", "(ab)#", "#"})
	marbles(t, window(2, 4), marble{"abcdefg|", "(ab)(ef)|", "|"}, marble{"abc#", "(ab)#", "#"})
	marbles(t, window(1, 1), marble{"ab|", "(a)(b)|", "|"})
	for _, sizes := range [][2]int{{0, 1}, {1, 0}} {
		if caught(func() { stream.Window(stream.FromSlice([]int{}), sizes[0], sizes[1]) }) == nil {
			t.Errorf("Window(s, %d, %d) does not panic", sizes[0], sizes[1])
		}
	}
}

// A window belongs to who receives it: those that come later leave it alone.
func TestWindowsAreApart(t *testing.T) {
	for _, sizes := range [][2]int{{2, 2}, {2, 1}, {3, 1}, {2, 3}} {
		n, step := sizes[0], sizes[1]
		windows, err := stream.ReadAll(t.Context(), stream.Window(stream.From(numbers(9)), n, step))
		if err != nil {
			t.Fatal(err)
		}
		for i, w := range windows {
			for k, v := range w {
				if len(w) != n || v != i*step+k {
					t.Errorf("window %d of %d, every %d: %v", i, n, step, w)
				}
			}
		}
	}
}

func TestPairwise(t *testing.T) {
	marbles(t, func(s stream.Stream[string]) stream.Stream[string] {
		return stream.Map(stream.Pairwise(s), func(_ context.Context, p [2]string) (string, error) { return p[0] + p[1] + " ", nil })
	}, marble{"abc|", "ab bc |", "|"}, marble{"a|", "|", "|"}, marble{"|", "|", "|"}, marble{"ab#", "ab #", "#"})
}

func TestConcat(t *testing.T) {
	begun := 0
	other := stream.From(func(yield func(string) bool) {
		begun++
		_ = yield("1") && yield("2")
	})
	before := func(s stream.Stream[string]) stream.Stream[string] {
		return stream.Concat(s, other, stream.Take(other, 1))
	}
	marbles(t, before, marble{"ab|", "ab121|", "|"}, marble{"|", "121|", "|"})
	begun = 0
	marbles(t, before, marble{"ab#", "ab#", "#"})
	if begun != 0 {
		t.Errorf("the stream behind an error was begun %d times", begun)
	}
	marbles(t, func(s stream.Stream[string]) stream.Stream[string] {
		return stream.Take(stream.Concat(other, s, other), 3)
	},
		marble{"abc|", "12a|", "bc|"}, marble{"a", "12a|", ""})
	marbles(t, func(s stream.Stream[string]) stream.Stream[string] { return stream.Concat(stream.Take(s, 1), s) },
		marble{"abc|", "abc|", "|"}, marble{"a#", "a#", "#"})
	if got, err := stream.ReadAll(t.Context(), stream.Concat[int]()); len(got) > 0 || err != nil {
		t.Errorf("Concat() of nothing gives %v, %v", got, err)
	}
	streams := []stream.Stream[string]{other}
	s := stream.Concat(streams...)
	streams[0] = nil // it has a list of its own
	if got := drawn(t.Context(), s); got != "12|" {
		t.Error(got)
	}
}

// The stops of nested stages, each of which ends its own stream and no other.
func TestNestedEnds(t *testing.T) {
	type s = stream.Stream[string]
	twice := func(inner func(v string) s) letterStage {
		return func(src s) s {
			return stream.FlatMap(src, func(ctx context.Context, v string) (s, error) {
				_, err := on("")(ctx, v)
				return inner(v), err
			})
		}
	}
	take := func(n int, stage letterStage) letterStage {
		return func(src s) s { return stream.Take(stage(src), n) }
	}
	three := twice(func(v string) s { return stream.Take(stream.FromSlice([]string{v, v, v, v}), 3) })
	marbles(t, three, marble{"ab|", "aaabbb|", "|"}, marble{"a#", "aaa#", "#"}, marble{"axb|", "aaa#", "b|"}, marble{"asb|", "aaa|", "b|"})
	marbles(t, take(4, three), marble{"abc|", "aaab|", "c|"}, marble{"ab", "aaab|", ""}, marble{"a#", "aaa#", "#"})
	marbles(t, take(3, three), marble{"ab|", "aaa|", "b|"}) // both at once
	marbles(t, take(2, take(5, three)), marble{"ab|", "aa|", "b|"})
	marbles(t, func(src s) s { return three(stream.Take(src, 2)) }, marble{"abc|", "aaabbb|", "c|"}, marble{"ab", "aaabbb|", ""})
	// A Take of a FlatMap of Takes of FlatMaps.
	deep := twice(func(v string) s { return take(4, three)(stream.FromSlice([]string{v, strings.ToUpper(v), "x"})) })
	marbles(t, take(6, deep), marble{"abc|", "aaaAbb|", "c|"}, marble{"a#", "aaaA#", "#"})
	marbles(t, take(2, deep), marble{"ab|", "aa|", "b|"})
	// A failure in the middle is that of the whole, even if it is ErrStop itself.
	fails := func(err error) letterStage {
		return twice(func(v string) s {
			f := stream.New[string](0)
			_ = f.Write(context.Background(), v)
			f.Fail(err)
			return f
		})
	}
	marbles(t, fails(errBoom), marble{"ab|", "a#", "b|"})
	marbles(t, fails(stream.ErrStop), marble{"ab|", "a" + stream.ErrStop.Error(), "b|"})
	marbles(t, take(1, fails(stream.ErrStop)), marble{"ab|", "a|", "b|"})
	marbles(t, func(src s) s { return stream.Concat(stream.Take(fails(stream.ErrStop)(src), 2), src) },
		marble{"ab|", "a" + stream.ErrStop.Error(), "b|"})
	// Nothing is a stream, too.
	marbles(t, twice(func(string) s { return nil }), marble{"ab|", "|", "|"}, marble{"a#", "#", "#"})
}

// An error reaches the sink as it was given, through all stages.
func TestErrorsAreNotWrapped(t *testing.T) {
	boom := errors.New("another")
	s := stream.New[int](0)
	write(t, s, 1, 2).Fail(boom)
	pass := func(context.Context, int) (bool, error) { return true, nil }
	p := stream.TakeWhile(stream.Take(stream.Skip(s, 1), 9), pass)
	p = stream.Distinct(stream.Scan(stream.Concat(p, p), 0, func(_ context.Context, sum, v int) (int, error) { return sum + v, nil }))
	w := stream.Window(stream.FlatMap(p, func(_ context.Context, v int) (stream.Stream[int], error) {
		return stream.FromSlice([]int{v}), nil
	}), 1, 1)
	if got, err := stream.ReadAll(t.Context(), w); len(got) != 1 || err != boom {
		t.Fatalf("ReadAll() = %v, %v", got, err)
	}
}

func wantPanic(t *testing.T, want string, fn func()) {
	t.Helper()
	if p := caught(fn); p != want {
		t.Errorf("panic(%v), want %s", p, want)
	}
}
