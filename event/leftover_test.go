//go:build !race

package event_test

import (
	"runtime"
	"testing"
	"weak"

	"github.com/seed-1e54c410/turnstile/event"
)

// The race detector keeps memory of its own, so this test is not for it.

// What all readers have read, or what was dropped before, is not kept: not by the queue, and not by a
// reader that has fallen behind.
func TestValuesAreLetGo(t *testing.T) {
	type value struct{ _ [64]byte }
	q := event.NewAsyncEventQueue[*value](2)
	lagged, quick := q.Subscribe(), q.Subscribe()
	gone := func() (ws []weak.Pointer[value]) {
		for range 5 {
			v := new(value)
			ws = append(ws, weak.Make(v))
			_ = q.Emit(v)
			_, _ = quick.Read(t.Context(), 0)
		}
		return ws
	}()
	runtime.GC()
	for i, w := range gone {
		if kept := w.Value() != nil; kept != (i >= 3) {
			t.Errorf("value %d is kept: %t", i, kept)
		}
	}
	lagged.Close()
	runtime.GC()
	for i, w := range gone {
		if w.Value() != nil {
			t.Errorf("value %d is kept after the last reader", i)
		}
	}
	runtime.KeepAlive(q)
	runtime.KeepAlive(quick)
}

// A loop that waits for the next value does not keep the last one.
func TestAllKeepsNothing(t *testing.T) {
	type value struct{ _ [64]byte }
	var q event.AsyncEventQueue[*value]
	r := q.Subscribe()
	emit := func() weak.Pointer[value] {
		v := new(value)
		_ = q.Emit(v)
		return weak.Make(v)
	}
	last := emit()
	for range r.All(t.Context()) {
		runtime.GC()
		if last.Value() != nil {
			t.Error("the value is kept")
		}
		break
	}
}
