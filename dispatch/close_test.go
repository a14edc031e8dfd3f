package dispatch_test

import (
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// refusesAll checks what a closed dispatcher says.
func refusesAll(t *testing.T, d *dispatch.Dispatcher) {
	t.Helper()
	never := func() { t.Error("a callback ran on a closed dispatcher") }
	_, poll := d.Poll(-1)
	run := d.Run(t.Context())
	_, read := d.AddRead(0, func(dispatch.FDEvent) bool { return false })
	_, write := d.AddWrite(0, func(dispatch.FDEvent) bool { return false })
	_, event := d.AddEvent(new(dispatch.Event), func() bool { never(); return true })
	_, sig := d.AddSignal(os.Interrupt, func(os.Signal) bool { never(); return true })
	_, proc := d.AddProcess(os.Getpid(), func(dispatch.ProcessState) { never() })
	for i, err := range []error{poll, run, read, write, event, sig, proc, d.Drain(-1), d.Register(0), d.Post(never)} {
		if err != dispatch.ErrClosed {
			t.Errorf("call %d = %v, want ErrClosed", i, err)
		}
	}
	if p := panicOf(func() { d.CallSoon(never) }); p != "dispatch: CallSoon on a closed dispatcher" {
		t.Errorf("CallSoon: %v", p)
	}
	d.CallIdle(never)
	tm := d.AfterFunc(0, never)
	if tm.Reset(0) || tm.Stop() {
		t.Error("a timer was armed on a closed dispatcher")
	}
	if seam.Of(d).Post(runs(never)) {
		t.Error("the seam accepts a post")
	}
	seam.Of(d).Ready(runs(never))
	if n := d.Pending(); n != 0 {
		t.Errorf("%d pending", n)
	}
	if err := d.Close(); err != nil {
		t.Errorf("Close again = %v", err)
	}
}

// TestClose: what was posted runs; idle callbacks and timers do not.
func TestClose(t *testing.T) {
	d := open(t, dispatch.Config{})
	var r record
	d.CallSoon(r.does("post", func() {
		if err := d.Post(r.does("refused")); err != dispatch.ErrClosed {
			t.Errorf("Post during Close = %v", err)
		}
		d.CallSoon(r.does("dropped"))
		d.CallIdle(r.does("refused idle"))
	}))
	d.CallIdle(r.does("idle"))
	armed := d.AfterFunc(time.Hour, r.does("timer"))
	for range 20 {
		d.AfterFunc(time.Hour, r.does("timer"))
	}
	must(t, d.Close())
	r.want(t, "post")
	refusesAll(t, d)
	if armed.Stop() || armed.Reset(0) {
		t.Error("Stop or Reset = true for a timer that Close has dropped")
	}
	r.want(t)
}

// TestCloseEndless closes a dispatcher whose callback adds itself for ever.
func TestCloseEndless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // whose clock stands still meanwhile
		d := open(t, dispatch.Config{})
		n := 0
		var again func()
		again = func() { n++; d.CallSoon(again) }
		d.CallSoon(again)
		must(t, d.Close())
		refusesAll(t, d)
		if n == 0 {
			t.Error("what was posted did not run")
		}
	})
}

// TestCloseEndlessReady closes a dispatcher where something makes itself ready for ever by
// the seam, which serves until the end: behind its time Close makes a number of turns and no
// more.
func TestCloseEndlessReady(t *testing.T) {
	const tooMany = 100 * dispatch.LastTurns
	d, v := open(t, dispatch.Config{CloseTimeout: 7}), new(virtual)
	simulate(d, v.sim())
	n := 0
	var again runs
	again = func() {
		v.now++
		if n++; n < tooMany {
			seam.Of(d).Ready(again)
		}
	}
	seam.Of(d).Ready(again)
	must(t, d.Close())
	if n != 7+2*dispatch.LastTurns {
		t.Errorf("Close has made %d turns", n)
	}
	refusesAll(t, d)
}

// TestCloseWithLongestTimeout: Close waits for a callback that is running, however long it may
// wait.
func TestCloseWithLongestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, dispatch.Config{CloseTimeout: math.MaxInt64})
		letGo, ran, closed := make(chan bool), make(chan error, 1), make(chan error, 1)
		d.CallSoon(func() { <-letGo })
		go func() { ran <- d.Run(t.Context()) }()
		synctest.Wait()
		go func() { closed <- d.Close() }()
		time.Sleep(1000 * time.Hour)
		select {
		case err := <-closed:
			t.Errorf("Close = %v, before the callback has returned", err)
			closed <- nil
		default:
		}
		close(letGo)
		must(t, <-closed)
		must(t, <-ran)
		refusesAll(t, d)
	})
}

func TestCloseWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, dispatch.Config{})
		done := make(chan error, 1)
		go func() { done <- d.Run(t.Context()) }()
		synctest.Wait()
		d.AfterFunc(time.Hour, func() { t.Error("a timer ran") })
		n := 0
		for range 3 {
			must(t, d.Post(func() { n++ }))
		}
		must(t, d.Close())
		if n != 3 {
			t.Errorf("%d of 3 posts have run when Close returns", n)
		}
		if err := <-done; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
		time.Sleep(2 * time.Hour)
		refusesAll(t, d)
	})
}

// TestCloseWhilePolling: a loop of Poll ends as well.
func TestCloseWhilePolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, dispatch.Config{})
		d.Hold()
		done := make(chan error, 1)
		go func() {
			_, err := d.Poll(-1)
			done <- err
		}()
		synctest.Wait()
		must(t, d.Close())
		if err := <-done; err != dispatch.ErrClosed {
			t.Errorf("Poll = %v, want ErrClosed", err)
		}
	})
}

// TestCloseInCallback: the loop ends behind the turn, after which all is done.
func TestCloseInCallback(t *testing.T) {
	for _, poll := range []bool{false, true} {
		d := open(t, dispatch.Config{})
		var r record
		d.CallSoon(r.does("closes", func() {
			if err := d.Close(); err != dispatch.ErrRunning {
				t.Errorf("Close = %v, want ErrRunning", err)
			}
			if err := d.Post(func() {}); err != dispatch.ErrClosed {
				t.Errorf("Post = %v, want ErrClosed", err)
			}
			d.CallSoon(r.does("dropped"))
		}))
		d.CallSoon(r.does("behind"))
		if poll {
			if n, err := d.Poll(-1); n != 2 || err != dispatch.ErrClosed {
				t.Errorf("Poll = %d, %v, want 2, ErrClosed", n, err)
			}
		} else if err := d.Run(t.Context()); err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
		r.want(t, "closes", "behind")
		refusesAll(t, d)
	}
}

// TestCloseInCallbackOfOther: nothing new is accepted from then on; a Close elsewhere does
// the work.
func TestCloseInCallbackOfOther(t *testing.T) {
	d, other := open(t, dispatch.Config{}), open(t, dispatch.Config{})
	ran := 0
	other.CallSoon(func() { ran++ })
	d.CallSoon(func() {
		if err := other.Close(); err != dispatch.ErrRunning {
			t.Errorf("Close = %v, want ErrRunning", err)
		}
	})
	turn(t, d)
	if err := other.Post(func() {}); err != dispatch.ErrClosed || ran != 0 {
		t.Errorf("Post = %v, and %d have run", err, ran)
	}
	must(t, other.Close())
	if ran != 1 {
		t.Errorf("%d have run", ran)
	}
	refusesAll(t, other)
}

func TestCloseConcurrently(t *testing.T) {
	for range 50 {
		d := open(t, dispatch.Config{})
		ended := make(chan error, 1)
		go func() { ended <- d.Run(t.Context()) }()
		var wg sync.WaitGroup
		var mu sync.Mutex
		accepted, ran := 0, 0
		for range 4 {
			wg.Go(func() {
				for range 100 {
					err := d.Post(func() { ran++ })
					if err == nil {
						mu.Lock()
						accepted++
						mu.Unlock()
					} else if err != dispatch.ErrClosed {
						t.Errorf("Post = %v", err)
					}
				}
			})
		}
		for range 8 {
			wg.Go(func() {
				if err := d.Close(); err != nil {
					t.Errorf("Close = %v", err)
				}
				refusesAll(t, d)
			})
		}
		wg.Wait()
		// Run may have come too late to begin.
		if err := <-ended; err != nil && err != dispatch.ErrClosed {
			t.Errorf("Run = %v", err)
		}
		if ran != accepted {
			t.Errorf("%d posts were accepted, %d have run", accepted, ran)
		}
	}
}

// TestClosePanic: the panic of a callback leaves Close when the work is done.
func TestClosePanic(t *testing.T) {
	d := open(t, dispatch.Config{})
	var r record
	value := errors.New("value")
	d.CallSoon(r.does("panics", func() { panic(value) }))
	d.CallSoon(r.does("behind"))
	d.CallSoon(r.does("panics too", func() { panic("second") }))
	d.CallSoon(r.does("last"))
	if p := panicOf(func() { _ = d.Close() }); p != value {
		t.Errorf("Close panics with %v", p)
	}
	r.want(t, "panics", "behind", "panics too", "last")
	refusesAll(t, d)
}

// TestCloseThenPanic: where a panic ends the loop that was to end after this turn, the next
// Close does the rest.
func TestCloseThenPanic(t *testing.T) {
	d := open(t, dispatch.Config{})
	var r record
	d.CallSoon(func() {
		if err := d.Close(); err != dispatch.ErrRunning {
			t.Errorf("Close = %v", err)
		}
		panic("value")
	})
	d.CallSoon(r.does("behind"))
	if p := panicOf(func() { _ = d.Run(t.Context()) }); p != "value" {
		t.Errorf("Run panics with %v", p)
	}
	if _, err := d.Poll(0); err != dispatch.ErrClosed {
		t.Errorf("Poll = %v", err)
	}
	must(t, d.Close())
	r.want(t, "behind")
	refusesAll(t, d)
}

// TestCloseBusy: a callback that does not return keeps Close for twice its time and a second.
func TestCloseBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, dispatch.Config{CloseTimeout: time.Second})
		letGo, done := make(chan bool), make(chan error, 1)
		d.CallSoon(func() { <-letGo })
		go func() { done <- d.Run(t.Context()) }()
		synctest.Wait()
		began := time.Now()
		var busy *dispatch.CloseError
		if err := d.Close(); !errors.As(err, &busy) || !busy.Busy || busy.Error() == "" {
			t.Errorf("Close = %v, want Busy", err)
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("Close took %v", took)
		}
		close(letGo)
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
		refusesAll(t, d)
	})
}

// stubborn stands for the tasks of core: they end when told, or never.
type stubborn struct {
	calls record
	live  int
	sim   *seam.Sim
}

func (s *stubborn) Live() int           { return s.live }
func (s *stubborn) Counts() seam.Counts { return seam.Counts{Tasks: s.live} }
func (s *stubborn) Blocking() int       { return 0 }
func (s *stubborn) CancelAll(err error) { s.calls = append(s.calls, "cancel: "+err.Error()) }
func (s *stubborn) Abandon()            { s.calls = append(s.calls, "abandon") }
func (s *stubborn) Release()            { s.calls = append(s.calls, "release") }
func (s *stubborn) Left() []string      { return make([]string, s.live) }

func (s *stubborn) Simulate(sim *seam.Sim) { s.sim = sim }

// TestCloseTasks: timers run for tasks that are ending; those that never do are named.
func TestCloseTasks(t *testing.T) {
	cancel := "cancel: " + dispatch.ErrClosed.Error()
	for _, ends := range []bool{true, false} {
		d, v := openVirtual(t)
		s := &stubborn{live: 2}
		if seam.Of(d).Tasks(func() seam.Tasks { return s }) != seam.Tasks(s) {
			t.Fatal("Tasks returned another")
		}
		seam.Of(d).Tasks(func() seam.Tasks { t.Error("made twice"); return nil })
		d.AfterFunc(time.Second, func() {
			if ends {
				s.live = 0
			}
		})
		later := false
		d.AfterFunc(time.Hour, func() { later = true })
		err := d.Close()
		var left *dispatch.CloseError
		switch {
		case ends && (err != nil || v.now != int64(time.Second)):
			t.Errorf("Close = %v at %v", err, time.Duration(v.now))
		case !ends && (!errors.As(err, &left) || len(left.Tasks) != 2 || left.Busy || v.now != int64(5*time.Second)):
			t.Errorf("Close = %v at %v", err, time.Duration(v.now))
		case !ends && !strings.Contains(err.Error(), "2 tasks"):
			t.Error(err)
		}
		if later {
			t.Error("a timer ran behind the end of Close")
		}
		if want := []string{cancel, "abandon", "release"}; !slices.Equal(s.calls, want) {
			t.Errorf("told %q, want %q", s.calls, want)
		}
		refusesAll(t, d)
	}
}

// TestReleased: idle coroutines are let go of when Poll finds nothing pending, and when
// Run ends.
func TestReleased(t *testing.T) {
	d, _ := openVirtual(t)
	s := new(stubborn)
	seam.Of(d).Tasks(func() seam.Tasks { return s })
	d.CallSoon(func() {})
	d.AfterFunc(1, func() {})
	turn(t, d)
	s.calls.want(t)
	_, err := d.Poll(-1)
	must(t, err)
	s.calls.want(t, "release")
	must(t, seam.Of(d).RunUntil(func() bool { return true }))
	s.calls.want(t, "release")
}
