package stream_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/stream"
)

// A timeline has a character for each millisecond from the beginning of the run: - is nothing, a
// letter a value, | the end, # the failure with errBoom, * another error; (ab) is several in one
// millisecond. A source whose line has neither end nor failure waits behind it for ever.
type timeline []instant

type instant struct {
	at   time.Duration
	what string
}

func parse(line string) (all timeline) {
	at, group := time.Duration(0), false
	for _, c := range line {
		switch c {
		case '(':
			group = true
			continue
		case ')':
			group = false
		case '-':
		default:
			all = append(all, instant{at, string(c)})
		}
		if !group {
			at += ms
		}
	}
	return all
}

func (l timeline) String() string {
	var out strings.Builder
	for at := time.Duration(0); len(l) > 0; at += ms {
		now := ""
		for len(l) > 0 && l[0].at < at+ms {
			now, l = now+l[0].what, l[1:]
		}
		switch len(now) {
		case 0:
			now = "-"
		case 1:
		default:
			now = "(" + now + ")"
		}
		out.WriteString(now)
	}
	return out.String()
}

// playing is a stream of what is in line, each value at its time, or as soon after that as it is
// wanted.
func playing(line string) stream.Stream[string] {
	var began time.Time
	all := append(parse(line), instant{1000 * time.Hour, "|"})
	events := stream.From(func(yield func(instant) bool) {
		began = time.Now()
		for _, e := range all {
			if !yield(e) {
				return
			}
		}
	})
	due := stream.Filter(events, func(ctx context.Context, e instant) (bool, error) {
		if left := e.at - time.Since(began); left > 0 {
			if err := core.Sleep(ctx, left); err != nil {
				return false, err
			}
		}
		switch e.what {
		case "|":
			return false, stream.ErrStop
		case "#":
			return false, errBoom
		}
		return true, nil
	})
	return stream.Map(due, func(_ context.Context, e instant) (string, error) { return e.what, nil })
}

// watch runs s and returns the timeline of what it gives to a sink that takes its time for each value.
func watch(ctx context.Context, s stream.Stream[string], slow time.Duration) timeline {
	began := time.Now()
	var got timeline
	note := func(what string) { got = append(got, instant{time.Since(began), what}) }
	err := stream.ForEach(ctx, s, func(ctx context.Context, v string) error {
		note(v)
		if slow > 0 {
			return core.Sleep(ctx, slow)
		}
		return nil
	})
	switch err {
	case nil:
		note("|")
	case errBoom:
		note("#")
	default:
		note("*")
	}
	return got
}

// line is a case of a timed stage.
type line struct {
	in   []string
	slow time.Duration // what the sink takes for each value
	want string
}

// lines runs the cases of a stage everywhere.
func lines(t *testing.T, stage func(in ...stream.Stream[string]) stream.Stream[string], cases ...line) {
	t.Helper()
	everywhere(t, func(t *testing.T, ctx context.Context) {
		for _, c := range cases {
			var in []stream.Stream[string]
			for _, l := range c.in {
				in = append(in, playing(l))
			}
			if got := watch(ctx, stage(in...), c.slow).String(); got != c.want {
				t.Errorf("of %q, slow by %v, comes\n%s, want\n%s", c.in, c.slow, got, c.want)
			}
		}
	})
}

func one(l string) []string { return []string{l} }

func TestTimelines(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		for _, l := range []string{"|", "#", "a|", "(ab)-c|", "--a(b#)"} {
			if got := watch(ctx, playing(l), 0).String(); got != l || slices.IndexFunc(parse(l), func(e instant) bool { return e.what == "-" }) >= 0 {
				t.Errorf("%q is played as %q", l, got)
			}
		}
	})
}
