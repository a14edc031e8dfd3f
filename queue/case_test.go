package queue_test

import (
	"errors"
	"testing"

	"github.com/seed-1e54c410/turnstile/queue"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// aside is a case that never wins. It calls fn when its Select looks at it, which is before that begins to wait for any
// case.
func aside(fn func()) xsync.Case {
	h := newHalt()
	return h.queue.Case(&h.mu, struct{}{}, func(*struct{}) (bool, error) {
		if !h.tried {
			h.tried = true
			fn()
		}
		return false, nil
	}, nil)
}

// cased is a queue with the cases of a Select.
type cased interface {
	both
	GetCase(v *int) xsync.Case
	PutCase(v int) xsync.Case
	ReserveCase(slot **queue.Slot[int]) xsync.Case
}

// A Select that has looked before a shutdown, and comes to wait after it, puts and reserves nothing, though there is room
// by then; and it still gets what is left.
func TestSelectBesideShutdown(t *testing.T) {
	for name, mk := range map[string]func() cased{
		"AsyncQueue":         func() cased { return queue.New[int](1) },
		"AsyncPriorityQueue": func() cased { return queue.NewPriority(1, byRank) },
	} {
		t.Run(name, func(t *testing.T) {
			var slot *queue.Slot[int]
			for what, put := range map[string]func(q cased) xsync.Case{
				"put":     func(q cased) xsync.Case { return q.PutCase(2) },
				"reserve": func(q cased) xsync.Case { return q.ReserveCase(&slot) },
			} {
				q := mk()
				_ = q.TryPut(1)
				n, err := xsync.Select(t.Context(), put(q), aside(func() {
					q.Shutdown()
					_, _ = q.TryGet()
				}))
				if n != 0 || !errors.Is(err, queue.ErrShutdown) || slot != nil {
					t.Errorf("%s: Select = %d, %v, and the slot is %v, want 0, %v, <nil>", what, n, err, slot, queue.ErrShutdown)
				}
				stats(t, q, queue.Stats{Unfinished: 1})
			}
			for _, left := range []bool{true, false} {
				q, v, wantErr, wantV := mk(), -1, queue.ErrShutdown, -1
				if left {
					wantErr, wantV = nil, 1
				}
				n, err := xsync.Select(t.Context(), q.GetCase(&v), aside(func() {
					if left {
						_ = q.TryPut(1)
					}
					q.Shutdown()
				}))
				if n != 0 || !errors.Is(err, wantErr) || v != wantV {
					t.Errorf("left %v: Select = %d, %v and got %d, want 0, %v, %d", left, n, err, v, wantErr, wantV)
				}
				stats(t, q, queue.Stats{Unfinished: max(v, 0)})
			}
		})
	}
}
