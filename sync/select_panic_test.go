package xsync_test

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/park"
	"github.com/seed-1e54c410/turnstile/queue"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// late is a case whose owner runs boom when it lets those behind go.
func (p *permits) late(armed *atomic.Bool, boom func()) xsync.Case {
	return p.queue.Case(&p.mu, 1, func(n *int) (bool, error) {
		if armed.Load() {
			boom()
		}
		return p.take(n)
	}, nil)
}

// Whatever ends a Select, and however owners answer that: all cases leave their queues, those behind them go,
// and the owner of one that has won hears of it.
func TestSelectPanicOfThoseThatLeave(t *testing.T) {
	for name, c := range map[string]struct {
		win, cancel bool
		boom        func()
		explode     bool        // in the ctx, too
		join        func() bool // answers for a newcomer that comes last, at its second look
		want        any
	}{
		"won":              {win: true, boom: func() { panic("first") }, want: "first"},
		"canceled":         {cancel: true, boom: func() { panic("first") }, want: "first"},
		"won, ctx":         {win: true, boom: func() { panic("first") }, explode: true, want: "boom"},
		"ctx":              {boom: func() { panic("first") }, explode: true, want: "boom"},
		"newcomer":         {boom: func() { panic("first") }, join: func() bool { return true }, want: "first"},
		"newcomer panics":  {boom: func() { panic("first") }, join: func() bool { panic("join") }, want: "join"},
		"won, Goexit":      {win: true, boom: runtime.Goexit},
		"won, ctx, Goexit": {win: true, boom: runtime.Goexit, explode: true},
		"canceled, Goexit": {cancel: true, boom: runtime.Goexit},
	} {
		for _, task := range []bool{false, true} {
			if task && c.want == nil {
				continue // Goexit is for goroutines
			}
			t.Run(name+map[bool]string{true: " in a task"}[task], func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var wins, first, second, last permits
					var armed atomic.Bool
					told := 0
					settling := park.Matching(second.one(), func() {
						if armed.Load() {
							second.mu.Unlock()
							panic("second")
						}
					})
					two := last.queue.Case(&last.mu, 2, last.take, nil)
					last.n = 1
					cases := []xsync.Case{
						first.late(&armed, c.boom),
						wins.queue.Case(&wins.mu, 1, wins.take, func(int, error) { told++ }),
						settling,
						two,
					}
					var served atomic.Int32
					trigger := func() {
						for _, p := range []*permits{&first, &second, &last} {
							go func() {
								if p.acquire(t.Context(), 1) == nil { // else the test has failed, and is over
									served.Add(1)
								}
							}()
							for _, n := p.state(); n != 2; _, n = p.state() {
								runtime.Gosched()
							}
						}
						armed.Store(true)
						if c.win {
							wins.add(1)
						}
					}
					if c.join != nil {
						var q xsync.WaitQueue[int]
						looks := 0
						cases = append(cases, q.Case(new(sync.Mutex), 0, func(*int) (bool, error) {
							if looks++; looks != 2 {
								return false, nil
							}
							trigger()
							return c.join(), nil
						}, nil))
					}
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					if c.explode {
						e := &exploding{Context: ctx, fuse: trigger}
						e.n.Store(2) // the first is at the call
						ctx = e
					}
					var got any
					call := func() { got = panics(func() { _, _ = xsync.Select(ctx, cases...) }) }
					go func() {
						if !task {
							call()
							return
						}
						if err := core.Run(t.Context(), func(context.Context) error { call(); return nil }); err != nil {
							t.Error(err)
						}
					}()
					synctest.Wait()
					if !c.explode && c.join == nil {
						trigger()
						if c.cancel {
							cancel()
						}
					}
					synctest.Wait()
					armed.Store(false)
					if got != c.want {
						t.Errorf("panic %v, want %v", got, c.want)
					}
					if c.win != (told == 1) || told > 1 {
						t.Errorf("the owner of what was granted heard of it %d times", told)
					}
					want(t, served.Load(), 1) // the one behind last; the others find nothing to take
					for _, p := range []*permits{&first, &second} {
						p.want(t, 0, 1)
						p.add(1)
					}
					synctest.Wait()
					want(t, served.Load(), 3)
					for _, p := range []*permits{&wins, &first, &second, &last} {
						p.want(t, 0, 0)
					}
					var again calls
					again.start("again", func() error {
						_, err := xsync.Select(t.Context(), cases...)
						return err
					})
					last.add(2)
					again.want(t, "again <nil>")
				})
			})
		}
	}
}

// A comparison that panics when a Select has got its item from a full queue, for those who wait for the
// room, does not take the item along.
func TestSelectPanicBehindAnItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		boom := false
		q := queue.NewPriority(2, func(a, b int) int {
			if boom {
				panic("boom")
			}
			return a - b
		})
		wantErr(t, "TryPut", q.TryPut(1), nil)
		wantErr(t, "TryPut", q.TryPut(2), nil)
		c := start(1, func(int) error { return q.Put(t.Context(), 3) })
		boom = true
		v := 0
		mustPanic(t, "boom", func() { _, _ = xsync.Select(t.Context(), q.GetCase(&v)) })
		boom = false
		want(t, v, 1)
		_, err := xsync.Select(t.Context(), q.GetCase(&v))
		wantErr(t, "Select", err, nil)
		want(t, v, 2)
		c.want(t, "0 <nil>")
	})
}

// The last word of an owner may panic, too, and is not asked for again.
func TestSelectPanicOfDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a permits
		told := 0
		c := a.queue.Case(&a.mu, 1, a.take, func(int, error) {
			if told++; told == 1 {
				panic("boom")
			}
		})
		a.n = 1
		mustPanic(t, "boom", func() { _, _ = xsync.Select(t.Context(), c) })
		ended := make(chan any, 1)
		go func() { ended <- panics(func() { _, _ = xsync.Select(t.Context(), c) }) }()
		synctest.Wait()
		told = 0
		a.add(1)
		want(t, <-ended, any("boom"))
		want(t, told, 1)
		a.want(t, 0, 0)
	})
}
