//go:build unix || windows

package dispatch_test

import (
	"sync"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/check"
)

// TestOpsPending: an operation is pending from its start to its callback, without a gap.
func TestOpsPending(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		a, b := n.pair()
		register(t, d, a, b)
		if got := d.Pending(); got != 0 {
			t.Errorf("%d pending before", got)
		}
		recv := newOp(d)
		must(t, recv.Recv(b, make([]byte, 1)))
		if got := d.Pending(); got != 1 {
			t.Errorf("%d pending, want the operation", got)
		}
		if s := d.Stats(); s.Operations != 1 || s.Watches != 0 {
			t.Errorf("%+v, want one operation", s)
		}
		n.sysSend(a, []byte{1})
		recv.done(t, d, 1)
		if got := d.Pending(); got != 0 {
			t.Errorf("%d pending after", got)
		}
		if _, err := d.Poll(time.Hour); err != dispatch.ErrIdle {
			t.Errorf("Poll = %v, want ErrIdle", err)
		}

		rounds := check.Times(50, 150)
		watch := func(f func()) {
			end, began := make(chan struct{}), make(chan struct{}, 2)
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() {
					for first := true; ; first = false {
						select {
						case <-end:
							return
						default:
						}
						if d.Pending() == 0 {
							t.Error("nothing pending")
						}
						if first {
							began <- struct{}{}
						}
					}
				})
			}
			<-began
			<-began
			f()
			close(end)
			wg.Wait()
		}

		// One that waits until the data comes, again and again.
		more := make(chan struct{})
		go func() {
			for range more {
				n.sysSend(a, []byte{1})
			}
		}()
		recv.runs = 0
		recv.then = func() {
			if recv.runs <= rounds {
				must(t, recv.Recv(b, make([]byte, 1)))
				more <- struct{}{}
			}
		}
		must(t, recv.Recv(b, make([]byte, 1)))
		more <- struct{}{}
		watch(func() { recv.done(t, d, rounds) })
		recv.done(t, d, rounds+1)
		close(more)

		// One that others cancel, again and again.
		again := make(chan struct{}, 1)
		go func() {
			for range again {
				recv.Cancel()
			}
		}()
		recv.runs = 0
		recv.then = func() {
			if recv.runs <= rounds {
				must(t, recv.Recv(b, make([]byte, 1)))
				again <- struct{}{}
			}
		}
		must(t, recv.Recv(b, make([]byte, 1)))
		again <- struct{}{}
		watch(func() { recv.done(t, d, rounds) })
		recv.done(t, d, rounds+1)
		close(again)
	})
}
