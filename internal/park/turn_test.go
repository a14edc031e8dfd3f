package park_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/internal/park"
)

// quiet is a task by hand that tells when there is nothing to ask before a wait, as those of package core do.
type quiet struct{ *check.Host }

func (h quiet) Quiet() bool { return h.Context().Err() == nil && h.Err() == nil }

// simulated is a task by hand in a simulation that goes on.
type simulated struct{ *check.Host }

func (simulated) Simulated() bool { return true }

// getTurn takes a permit on the stack of the caller, as a read from a connection does, and tells how often it was
// its turn.
func (c *counted) getTurn(h park.Host) (turns int, err error) {
	c.mu.Lock()
	v := 1
	for first := false; ; first = true {
		turn, err := c.queue.WaitTurn(h, &c.mu, &v, c.take, first)
		if !turn {
			return turns, err
		}
		turns++
		if c.permits > 0 {
			c.permits--
			c.queue.Settle(c.take)
			c.mu.Unlock()
			return turns, nil
		}
	}
}

// turned is how a call of getTurn has ended.
type turned struct {
	who, turns int
	err        error
}

// lineUp makes n tasks wait for their turn, and returns what cancels them and what tells of those that have ended.
func (c *counted) lineUp(t *testing.T, n int, host func(*check.Host) park.Host) (cancel []context.CancelFunc, ended func() []turned) {
	var mu sync.Mutex
	var list []turned
	for i := range n {
		ctx, stop := context.WithCancel(t.Context())
		cancel = append(cancel, stop)
		h := check.NewHost(ctx)
		task(h, func(context.Context) {
			turns, err := c.getTurn(host(h))
			mu.Lock()
			defer mu.Unlock()
			list = append(list, turned{i, turns, err})
		})
	}
	return cancel, func() []turned {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		now := list
		list = nil
		return now
	}
}

func TestWaitTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counted{}
		cancel, ended := c.lineUp(t, 6, func(h *check.Host) park.Host { return quiet{h} })
		expect := func(what string, want ...turned) {
			t.Helper()
			if got := ended(); !slices.Equal(got, want) {
				t.Errorf("%s: ended %v, want %v", what, got, want)
			}
		}
		c.add(0)
		expect("a nudge for nothing")
		c.waiting(t, 6) // the first one is the first again
		c.add(1)
		expect("a permit", turned{0, 2, nil})
		cancel[2]()
		expect("a cancel behind the head", turned{2, 0, context.Canceled})
		c.grant(t)
		expect("a grant", turned{1, 0, nil})

		// It is nobody's turn without a nudge.
		c.mu.Lock()
		c.permits++
		c.mu.Unlock()
		expect("a permit of which nobody is told")
		c.waiting(t, 3)
		c.add(1) // and the one behind goes by Settle
		if got := ended(); len(got) != 2 || got[0].err != nil || got[1].err != nil || got[0].who == 5 || got[1].who == 5 {
			t.Errorf("two permits: ended %v", got)
		}
		c.mu.Lock()
		c.queue.Fail(-1, context.DeadlineExceeded)
		c.mu.Unlock()
		expect("the end of the owner", turned{5, 0, context.DeadlineExceeded})
		c.waiting(t, 0)
	})
}

// A wake that is for nothing is no turn.
func TestWaitTurnWokenForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counted{}
		var h *check.Host
		_, ended := c.lineUp(t, 1, func(it *check.Host) park.Host { h = it; return quiet{h} })
		c.mu.Lock()
		c.permits++
		c.mu.Unlock()
		h.Wake()
		if got := ended(); len(got) != 0 {
			t.Errorf("ended %v", got)
		}
		c.add(0)
		if got := ended(); !slices.Equal(got, []turned{{0, 1, nil}}) {
			t.Errorf("ended %v", got)
		}
	})
}

// A task that is nudged and canceled at once takes nothing, and leaves its turn to the next.
func TestWaitTurnCanceledInItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counted{}
		cancel, ended := c.lineUp(t, 2, func(h *check.Host) park.Host { return quiet{h} })
		c.mu.Lock()
		c.permits++
		c.queue.Nudge()
		cancel[0]()
		c.mu.Unlock()
		got := ended()
		slices.SortFunc(got, func(a, b turned) int { return a.who - b.who })
		if !slices.Equal(got, []turned{{0, 0, context.Canceled}, {1, 0, nil}}) {
			t.Errorf("ended %v", got)
		}
	})
}

// What was served in part meanwhile is known to the one whose turn it is, and to the queue when that waits again.
func TestWaitTurnServedInPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counted{}
		h := check.NewHost(t.Context())
		ended := task(h, func(context.Context) {
			c.mu.Lock()
			v := 1
			for _, want := range []int{2, 3} {
				turn, err := c.queue.WaitTurn(quiet{h}, &c.mu, &v, never, want > 2)
				if !turn || err != nil || v != want {
					t.Errorf("WaitTurn() = %t, %v, and %d instead of %d", turn, err, v, want)
				}
			}
			c.mu.Unlock()
		})
		for range 2 {
			c.mu.Lock()
			*c.queue.First()++
			c.mu.Unlock()
			c.add(0)
			synctest.Wait()
		}
		<-ended
		c.waiting(t, 0)
	})
}

// A task that has something to ask before each wait takes below the wait, and so does one of a simulation.
func TestWaitTurnNotQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counted{}
		_, ended := c.lineUp(t, 2, func(h *check.Host) park.Host { return h })
		c.add(0)
		c.add(1)
		if got := ended(); !slices.Equal(got, []turned{{0, 0, nil}}) {
			t.Errorf("ended %v", got)
		}
		c.grant(t)
		if got := ended(); !slices.Equal(got, []turned{{1, 0, nil}}) {
			t.Errorf("ended %v", got)
		}
		h := check.NewHost(t.Context())
		h.Panic = "over"
		if r := panics(func() { _, _ = c.getTurn(h) }); r != "over" {
			t.Errorf("panics with %v", r)
		}
		c.waiting(t, 0)
	})
}

// Whatever a task is like, its own ctx ends its waits, also after wakes for nothing, and a grant comes through.
func TestWaitsOfTasksOfAllKinds(t *testing.T) {
	var c *counted
	var seat park.Seat[int]
	kinds := map[string]func(*check.Host) park.Host{
		"plain":     func(h *check.Host) park.Host { return h },
		"quiet":     func(h *check.Host) park.Host { return quiet{h} },
		"simulated": func(h *check.Host) park.Host { return simulated{h} },
	}
	waits := map[string]func(park.Host) error{
		"WaitOwn": func(h park.Host) error {
			c.mu.Lock()
			return c.queue.WaitOwn(h, &c.mu, new(1), never, false)
		},
		"WaitOwn, asked": func(h park.Host) error {
			c.mu.Lock()
			return c.queue.WaitOwn(h, &c.mu, new(1), never, true)
		},
		"WaitIn": func(h park.Host) error {
			c.mu.Lock()
			return c.queue.WaitIn(&seat, h, &c.mu)
		},
		"WaitTurn": func(h park.Host) error {
			_, err := c.getTurn(h)
			return err
		},
	}
	for kind, host := range kinds {
		for what, wait := range waits {
			t.Run(kind+" "+what, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					for _, want := range []error{nil, context.Canceled} {
						c = &counted{}
						ctx, cancel := context.WithCancel(t.Context())
						h := check.NewHost(ctx)
						ended := task(h, func(context.Context) {
							if err := wait(host(h)); err != want {
								t.Errorf("it ends with %v, want %v", err, want)
							}
						})
						for range 2 {
							h.Wake()
							synctest.Wait()
						}
						c.waiting(t, 1)
						if want == nil {
							c.grant(t)
						} else {
							cancel()
						}
						<-ended
						c.waiting(t, 0)
						cancel()
					}
				})
			})
		}
	}
}

// granting is a ctx that ends in the moment of a grant.
type granting struct {
	context.Context
	grant func()
}

func (g granting) Err() error {
	g.grant()
	return context.Canceled
}

// What is granted while the ctx is asked is kept: it is out of the queue, and nobody else would get it.
func TestGrantWhileTheContextIsAsked(t *testing.T) {
	var c counted
	h := check.NewHost(granting{t.Context(), func() { c.grant(t) }})
	c.mu.Lock()
	v := 1
	if err := c.queue.WaitOwn(h, &c.mu, &v, never, false); err != nil || v != 1 {
		t.Errorf("WaitOwn() = %d, %v", v, err)
	}
	c.waiting(t, 0)
}
