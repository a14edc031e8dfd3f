package stream_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/stream"
)

// closing runs fn on a goroutine, with a dispatcher that closes after a while.
func closing(t *testing.T, fn func(ctx context.Context) error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d, err := dispatch.New(dispatch.Config{})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := d.Run(context.Background()); err != nil {
				t.Error(err)
			}
		})
		var ended error
		wg.Go(func() { ended = fn(core.On(t.Context(), d)) })
		synctest.Wait()
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
		if ended == nil {
			t.Error("it has ended well")
		}
	})
}

// work takes as long as the letter says, a by 1 ms, b by 2 ms and so on; it fails for x and stops
// for y, at once.
func work(ctx context.Context, v string) (string, error) {
	switch v {
	case "x":
		return "", errBoom
	case "y":
		return "", stream.ErrStop
	}
	return v, core.Sleep(ctx, time.Duration(v[0]-'a'+1)*ms)
}

func TestMapN(t *testing.T) {
	for _, c := range []struct {
		order stream.Order
		n     int
		lines []line
	}{
		{stream.Ordered, 1, []line{
			{one("|"), 0, "|"},
			{one("abc|"), 0, "-a-b--(c|)"},
			{one("(abc)#"), 0, "-a-b--(c#)"},
			{one("axb|"), 0, "-(a#)"},
		}},
		{stream.Ordered, 3, []line{
			{one("(cba)|"), 0, "---(cba|)"},
			{one("(ccc)(ccc)|"), 0, "---(ccc)--(ccc|)"},
			{one("(cax)b|"), 0, "---(ca#)"}, // what is before the failure is waited for
			{one("(xcc)|"), 0, "#"},         // what is behind it is not
			{one("(eyc)c|"), 0, "-----(e|)"},
			{one("(ea)#"), 0, "-----(ea#)"},
			{one("(aaaaaaaaa)|"), 3 * ms, "-a--a--a--a--a--a--a--a--a--|"},
		}},
		{stream.Unordered, 3, []line{
			{one("(cba)|"), 0, "-ab(c|)"},
			{one("(cab)d|"), 0, "-abc-(d|)"},
			{one("(cax)|"), 0, "#"},
			{one("(ca)-x|"), 0, "-a#"},
			{one("(ca)-y|"), 0, "-a|"},
			{one("(eb)#"), 0, "--b--(e#)"},
		}},
	} {
		t.Run(fmt.Sprint(c.order, c.n), func(t *testing.T) {
			lines(t, func(in ...stream.Stream[string]) stream.Stream[string] {
				return stream.MapN(in[0], c.n, c.order, work)
			}, c.lines...)
		})
	}
}

// A failure cancels the calls behind it at once, and those alone.
func TestMapNCancelsTheRest(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		for _, order := range []stream.Order{stream.Ordered, stream.Unordered} {
			began := time.Now()
			ends := make([]string, 4)
			var mu sync.Mutex
			source := false
			src := stream.Map(stream.From(numbers(9)), func(ctx context.Context, v int) (int, error) {
				if v < 4 {
					return v, nil
				}
				err := core.Sleep(ctx, time.Hour)
				source = err != nil && time.Since(began) == 5*ms
				return v, err
			})
			got, err := stream.ReadAll(ctx, stream.MapN(src, 4, order, func(ctx context.Context, v int) (int, error) {
				after := []time.Duration{10 * ms, 5 * ms, time.Hour, time.Hour}[v]
				err := core.Sleep(ctx, after)
				mu.Lock()
				ends[v] = fmt.Sprint(time.Since(began), err)
				mu.Unlock()
				if err == nil && v == 1 {
					err = errBoom
				}
				return v, err
			}))
			first := map[stream.Order]string{stream.Ordered: "10ms <nil>", stream.Unordered: "5ms context canceled"}[order]
			want := []string{first, "5ms <nil>", "5ms context canceled", "5ms context canceled"}
			if !slices.Equal(ends, want) || !source || err != errBoom || (len(got) == 1) != (order == stream.Ordered) {
				t.Errorf("calls end %v, the source %t, ReadAll() = %v, %v", ends, source, got, err)
			}
		}
	})
}

// However slow the sink is, so many values are ahead of it and no more; the calls are bounded, too,
// and no more tasks are started than there is work for.
func TestMapNBound(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		for _, order := range []stream.Order{stream.Ordered, stream.Unordered} {
			var mu sync.Mutex
			drawn, given, calls := 0, 0, 0
			src := stream.Map(stream.From(numbers(100)), func(_ context.Context, v int) (int, error) {
				mu.Lock()
				defer mu.Unlock()
				drawn++
				return v, nil
			})
			err := stream.ForEach(ctx, stream.MapN(src, 3, order, func(ctx context.Context, v int) (int, error) {
				mu.Lock()
				if calls++; calls > 3 {
					t.Errorf("%d calls", calls)
				}
				mu.Unlock()
				err := core.Sleep(ctx, ms)
				mu.Lock()
				calls--
				mu.Unlock()
				return v, err
			}), func(ctx context.Context, v int) error {
				given++
				if err := core.Sleep(ctx, time.Minute); err != nil {
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				if ahead := drawn - given; ahead != min(6, 100-given) { // this one is one of 2n, one waits
					t.Errorf("at value %d the source is %d ahead", given, ahead)
				}
				return nil
			})
			if given != 100 || err != nil {
				t.Errorf("%d values, %v", given, err)
			}
		}
	})
}

// With drawn times MapN gives what a slice gives, in its order or by time.
func TestMapNModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		takes := rapid.SliceOfN(rapid.IntRange(0, 9), 0, 20).Draw(t, "takes")
		n := rapid.IntRange(1, 5).Draw(t, "n")
		order := rapid.SampledFrom([]stream.Order{stream.Ordered, stream.Unordered}).Draw(t, "order")
		fails := rapid.IntRange(0, 25).Draw(t, "fails")
		task := rapid.Bool().Draw(t, "task")
		body := func(ctx context.Context) error {
			calls, most := 0, 0
			var mu sync.Mutex
			s := stream.MapN(stream.From(slices.Values(takes)), n, order, func(ctx context.Context, v int) (int, error) {
				mu.Lock()
				calls++
				most = max(most, calls)
				mu.Unlock()
				err := core.Sleep(ctx, time.Duration(v)*ms)
				mu.Lock()
				calls--
				mu.Unlock()
				return v, err
			})
			at := 0
			s = stream.Map(s, func(_ context.Context, v int) (int, error) {
				at++
				if at == fails {
					return v, errBoom
				}
				return v, nil
			})
			got, err := stream.ReadAll(ctx, s)
			want := slices.Clone(takes)
			if fails > 0 && fails <= len(takes) {
				want = want[:fails-1]
				if err != errBoom {
					t.Errorf("ReadAll() = %v", err)
				}
			} else if err != nil {
				t.Errorf("ReadAll() = %v", err)
			}
			if order == stream.Unordered && len(want) == len(takes) {
				slices.Sort(want)
				slices.Sort(got)
			}
			if order == stream.Ordered || len(want) == len(takes) {
				if !slices.Equal(got, want) {
					t.Errorf("got %v, want %v", got, want)
				}
			} else if len(got) != len(want) {
				t.Errorf("got %v, of %d", got, len(want))
			}
			if calls != 0 || most > n {
				t.Errorf("%d calls are left, there were up to %d", calls, most)
			}
			return nil
		}
		rapid.SyncTest(t, func(t *rapid.T) {
			if !task {
				_ = body(context.Background())
			} else if err := core.Run(context.Background(), body); err != nil {
				t.Error(err)
			}
		})
	})
}
