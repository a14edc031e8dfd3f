package dispatch_test

import (
	"runtime"
	"testing"
	"weak"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

// TestBurstsLeaveNothing: the room that many callbacks have taken at a time is given back, whatever kind they are of
// and however busy the loop is.
func TestBurstsLeaveNothing(t *testing.T) {
	heap := func() int64 {
		runtime.GC()
		runtime.GC() // what has finalizers goes in the second
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	const n = 100_000
	none := func() {}
	for name, burst := range map[string]func(d *dispatch.Dispatcher){
		"Post while the loop is busy": func(d *dispatch.Dispatcher) {
			var again func()
			again = func() { d.CallSoon(again) }
			again()
			turn(t, d)
			for range n {
				must(t, d.Post(none))
			}
			for range 3 {
				turn(t, d)
				must(t, d.Post(none))
			}
			turn(t, d)
		},
		"CallSoon": func(d *dispatch.Dispatcher) {
			d.CallSoon(func() {
				for range n {
					d.CallSoon(none)
				}
			})
			for range 4 {
				turn(t, d)
				must(t, d.Post(none))
			}
		},
		"CallIdle": func(d *dispatch.Dispatcher) {
			for range n {
				d.CallIdle(none)
			}
			must(t, d.Drain(-1))
		},
	} {
		d := open(t, dispatch.Config{})
		before := heap()
		burst(d)
		if left := heap() - before; left > 4*n {
			t.Errorf("%s: %d bytes are left of %d callbacks", name, left, n)
		}
		runtime.KeepAlive(d)
	}
}

// TestRefusedOpForgetsBuffer: an operation that was not started does not keep its buffer.
func TestRefusedOpForgetsBuffer(t *testing.T) {
	d := open(t, dispatch.Config{})
	o := d.NewOp(func(*dispatch.Op) {})
	buf := make([]byte, 1<<10)
	kept := weak.Make(&buf[0])
	if err := o.Send(0, buf); err != dispatch.ErrNotRegistered {
		t.Fatalf("Send = %v", err)
	}
	runtime.GC()
	if kept.Value() != nil {
		t.Error("the buffer is kept")
	}
	runtime.KeepAlive(o)
}
