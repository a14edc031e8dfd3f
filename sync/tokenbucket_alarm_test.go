package xsync_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// The alarm is for the first that waits, whatever those want who come after it.
func TestTokenBucketAlarmOfTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := xsync.NewTokenBucket(1, time.Second, xsync.Continuous)
		b.TryConsume(1)
		ctx, cancel := context.WithCancel(t.Context())
		var c calls
		c.start("small", func() error { return b.Consume(t.Context(), 1) })
		c.start("large", func() error { return b.Consume(ctx, 1000) })
		time.Sleep(time.Second)
		c.want(t, "small <nil>")
		cancel()
		c.want(t, "large context canceled")
	})
}

// Where nobody waits, nothing is armed, which would keep a loop alive.
func TestTokenBucketDisarms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := dispatch.New(dispatch.Config{})
		wantErr(t, "New", err, nil)
		defer d.Close()
		b := xsync.NewTokenBucketOn(d, 1, time.Hour, xsync.Continuous)
		b.TryConsume(1)
		ctx, cancel := context.WithCancel(t.Context())
		c := start(1, func(int) error { return b.Consume(ctx, 1) })
		want(t, d.Pending(), 1)
		cancel()
		c.want(t, "0 context canceled")
		want(t, d.Pending(), 0)
		c.start(1, func() error { return b.Consume(t.Context(), 1) })
		want(t, d.Pending(), 1)
		b.Replenish(1)
		c.want(t, "1 <nil>")
		want(t, d.Pending(), 0)
		// So it is with a Select, whatever ends it.
		other := permits{}
		for _, end := range []func(){
			func() { b.Replenish(1) }, func() { other.add(1) }, func() { cancel() },
			func() {
				time.Sleep(time.Hour)
				_, err := d.Poll(0)
				wantErr(t, "Poll", err, nil)
			},
		} {
			var ctx context.Context
			ctx, cancel = context.WithCancel(t.Context())
			c.start(1, func() error {
				_, err := xsync.Select(ctx, other.one(), b.ConsumeCase(1))
				return err
			})
			want(t, d.Pending(), 1)
			end()
			synctest.Wait()
			want(t, b.Stats().Waiting, 0)
			want(t, d.Pending(), 0)
			cancel()
		}
		// A wait that is refused arms nothing, either.
		d.CallSoon(func() {
			mustPanic(t, "core: wait inside a dispatcher callback", func() { _ = b.Consume(t.Context(), 1) })
		})
		_, err = d.Poll(0)
		wantErr(t, "Poll", err, nil)
		want(t, d.Pending(), 0)
	})
}

// Numbers that take more bits than there are stand for the end of time, and for all there can be.
func TestTokenBucketEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := &ahead{start: time.Now()}
		for _, mode := range []xsync.FillMode{xsync.Continuous, xsync.Discrete} {
			clock.alarms = 0
			b := xsync.NewTokenBucketOn(clock, 1, math.MaxInt64, mode)
			b.TryConsume(1)
			time.Sleep(time.Hour)
			ctx, cancel := context.WithCancel(t.Context())
			c := start(1, func(int) error { return b.Consume(ctx, 3) })
			want(t, clock.alarms, 1)
			cancel()
			c.want(t, "0 context canceled")

			b = xsync.NewTokenBucket(math.MaxInt, 1, mode)
			b.TryConsume(math.MaxInt)
			time.Sleep(time.Hour)
			want(t, b.Available(), math.MaxInt)
		}
	})
}

// hooked is a clock that calls hook when it is asked for a timer.
type hooked struct {
	manual
	hook func()
}

func (h *hooked) AfterFunc(d time.Duration, fn func()) *time.Timer {
	h.hook()
	return h.manual.AfterFunc(d, fn)
}

// Tokens beyond the capacity are for the one that waits for so many. They are nobody's when that is a Select that
// wins something else, not even for one who asks in the same moment.
func TestTokenBucketBeyondCapacity(t *testing.T) {
	for name, c := range map[string]struct {
		ask  func(b *xsync.TokenBucket) int
		want int
	}{
		"TryConsume": {func(b *xsync.TokenBucket) int { return map[bool]int{true: 8}[b.TryConsume(8)] }, 0},
		"Available":  {func(b *xsync.TokenBucket) int { return b.Available() }, 0},
		"ConsumeCase": {func(b *xsync.TokenBucket) int {
			n, _ := xsync.Select(context.Background(), b.ConsumeCase(8), xsync.After(0))
			return n
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				clock := &hooked{hook: func() {}}
				b := xsync.NewTokenBucketOn(clock, 5, time.Hour, xsync.Continuous)
				var other permits
				wins := start(1, func(int) error {
					_, err := xsync.Select(t.Context(), b.ConsumeCase(10), other.one())
					return err
				})
				clock.hook = func() { panic("boom") } // leaves it without an alarm, so that the next call sets one
				mustPanic(t, "boom", func() { b.Replenish(3) })
				clock.hook = func() { other.add(1) }
				if got := c.ask(b); got != c.want {
					t.Errorf("%d, want %d", got, c.want)
				}
				clock.hook = func() {}
				wins.want(t, "0 <nil>")
				want(t, b.Available(), 5)
			})
		})
	}
}
