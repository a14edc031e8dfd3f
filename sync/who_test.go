package xsync_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/event"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/lock"
	"github.com/seed-1e54c410/turnstile/queue"
	"github.com/seed-1e54c410/turnstile/stream"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// waits is a call that will wait, and how it is called.
type waits struct {
	call string
	wait func(ctx context.Context) error
}

// held is every type, with calls that wait, those who hold it by then, and its Who.
func held(ctx context.Context) map[string]struct {
	holders []string
	calls   []waits
	who     func() *xsync.Who
} {
	var l lock.AsyncLock
	var rw lock.AsyncRWLock
	sem := xsync.NewSemaphore(2)
	_, _, _ = l.TryAcquire(), rw.TryAcquire(), sem.TryAcquireN(2)
	cond := newWatched(0)
	bar := xsync.NewBarrier(3)
	var wg xsync.WaitGroup
	wg.Add(1)
	var once xsync.Once[int]
	hour := func(ctx context.Context) (int, error) { return 1, core.Sleep(ctx, time.Hour) }
	bucket := xsync.NewTokenBucket(1, time.Hour, xsync.Discrete)
	bucket.TryConsume(1)
	var e event.AsyncEvent
	var s event.AsyncSignal
	var w event.Watch[int]
	var log event.AsyncEventQueue[int]
	reader, second := log.Subscribe(), log.Subscribe()
	empty, full := queue.New[int](1), queue.New[int](1)
	_ = full.TryPut(1)
	unread, blank := stream.New[int](1), stream.New[int](1)
	_ = unread.TryWrite(1)
	var open xsync.WaitGroup
	open.Add(1)
	type of = struct {
		holders []string
		calls   []waits
		who     func() *xsync.Who
	}
	read := func(r *event.Reader[int]) func(ctx context.Context) error {
		return func(ctx context.Context) error { _, err := r.Read(ctx, 1); return err }
	}
	return map[string]of{
		"AsyncLock":   {[]string{"lock.(*AsyncLock).TryAcquire 1"}, []waits{{"lock.(*AsyncLock).Acquire", l.Acquire}}, func() *xsync.Who { return l.Stats().Who }},
		"AsyncRWLock": {[]string{"lock.(*AsyncRWLock).TryAcquire 1"}, []waits{{"lock.(*AsyncRWLock).Acquire", rw.Acquire}, {"lock.(*AsyncRWLock).RAcquire", rw.RAcquire}}, func() *xsync.Who { return rw.Stats().Who }},
		"Semaphore": {[]string{"sync.(*Semaphore).TryAcquireN 2"}, []waits{{"sync.(*Semaphore).Acquire", sem.Acquire}, {"sync.Select", func(ctx context.Context) error {
			_, err := xsync.Select(ctx, sem.AcquireNCase(2), e.WaitCase())
			return err
		}}}, func() *xsync.Who { return sem.Stats().Who }},
		"Cond":        {nil, []waits{{"sync.(*Cond).Wait", cond.wait}}, func() *xsync.Who { return cond.cond.Stats().Who }},
		"Barrier":     {nil, []waits{{"sync.(*Barrier).Wait", func(ctx context.Context) error { _, err := bar.Wait(ctx); return err }}}, func() *xsync.Who { return bar.Stats().Who }},
		"WaitGroup":   {nil, []waits{{"sync.(*WaitGroup).Wait", wg.Wait}}, func() *xsync.Who { return wg.Stats().Who }},
		"TokenBucket": {nil, []waits{{"sync.(*TokenBucket).Consume", func(ctx context.Context) error { return bucket.Consume(ctx, 1) }}}, func() *xsync.Who { return bucket.Stats().Who }},
		"Once": {nil, []waits{{"", func(ctx context.Context) error { _, err := once.Do(ctx, hour); return err }}, {"sync.(*Once[...]).Do", func(ctx context.Context) error {
			_, err := once.Do(ctx, hour)
			return err
		}}}, func() *xsync.Who { return once.Stats().Who }},
		"AsyncSignal":     {nil, []waits{{"event.(*AsyncSignal).Wait", s.Wait}}, func() *xsync.Who { return s.Stats().Who }},
		"AsyncEvent":      {nil, []waits{{"event.(*AsyncEvent).Wait", e.Wait}}, func() *xsync.Who { return e.Stats().Who }},
		"Watch":           {nil, []waits{{"event.(*Watch[...]).Changed", func(ctx context.Context) error { _, _, err := w.Changed(ctx, 0); return err }}}, func() *xsync.Who { return w.Stats().Who }},
		"AsyncEventQueue": {nil, []waits{{"event.(*Reader[...]).Read", read(reader)}, {"event.(*Reader[...]).Read", read(second)}}, func() *xsync.Who { return log.Stats().Who }},
		"empty":           {nil, []waits{{"queue.(*AsyncQueue[...]).Get", func(ctx context.Context) error { _, err := empty.Get(ctx); return err }}}, func() *xsync.Who { return empty.Stats().Who }},
		"full":            {nil, []waits{{"queue.(*AsyncQueue[...]).Put", func(ctx context.Context) error { return full.Put(ctx, 1) }}, {"queue.(*AsyncQueue[...]).Join", full.Join}}, func() *xsync.Who { return full.Stats().Who }},
		"blank stream":    {nil, []waits{{"stream.(*FutureStream[...]).Read", func(ctx context.Context) error { _, err := blank.Read(ctx); return err }}}, func() *xsync.Who { return blank.Stats().Who }},
		"full stream":     {nil, []waits{{"stream.(*FutureStream[...]).Write", func(ctx context.Context) error { return unread.Write(ctx, 1) }}}, func() *xsync.Who { return unread.Stats().Who }},
	}
}

// Every type tells who holds it and who waits, where and since when, in tasks and on goroutines; nobody is
// there any more when that is over, and nothing while tracking is off.
func TestWho(t *testing.T) {
	for name := range held(t.Context()) {
		for _, at := range []string{"tasks", "goroutines", "off"} {
			t.Run(name+" "+at, func(t *testing.T) {
				core.Track(at != "off")
				defer core.Track(false)
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					of := held(ctx)[name]
					began := time.Now()
					main := func(ctx context.Context) error {
						var tasks []*core.Task
						var want []string
						for _, c := range of.calls {
							tasks = append(tasks, core.Start(ctx, func(ctx context.Context) error { return c.wait(ctx) }))
							if at == "goroutines" {
								synctest.Wait()
							}
							if c.call != "" {
								want = append(want, c.call)
							}
						}
						who := of.who()
						if at == "off" {
							if who != nil {
								t.Errorf("there is a Who: %+v", who)
							}
						} else {
							wantWho(t, who, of.holders, want, began)
						}
						for _, task := range tasks {
							_ = task.CancelAndWait(ctx)
						}
						if who := of.who(); who != nil && len(who.Waiters) != 0 {
							t.Errorf("they still wait: %v", who.Waiters)
						}
						return nil
					}
					if at != "goroutines" {
						wantErr(t, "Run", core.Run(ctx, main), nil)
						return
					}
					_ = main(ctx)
				})
			})
		}
	}
}

func wantWho(t *testing.T, who *xsync.Who, holders, waiters []string, began time.Time) {
	t.Helper()
	var gotHolders, gotWaiters []string
	for _, c := range who.Holders {
		gotHolders = append(gotHolders, fmt.Sprint(c.Call, " ", c.N))
		if c.Task != "" || c.Ended || !strings.Contains(c.Place, "sync_test.held (") || !c.Since.Equal(began) {
			t.Errorf("holder %v", c)
		}
	}
	for i, c := range who.Waiters {
		gotWaiters = append(gotWaiters, c.Call)
		if !strings.Contains(c.Task, "TestWho") || c.Ended || !strings.Contains(c.Place, "who_test.go:") &&
			!strings.Contains(c.Place, "helpers_test.go:") && !strings.Contains(c.Place, "cond_test.go:") && c.Place == "" || !c.Since.Equal(began) {
			t.Errorf("waiter %d: %v", i, c)
		}
	}
	if !slices.Equal(gotHolders, holders) || !slices.Equal(gotWaiters, waiters) {
		t.Errorf("held by %q, waited for by %q, want %q and %q", gotHolders, gotWaiters, holders, waiters)
	}
}

// Who gives back what another has is put down to the oldest holder; permits are given back in parts.
func TestWhoGivesBack(t *testing.T) {
	core.Track(true)
	defer core.Track(false)
	s := xsync.NewSemaphore(10)
	if err := core.Run(t.Context(), func(ctx context.Context) error {
		take := func(n int) *core.Task {
			gate := core.NewFuture[int]()
			task := core.Start(ctx, func(ctx context.Context) error {
				if err := s.AcquireN(ctx, n); err != nil {
					return err
				}
				_, _ = gate.Await(ctx)
				s.ReleaseN(1)
				_, err := core.NewFuture[int]().Await(ctx)
				return err
			})
			gate.Complete(1)
			return task
		}
		hold := func(want ...int) {
			t.Helper()
			wantHolds(t, s.Stats().Who, want...)
		}
		first, second := take(3), take(4)
		hold(3, 4)
		if err := core.Steps(ctx, 5); err != nil {
			return err
		}
		hold(2, 3) // each its own
		s.ReleaseN(3)
		hold(2) // the oldest has nothing left
		_, _ = first.CancelAndWait(ctx), second.CancelAndWait(ctx)
		if c := s.Stats().Who.Holders[0]; !c.Ended {
			t.Errorf("%v has not ended", c)
		}
		s.ReleaseN(2)
		hold()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// A release that panics takes nothing from those who hold.
func TestWhoAfterMisuse(t *testing.T) {
	core.Track(true)
	defer core.Track(false)
	s := xsync.NewSemaphore(10)
	s.TryAcquireN(3)
	mustPanic(t, "xsync: release of more permits than are held", func() { s.ReleaseN(4) })
	wantHolds(t, s.Stats().Who, 3)
	s.ReleaseN(3)
	wantHolds(t, s.Stats().Who)
	var l lock.AsyncRWLock
	const none = "lock: release of AsyncRWLock that nobody holds for "
	l.TryAcquire()
	mustPanic(t, none+"reading", l.RRelease)
	wantHolds(t, l.Stats().Who, 1)
	l.Downgrade()
	mustPanic(t, none+"writing", l.Release)
	wantHolds(t, l.Stats().Who, 1)
	l.RRelease()
	wantHolds(t, l.Stats().Who)
}

// wantHolds asserts how much each of the holders has.
func wantHolds(t *testing.T, who *xsync.Who, want ...int) {
	t.Helper()
	var got []int
	for _, c := range who.Holders {
		got = append(got, c.N)
	}
	if !slices.Equal(got, want) {
		t.Errorf("held %v, want %v", got, want)
	}
}

// The text names all there is.
func TestCallerString(t *testing.T) {
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for want, c := range map[string]xsync.Caller{
		"goroutine, in lock.X at main.f (m.go:1), since Jan  2 03:04:05.000": {Call: "lock.X", Place: "main.f (m.go:1)", Since: since},
		"task main.f, which has ended, in lock.X, since Jan  2 03:04:05.000": {Task: "main.f", Ended: true, Call: "lock.X", Since: since},
	} {
		if got := c.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Tracking is turned on and off while others take, wait and ask: nothing is mixed up, and what is
// forgotten does not come back.
func TestWhoStress(t *testing.T) {
	defer core.Track(false)
	s := check.Stress{Runner: new(check.Goroutines), N: 20, Ops: check.Times(200, 5000)}
	var outer, inner lock.AsyncLock
	var stop xsync.WaitGroup
	stop.Add(1)
	go func() {
		defer stop.Done()
		for i := 0; i < 1000; i++ {
			core.Track(i%2 == 0)
			_, _ = outer.Stats(), inner.Stats()
			runtime.Gosched()
		}
	}()
	if err := s.Lock(&outer, &inner); err != nil {
		t.Fatal(err)
	}
	_ = stop.Wait(context.Background())
	core.Track(false)
	core.Track(true)
	if who := outer.Stats().Who; len(who.Holders) != 0 || len(who.Waiters) != 0 {
		t.Errorf("it remembers %v", who)
	}
}
