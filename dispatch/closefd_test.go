//go:build unix

package dispatch_test

import (
	"testing"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/poll"
)

func TestCloseFD(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		p, d := sockets(t), open(t, cfg)
		must(t, d.Register(p.r))
		var r record
		first := addRead(t, d, p.r, func(e dispatch.FDEvent) bool {
			r.does("read")()
			if e.Err == nil {
				p.closeFD(t, d, p.r)
			} else if e.FD != p.r || e.Err != dispatch.ErrFDClosed {
				t.Errorf("got %+v", e)
			}
			return false
		})
		addRead(t, d, p.r, r.watches("second", false))
		addWrite(t, d, p.r, r.watches("write", false))
		write(t, p.w)
		turn(t, d)
		closed := ": " + dispatch.ErrFDClosed.Error()
		// The last two were queued already: they run once, and hear of the end.
		r.want(t, "read", "second"+closed, "write"+closed)
		turn(t, d)
		r.want(t, "read")
		if first.Stop() {
			t.Error("Stop of a watch that has ended = true")
		}
		if n, err := d.Poll(0); err != dispatch.ErrIdle {
			t.Errorf("Poll = %d, %v", n, err)
		}
		if err := d.CloseFD(p.r); err != dispatch.ErrNotRegistered {
			t.Errorf("CloseFD again = %v", err)
		}
	})
}

// TestReusedNumber: the successor of a descriptor that was closed inside a callback gets no
// event that was meant for it, though both were reported in one batch.
func TestReusedNumber(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		d := open(t, cfg)
		var p [2]ends
		var ended [2]error
		reopened, quiet := 0, true
		for i := range p {
			p[i] = pipe(t)
			must(t, d.Register(p[i].r))
			write(t, p[i].w)
			addRead(t, d, p[i].r, func(e dispatch.FDEvent) bool {
				other := 1 - i
				ended[i] = e.Err
				if e.Err != nil {
					return true
				}
				if reopened > 0 {
					t.Error("a watch of a closed descriptor heard that it is ready")
				}
				reopened++
				number := p[other].r
				p[other].closeFD(t, d, number)
				q := pipe(t) // the lowest number that is free is that one
				if q.r != number {
					t.Fatalf("%d was not used again, but %d", number, q.r)
				}
				must(t, d.Register(q.r))
				addRead(t, d, q.r, func(dispatch.FDEvent) bool { quiet = false; return false })
				return true
			})
		}
		for range 3 {
			turn(t, d)
		}
		if reopened != 1 || !quiet {
			t.Errorf("%d re-opened; the new descriptor got no event: %v", reopened, quiet)
		}
		if ended[0] != dispatch.ErrFDClosed && ended[1] != dispatch.ErrFDClosed {
			t.Errorf("ended with %v", ended)
		}
	})
}

// TestReusedNumberInPoller closes and opens again between the answer of the poller and its
// use, as another goroutine may.
func TestReusedNumberInPoller(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		p, d := pipe(t), open(t, cfg)
		must(t, d.Register(p.r))
		write(t, p.w)
		b := new(between)
		d.WrapPoller(func(p poll.Poller) poll.Poller { b.Poller = p; return b })
		var r record
		addRead(t, d, p.r, r.watches("old", false))
		b.do = func() {
			p.closeFD(t, d, p.r)
			q := pipe(t)
			if q.r != p.r {
				t.Fatalf("%d was not used again, but %d", p.r, q.r)
			}
			must(t, d.Register(q.r))
			addRead(t, d, q.r, r.watches("new", false))
		}
		turn(t, d)
		turn(t, d)
		r.want(t, "old: "+dispatch.ErrFDClosed.Error())
	})
}
