package stream_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/stream"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

func TestThrottle(t *testing.T) {
	lines(t, func(in ...stream.Stream[string]) stream.Stream[string] { return stream.Throttle(in[0], 3*ms) },
		line{one("|"), 0, "|"},
		line{one("#"), 0, "#"},
		line{one("abcdefg|"), 0, "a--d--g|"},
		line{one("(abc)---d|"), 0, "a---d|"},
		line{one("-a-b-c--d-#"), 0, "-a---c--d-#"},
		line{one("abcdef|"), 2 * ms, "a--d--|"}, // e and f wait for the sink until 5, when 3 have not passed since d
	)
}

func TestDebounce(t *testing.T) {
	lines(t, func(in ...stream.Stream[string]) stream.Stream[string] { return stream.Debounce(in[0], 3*ms) },
		line{one("|"), 0, "|"},
		line{one("--#"), 0, "--#"},
		line{one("a-----|"), 0, "---a--|"},
		line{one("ab-c------d|"), 0, "------c----(d|)"},
		line{one("a-#"), 0, "--(a#)"},
		line{one("a----b----c----|"), 6 * ms, "---a-----b-----c-----|"},
		line{one("a----b--c-----------|"), 9 * ms, "---a--------c--------|"},
	)
}

func TestTimeout(t *testing.T) {
	lines(t, func(in ...stream.Stream[string]) stream.Stream[string] { return stream.Timeout(in[0], 4*ms) },
		line{one("|"), 0, "|"},
		line{one("---a--b--|"), 0, "---a--b--|"},
		line{one("a-b-----c|"), 0, "a-b---*"},
		line{one("------a"), 0, "----*"},
		line{one("a-#"), 0, "a-#"},
		line{one("a"), 0, "a---*"},
		line{one("ab"), 6 * ms, "a-----b---------*"}, // what the sink takes does not count
	)
	everywhere(t, func(t *testing.T, ctx context.Context) {
		if _, err := stream.ReadAll(ctx, stream.Timeout(playing("a"), ms)); err != stream.ErrTimeout {
			t.Errorf("ReadAll() = %v", err)
		}
		limited, cancel := core.WithTimeout(ctx, 2*ms)
		defer cancel()
		if _, err := stream.ReadAll(limited, stream.Timeout(playing("a"), time.Hour)); err != context.DeadlineExceeded {
			t.Errorf("ReadAll() = %v", err)
		}
		// An error of the source that looks like a deadline is its own.
		fails := stream.Map(stream.From(numbers(1)), func(context.Context, int) (int, error) { return 0, context.DeadlineExceeded })
		if _, err := stream.ReadAll(ctx, stream.Timeout(fails, ms)); err != context.DeadlineExceeded {
			t.Errorf("ReadAll() = %v", err)
		}
	})
}

func TestTick(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		for _, c := range []struct {
			slow []time.Duration
			want string
		}{
			{[]time.Duration{0, 0, 0}, "--2-4-(6|)"},
			{[]time.Duration{3 * ms, 0, 0}, "--2--4(6|)"},     // 4 comes at 5, and 6 when it is due
			{[]time.Duration{7 * ms, 0, 0}, "--2------8(:|)"}, // of 4, 6 and 8 the last, at 9; then 10
		} {
			began := time.Now()
			var got timeline
			err := stream.ForEach(ctx, stream.Tick(2*ms), func(ctx context.Context, due time.Time) error {
				got = append(got, instant{time.Since(began), string(rune('0' + due.Sub(began)/ms))})
				if len(got) == len(c.slow) {
					got = append(got, instant{time.Since(began), "|"})
					return stream.ErrStop
				}
				return core.Sleep(ctx, c.slow[len(got)-1])
			})
			if err != nil || got.String() != c.want {
				t.Errorf("slow by %v: %s, %v, want %s", c.slow, got, err, c.want)
			}
		}
		limited, cancel := core.WithTimeout(ctx, 5*ms)
		defer cancel()
		if got, err := stream.ReadAll(limited, stream.Tick(2*ms)); len(got) != 2 || err != context.DeadlineExceeded {
			t.Errorf("ReadAll() = %v, %v", got, err)
		}
	})
}

func TestRateLimit(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		for _, c := range []line{
			{one("(abcde)|"), 0, "(ab)--c--d--(e|)"},
			{one("a--------(bcd)#"), 0, "a--------(bc)--(d#)"},
			{one("|"), 0, "|"},
			{one("(abc)|"), 5 * ms, "a----b----c----|"},
		} {
			var b *xsync.TokenBucket
			if d := core.DispatcherOf(ctx); d != nil {
				b = xsync.NewTokenBucketOn(d, 2, 6*ms, xsync.Continuous)
			} else {
				b = xsync.NewTokenBucket(2, 6*ms, xsync.Continuous)
			}
			if got := watch(ctx, stream.RateLimit(playing(c.in[0]), b), c.slow).String(); got != c.want {
				t.Errorf("of %q comes\n%s, want\n%s", c.in, got, c.want)
			}
		}
		// A wait that is canceled takes no token.
		b := xsync.NewTokenBucket(1, time.Hour, xsync.Continuous)
		limited, cancel := core.WithTimeout(ctx, 5*ms)
		defer cancel()
		if got := watch(limited, stream.RateLimit(playing("abc|"), b), 0).String(); got != "a----*" || b.Stats().Waiting != 0 {
			t.Errorf("%s, %+v", got, b.Stats())
		}
	})
}

// beat is a stream of 0, 1, 2 …, of which each comes when the gap before it is over, to the nanosecond.
func beat(t *testing.T, ctx context.Context, stage func(stream.Stream[int]) stream.Stream[int], gaps ...time.Duration) (times []time.Duration) {
	t.Helper()
	began := time.Now()
	err := stream.ForEach(ctx, stage(paced(gaps...)), func(context.Context, int) error {
		times = append(times, time.Since(began))
		return nil
	})
	if err != nil {
		times = append(times, -1)
	}
	return times
}

// No stage is early or late by as much as a nanosecond.
func TestToTheNanosecond(t *testing.T) {
	const h = time.Hour
	everywhere(t, func(t *testing.T, ctx context.Context) {
		throttle := func(s stream.Stream[int]) stream.Stream[int] { return stream.Throttle(s, h) }
		equal(t, beat(t, ctx, throttle, 1, h-1, 1, h, h-1, h), 1, h+1, 2*h+1, 4*h)
		debounce := func(s stream.Stream[int]) stream.Stream[int] { return stream.Debounce(s, h) }
		equal(t, beat(t, ctx, debounce, 1, h-1, h+1, h+1), 2*h, 3*h+1, 3*h+2)
		timeout := func(s stream.Stream[int]) stream.Stream[int] { return stream.Timeout(s, h) }
		equal(t, beat(t, ctx, timeout, h-1, h-1), h-1, 2*h-2)
		equal(t, beat(t, ctx, timeout, h-1, h+1), h-1, -1)
	})
}

// A stage that has ended before its time leaves no timer, which would keep a dispatcher busy: everywhere looks.
func TestNoTimerIsLeft(t *testing.T) {
	for name, stage := range map[string]func(stream.Stream[int]) stream.Stream[int]{
		"Throttle": func(s stream.Stream[int]) stream.Stream[int] { return stream.Throttle(s, time.Hour) },
		"Debounce": func(s stream.Stream[int]) stream.Stream[int] { return stream.Debounce(s, time.Hour) },
		"Timeout":  func(s stream.Stream[int]) stream.Stream[int] { return stream.Timeout(s, time.Hour) },
		"Batch": func(s stream.Stream[int]) stream.Stream[int] {
			return stream.Map(stream.Batch(s, 9, time.Hour), func(_ context.Context, b []int) (int, error) { return b[0], nil })
		},
		"Until": func(s stream.Stream[int]) stream.Stream[int] { return stream.Until(s, core.NewFuture[int]()) },
		"Tick":  func(s stream.Stream[int]) stream.Stream[int] { return besides(stream.Tick(time.Hour), s) },
	} {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, ctx context.Context) {
				got, err := stream.ReadAll(ctx, stage(paced(ms, ms)))
				if len(got) == 0 || err != nil {
					t.Errorf("ReadAll() = %v, %v", got, err)
				}
				limited, cancel := core.WithTimeout(ctx, 2*ms)
				defer cancel()
				if _, err := stream.ReadAll(limited, stage(paced(ms, time.Hour))); err != context.DeadlineExceeded {
					t.Errorf("ReadAll() = %v", err)
				}
			})
		})
	}
}

// besides is b, with a running beside it.
func besides(a stream.Stream[time.Time], b stream.Stream[int]) stream.Stream[int] {
	never := stream.Map(a, func(context.Context, time.Time) (int, error) { return 0, errBoom })
	return stream.Take(stream.Merge(never, b), 2)
}

// The end that comes at the very moment in which the time is over has come in time if it was first.
func TestTimeoutAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := core.Run(context.Background(), func(ctx context.Context) error {
			for _, l := range []string{"----|", "----#", "----a|", "a---|"} { // the source sleeps first
				if got := watch(ctx, stream.Timeout(playing(l), 4*ms), 0).String(); got != l {
					t.Errorf("of %s comes %s", l, got)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// A Tick that is late looks at the ctx, too.
func TestTickLooksAtContext(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		ctx, cancel := core.WithCancel(ctx)
		defer cancel()
		n := 0
		err := stream.ForEach(ctx, stream.Tick(ms), func(ctx context.Context, _ time.Time) error {
			n++
			cancel()
			return core.Sleep(core.Shield(ctx), 5*ms)
		})
		if n != 1 || err != context.Canceled {
			t.Errorf("%d ticks, ForEach() = %v", n, err)
		}
	})
}
