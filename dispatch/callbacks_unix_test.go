//go:build unix

package dispatch_test

import (
	"os"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

func callbacksOfSystem() []callbackKind {
	// All of one test are on one descriptor, so that their order is known.
	onPair := map[*dispatch.Dispatcher]ends{}
	pair := func(t *testing.T, d *dispatch.Dispatcher) dispatch.FD {
		s, ok := onPair[d]
		if !ok {
			s = sockets(t)
			onPair[d] = s
			must(t, d.Register(s.r))
			write(t, s.w)
		}
		return s.r
	}
	signals := 0
	kinds := []callbackKind{
		{"read", func(t *testing.T, d *dispatch.Dispatcher, fn func()) {
			addRead(t, d, pair(t, d), func(e dispatch.FDEvent) bool {
				if e.Err == nil {
					fn()
				}
				return true
			})
		}},
		{"write", func(t *testing.T, d *dispatch.Dispatcher, fn func()) {
			addWrite(t, d, pair(t, d), func(e dispatch.FDEvent) bool {
				if e.Err == nil {
					fn()
				}
				return true
			})
		}},
		{"end of a watch", func(t *testing.T, d *dispatch.Dispatcher, fn func()) {
			s := sockets(t)
			must(t, d.Register(s.r))
			addRead(t, d, s.r, func(dispatch.FDEvent) bool { fn(); return true })
			must(t, d.Unregister(s.r))
		}},
		{"operation", func(t *testing.T, d *dispatch.Dispatcher, fn func()) {
			must(t, d.NewOp(func(*dispatch.Op) { fn() }).Send(pair(t, d), []byte{1}))
		}},
		{"operation that waited", func(t *testing.T, d *dispatch.Dispatcher, fn func()) {
			s := sockets(t)
			must(t, d.Register(s.r))
			o := d.NewOp(func(*dispatch.Op) { fn() })
			must(t, o.Recv(s.r, make([]byte, 1)))
			o.Cancel()
		}},
		{"signal", func(t *testing.T, d *dispatch.Dispatcher, fn func()) {
			sig := []syscall.Signal{syscall.SIGUSR1, syscall.SIGUSR2}[signals%2] // the other watch does not hear it
			signals++
			before := d.Pending()
			var w *dispatch.Watch
			w = addSignal(t, d, sig, func(os.Signal) bool {
				w.Stop()
				fn()
				return true
			})
			must(t, unix.Kill(unix.Getpid(), sig))
			for d.Pending() == before {
				runtime.Gosched()
			}
		}},
	}
	return append(kinds, callbacksOfProcesses()...)
}
