package dispatch_test

import (
	"context"
	"os"
	"testing"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

// TestPostingOrder: what the loop posts and what others post meanwhile stand in one order, that of posting.
func TestPostingOrder(t *testing.T) {
	d := open(t, dispatch.Config{})
	var r record
	elsewhere := func(name string) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			must(t, d.Post(r.does(name)))
		}()
		<-done
	}
	elsewhere("before")
	d.CallSoon(r.does("first", func() {
		d.CallSoon(r.does("loop 1"))
		elsewhere("other 1")
		d.CallSoon(r.does("loop 2"))
		must(t, d.Post(r.does("loop 3")))
		elsewhere("other 2")
	}))
	turn(t, d)
	r.want(t, "before", "first")
	turn(t, d)
	r.want(t, "loop 1", "other 1", "loop 2", "loop 3", "other 2")
}

// TestTurns: Poll is one turn, Drain and Run are many.
func TestTurns(t *testing.T) {
	d := open(t, dispatch.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	// fiveTurns adds a callback that needs so many, as it adds itself.
	fiveTurns := func() {
		left := 5
		var again func()
		again = func() {
			if left--; left > 0 {
				d.CallSoon(again)
			} else if d.Stats().Turns > 6 {
				cancel()
			}
		}
		d.CallSoon(again)
	}
	made := uint64(0)
	want := func(what string, n uint64, err, wantErr error) {
		t.Helper()
		made += n
		if got := d.Stats().Turns; got != made || err != wantErr {
			t.Errorf("after %s there were %d turns, want %d; %v", what, got, made, err)
		}
	}
	fiveTurns()
	_, err := d.Poll(-1)
	want("Poll", 1, err, nil)
	want("Drain", 4, d.Drain(-1), nil)
	fiveTurns()
	want("Drain(0)", 1, d.Drain(0), os.ErrDeadlineExceeded)
	want("Run", 4, d.Run(ctx), context.Canceled)
}
