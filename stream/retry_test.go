package stream_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/stream"
)

// attempts is a stream whose runs play lines, one after the other, and note when they begin.
func attempts(began *[]time.Duration, runs ...string) stream.Stream[string] {
	n, start := 0, time.Now()
	return each(stream.From(func(yield func(stream.Stream[string]) bool) {
		*began = append(*began, time.Since(start))
		run := runs[min(n, len(runs)-1)]
		n++
		yield(playing(run))
	}))
}

func TestRetry(t *testing.T) {
	var odd []float64 // what Rand returns next
	for _, c := range []struct {
		name   string
		runs   []string
		policy stream.RetryPolicy
		want   string
		began  []time.Duration
	}{
		{"no failure", []string{"ab|"}, stream.RetryPolicy{}, "ab|", []time.Duration{0}},
		{"defaults", []string{"#"}, stream.RetryPolicy{}, "#", []time.Duration{0, 100 * ms, 300 * ms}},
		{"the second works", []string{"#", "ab|"}, stream.RetryPolicy{Delay: 4 * ms}, "----ab|", []time.Duration{0, 4 * ms}},
		{"values come again", []string{"a#", "ab|"}, stream.RetryPolicy{Delay: 3 * ms}, "a---ab|", []time.Duration{0, 4 * ms}},
		{"doubled up to a bound", []string{"#"}, stream.RetryPolicy{Attempts: 6, Delay: ms, MaxDelay: 5 * ms}, "#", []time.Duration{0, ms, 3 * ms, 7 * ms, 12 * ms, 17 * ms}},
		{"the bound is below the first", []string{"#"}, stream.RetryPolicy{Delay: 8 * ms, MaxDelay: 5 * ms}, "#", []time.Duration{0, 5 * ms, 10 * ms}},
		{"an odd bound", []string{"#"}, stream.RetryPolicy{Attempts: 5, Delay: 2, MaxDelay: 5}, "#", []time.Duration{0, 2, 6, 11, 16}},
		{"the bound by default", []string{"#"}, stream.RetryPolicy{Attempts: 10, Delay: ms}, "#", []time.Duration{
			0, ms, 3 * ms, 7 * ms, 15 * ms, 31 * ms, 63 * ms, 127 * ms, 227 * ms, 327 * ms,
		}},
		{"progress", []string{"#", "#", "a#", "#", "|"}, stream.RetryPolicy{Attempts: -1, Delay: ms}, "---a---|", []time.Duration{0, ms, 3 * ms, 5 * ms, 7 * ms}},
		{"jitter", []string{"#"}, stream.RetryPolicy{Attempts: 4, Delay: 8 * ms, Rand: func() float64 {
			r := odd[0]
			odd = odd[1:]
			return r
		}}, "#", []time.Duration{0, 8 * ms, 16 * ms, 40 * ms}},
		{"not this error", []string{"a#"}, stream.RetryPolicy{If: func(err error) bool { return err != errBoom }}, "a#", []time.Duration{0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, ctx context.Context) {
				odd = []float64{0, 1, 0.5} // of half the delay
				var began []time.Duration
				s := attempts(&began, c.runs...)
				got := watch(ctx, stream.Retry(s, c.policy), 0)
				line := got.String()
				if got[len(got)-1].what == "#" && len(got) == 1 {
					line = "#"
				}
				if line != c.want || !slices.Equal(began, c.began) {
					t.Errorf("got %s, runs at %v, want %s, %v", line, began, c.want, c.began)
				}
			})
		})
	}
}

// What does not come from the source is not tried again.
func TestRetryLeavesOthersAlone(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		runs := 0
		src := stream.From(func(yield func(int) bool) {
			runs++
			for v := range 5 {
				if !yield(v) {
					return
				}
			}
		})
		forever := stream.RetryPolicy{Attempts: -1, Delay: ms}
		for want, end := range map[error]error{nil: stream.ErrStop, errBoom: errBoom} {
			runs = 0
			err := stream.ForEach(ctx, stream.Retry(src, forever), func(context.Context, int) error { return end })
			if err != want || runs != 1 {
				t.Errorf("ForEach() = %v, %d runs", err, runs)
			}
		}
		// The end of ctx, in a run and between two.
		for _, src := range []stream.Stream[string]{playing("a"), playing("--#")} {
			limited, cancel := core.WithTimeout(ctx, 5*ms)
			if _, err := stream.ReadAll(limited, stream.Retry(src, stream.RetryPolicy{Attempts: -1, Delay: time.Hour})); err != context.DeadlineExceeded {
				t.Errorf("ReadAll() = %v", err)
			}
			cancel()
		}
		runs = 0
		p := caught(func() {
			_, _ = stream.ReadAll(ctx, stream.Retry(stream.From(func(func(int) bool) { runs++; panic("once") }), forever))
		})
		if p != "once" || runs != 1 {
			t.Errorf("panic(%v), %d runs", p, runs)
		}
	})
}

func TestRetryDo(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		n := 0
		policy := stream.RetryPolicy{Attempts: 5, Delay: ms, If: func(err error) bool { return !errors.Is(err, io.EOF) }}
		fails := func(times int, then error) func(context.Context) error {
			n = 0
			return func(context.Context) error {
				if n++; n <= times {
					return errBoom
				}
				return then
			}
		}
		for _, c := range []struct {
			times int
			then  error
			want  error
			n     int
		}{{0, nil, nil, 1}, {4, nil, nil, 5}, {5, nil, errBoom, 5}, {2, io.EOF, io.EOF, 3}} {
			if err := policy.Do(ctx, fails(c.times, c.then)); err != c.want || n != c.n {
				t.Errorf("%v: Do() = %v after %d", c, err, n)
			}
		}
		done, cancel := core.WithCancel(ctx)
		cancel()
		if err := policy.Do(done, fails(0, nil)); err != context.Canceled || n != 0 {
			t.Errorf("Do() = %v after %d", err, n)
		}
		// What fn has said when ctx has ended is what is returned, and nobody asks whether to go on.
		done, cancel = core.WithCancel(ctx)
		asked := stream.RetryPolicy{If: func(error) bool { t.Error("asked"); return true }}
		if err := asked.Do(done, func(context.Context) error { cancel(); return errBoom }); err != errBoom {
			t.Errorf("Do() = %v", err)
		}
		// However many there are, the delay stays at its bound.
		began := time.Now()
		err := stream.RetryPolicy{Attempts: 102, Delay: time.Second, MaxDelay: time.Second + 1}.Do(ctx, fails(1000, nil))
		if took := time.Since(began); err != errBoom || took != 101*time.Second+100 {
			t.Errorf("Do() = %v after %v", err, took)
		}
		// A hundred times such a delay is more than there is.
		const years = 3 * 365 * 24 * time.Hour
		began = time.Now()
		err = stream.RetryPolicy{Delay: years}.Do(ctx, fails(2, nil))
		if took := time.Since(began); err != nil || took != 3*years {
			t.Errorf("Do() = %v after %v", err, took)
		}
	})
}
