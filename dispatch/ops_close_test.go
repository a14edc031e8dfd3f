//go:build unix || windows

package dispatch_test

import (
	"errors"
	"testing"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

// TestOpsEnd ends operations of all kinds by CloseFD, Unregister and Close, from outside, in a callback and
// while another goroutine runs the loop: each hears of it once, and cannot be started again.
func TestOpsEnd(t *testing.T) {
	for name, end := range map[string]struct {
		err, again error
		do         func(n *network, d *dispatch.Dispatcher, w *waiting) error
	}{
		"CloseFD": {dispatch.ErrFDClosed, dispatch.ErrNotRegistered, func(n *network, d *dispatch.Dispatcher, w *waiting) error {
			var err error
			for _, fd := range w.fds {
				err = errors.Join(err, d.CloseFD(fd))
				n.disown(fd)
			}
			return err
		}},
		"Unregister": {dispatch.ErrNotRegistered, dispatch.ErrNotRegistered, func(_ *network, d *dispatch.Dispatcher, w *waiting) error {
			var err error
			for _, fd := range w.fds {
				err = errors.Join(err, d.Unregister(fd))
			}
			return err
		}},
		"Close": {dispatch.ErrClosed, dispatch.ErrClosed, func(_ *network, d *dispatch.Dispatcher, _ *waiting) error {
			if err := d.Close(); err != dispatch.ErrRunning {
				return err
			}
			return nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
				for _, from := range []string{"outside", "callback", "goroutine"} {
					n, d := newNetwork(t), open(t, cfg)
					w := startAll(t, d, n)
					left := len(w.ops)
					all := make(chan struct{})
					for name, o := range w.ops {
						o.then = func() {
							if o.Cancel() {
								t.Errorf("%s: %s: Cancel in the callback = true", from, name)
							}
							if err := o.Recv(w.fds[0], make([]byte, 1)); err != end.again {
								t.Errorf("%s: %s: started again: %v, want %v", from, name, err, end.again)
							}
							if left--; left == 0 {
								close(all)
							}
						}
					}
					do := func() {
						if err := end.do(n, d, w); err != nil {
							t.Errorf("%s: %v", from, err)
						}
						for name, o := range w.ops {
							if from == "callback" && o.runs != 0 {
								t.Errorf("%s: the callback ran within the call", name)
							}
						}
					}
					switch from {
					case "outside":
						do()
						settleClosed(t, d)
					case "callback":
						d.CallSoon(do)
						settleClosed(t, d)
					case "goroutine":
						done := make(chan error)
						go func() { done <- d.Run(t.Context()) }()
						asleep(d)
						do()
						<-all
						must(t, d.Close())
						if err := <-done; err != nil {
							t.Errorf("Run = %v", err)
						}
					}
					w.want(t, end.err)
					must(t, d.Close())
					if got := d.Pending(); got != 0 {
						t.Errorf("%s: %d pending after", from, got)
					}
				}
			})
		})
	}
}

// settleClosed is settle for a dispatcher that may be closed.
func settleClosed(tb testing.TB, d *dispatch.Dispatcher) {
	tb.Helper()
	for {
		switch _, err := d.Poll(0); err {
		case nil:
		case dispatch.ErrIdle, dispatch.ErrClosed:
			return
		default:
			tb.Fatal(err)
		}
	}
}

// TestOpsCloseKeepsResults: what has been done when Close is called is reported as done, and nothing new
// is started once it has been called.
func TestOpsCloseKeepsResults(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		n, d := newNetwork(t), open(t, cfg)
		a, b := n.pair()
		register(t, d, b)
		n.sysSend(a, []byte("abcd"))
		o, again := newOp(d), newOp(d)
		must(t, again.Recv(b, make([]byte, 1))) // so that it knows the descriptor
		again.done(t, d, 1)
		must(t, o.Recv(b, make([]byte, 1)))
		o.then = func() {
			if err := again.Recv(b, make([]byte, 1)); err != dispatch.ErrClosed {
				t.Errorf("started while it is closing: %v", err)
			}
		}
		must(t, d.Close())
		o.want(t, 1, 1, nil)
		again.want(t, 1, 1, nil)
		if err := o.Recv(b, make([]byte, 1)); err != dispatch.ErrClosed {
			t.Errorf("started after Close: %v", err)
		}
		rest := make([]byte, 10)
		if k, _ := n.sysRecv(b, rest); string(rest[:k]) != "cd" {
			t.Errorf("%q is left, want what nobody asked for", rest[:k])
		}
	})
}

// TestOpsSuccessor: an operation of a descriptor that was closed is nothing to one with its number, nor is
// an event of it.
func TestOpsSuccessor(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		for _, collected := range []bool{false, true} {
			for _, data := range []bool{false, true} {
				n, d := newNetwork(t), open(t, cfg)
				a, b := n.pair()
				register(t, d, b)
				old, oldSend, recv := newOp(d), newOp(d), newOp(d)
				must(t, old.Recv(b, make([]byte, 10)))
				must(t, oldSend.Send(b, make([]byte, 8<<20)))
				settle(t, d)
				var c dispatch.FD
				buf := make([]byte, 10)
				replace := func() {
					must(t, d.CloseFD(b))
					n.disown(b)
					var taken []dispatch.FD
					for { // until one has the number
						x, y := n.pair()
						c = x
						if x == b || y == b {
							if y == b {
								c, x, y = y, y, x
							}
							must(t, d.Register(c))
							must(t, recv.Recv(c, buf))
							if data {
								n.sysSend(y, []byte("new"))
							}
							break
						}
						if taken = append(taken, x, y); len(taken) > 40 {
							break // numbers are not used again here
						}
					}
				}
				if collected && cfg.Backend != "iocp" {
					n.reset(a)
					afterWait(d, replace)
				} else {
					if data {
						n.sysSend(a, []byte("old"))
						n.reset(a)
					}
					replace()
				}
				old.done(t, d, 1)
				oldSend.done(t, d, 1)
				settle(t, d)
				if cfg.Backend == "iocp" && data && old.err == nil {
					old.want(t, 1, 3, nil) // the system was faster
				} else {
					old.want(t, 1, 0, dispatch.ErrFDClosed)
				}
				if oldSend.runs != 1 || oldSend.err != dispatch.ErrFDClosed {
					t.Errorf("%d runs, %v", oldSend.runs, oldSend.err)
				}
				if c != b {
					t.Logf("%d was not given out again", b)
					continue
				}
				if !data {
					if recv.runs != 0 {
						t.Errorf("the new one has ended with %d, %v", recv.n, recv.err)
					}
					continue
				}
				recv.done(t, d, 1)
				recv.want(t, 1, 3, nil)
				if string(buf[:3]) != "new" {
					t.Errorf("received %q", buf[:3])
				}
			}
		}
	})
}
