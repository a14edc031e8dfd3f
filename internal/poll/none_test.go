package poll_test

import (
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

func openNone(t *testing.T) poll.Poller {
	t.Helper()
	p, err := poll.OpenNone(poll.Auto)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestNoneRefuses(t *testing.T) {
	p := openNone(t)
	refused := func() map[string]error {
		_, process := p.AddProcess(1, 1)
		return map[string]error{
			"Add": p.Add(0, 1, poll.Read, poll.Level), "Modify": p.Modify(0, 1, poll.Read, poll.Level), "Remove": p.Remove(0),
			"Arm": p.Arm(0, poll.Read), "AddProcess": process, "Bind": p.Bind(0),
			"Submit": p.Submit(&poll.Op{}), "Cancel": p.Cancel(&poll.Op{}),
		}
	}
	for name, err := range refused() {
		if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), runtime.GOOS+"/"+runtime.GOARCH) {
			t.Errorf("%s = %v", name, err)
		}
	}
	if p.Name() != "none" || p.FD() != ^uintptr(0) || p.Operations() {
		t.Errorf("%q, descriptor %x, operations %t", p.Name(), p.FD(), p.Operations())
	}
	if _, err := p.Wait(nil, 0); err == nil {
		t.Error("Wait without room")
	}
	for range 2 {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	_, err := p.Wait(make([]poll.Event, 1), -1)
	all := refused()
	all["Wait"], all["Wake"] = err, p.Wake()
	for name, err := range all {
		if !errors.Is(err, poll.ErrClosed) {
			t.Errorf("%s after Close = %v", name, err)
		}
	}
}

func TestNoneWait(t *testing.T) {
	p := openNone(t)
	synctest.Test(t, func(t *testing.T) {
		took := func(timeout time.Duration) time.Duration {
			t.Helper()
			start := time.Now()
			if n, err := p.Wait(make([]poll.Event, 1), timeout); n != 0 || err != nil {
				t.Errorf("Wait(%v) = %d, %v", timeout, n, err)
			}
			return time.Since(start)
		}
		wake := func() {
			t.Helper()
			if err := p.Wake(); err != nil {
				t.Error(err)
			}
		}
		for _, d := range []time.Duration{0, 1, time.Millisecond, time.Hour} {
			if got := took(d); got != d {
				t.Errorf("Wait(%v) took %v", d, got)
			}
		}
		// Wakes before the Wait coalesce, and a Wait that does not block leaves them.
		wake()
		wake()
		took(0)
		if got := took(-1); got != 0 {
			t.Errorf("waked before, Wait took %v", got)
		}
		if got := took(time.Second); got != time.Second {
			t.Errorf("a Wake was not used up: %v", got)
		}
		// Wakes during the Wait.
		var all sync.WaitGroup
		for _, wakers := range []int{1, 3} {
			for range wakers {
				all.Go(func() {
					time.Sleep(time.Minute) // in the bubble
					for range 100 {
						wake()
					}
				})
			}
			if got := took(-1); got != time.Minute {
				t.Errorf("waked after a minute, Wait took %v", got)
			}
			all.Wait()
			took(time.Second) // by one that came late
			if got := took(time.Second); got != time.Second {
				t.Errorf("a Wake was not used up: %v", got)
			}
		}
		all.Go(func() {
			time.Sleep(time.Minute)
			wake()
		})
		took(-1)
		if got := took(time.Second); got != time.Second {
			t.Errorf("a Wake that ended a Wait was not used up: %v", got)
		}
		// One that meets the end of the timeout is used up, or comes after it.
		all.Go(func() {
			time.Sleep(time.Second)
			wake()
		})
		took(time.Second)
		all.Wait()
		took(time.Second)
		if got := took(time.Second); got != time.Second {
			t.Errorf("a Wake was not used up: %v", got)
		}
	})
}

// TestNonePingPong has two loops wake each other; a single lost wake hangs it.
func TestNonePingPong(t *testing.T) {
	const turns = 2000
	pollers := [2]poll.Poller{openNone(t), openNone(t)}
	var mu sync.Mutex
	ball := 0
	var all sync.WaitGroup
	for me := range 2 {
		all.Go(func() {
			for turn := 0; turn < turns; {
				mu.Lock()
				mine := ball == me
				if mine {
					ball = 1 - me
					turn++
				}
				mu.Unlock()
				var err error
				if mine {
					err = pollers[1-me].Wake()
				} else {
					_, err = pollers[me].Wait(make([]poll.Event, 1), -1)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}
