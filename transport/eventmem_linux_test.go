//go:build linux && amd64

package transport_test

import (
	"context"
	"net"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/transport"
)

// What a connection in event mode holds while it is idle, with its registration at the dispatcher and an
// idle timeout, after it has sent a message back.
func TestEventsIdleMemory(t *testing.T) {
	if check.Race {
		t.Skip("the race detector has its own memory for each allocation")
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	conns := 4000
	if limit.Cur > 45_000 {
		conns = 20_000
	}
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	err = core.RunOn(t.Context(), d, func(ctx context.Context) error {
		w := &world{t, ctx, ctx, d}
		s := w.events(shouting, transport.EventConfig{IdleTimeout: 3600e9})
		to, err := net.ResolveTCPAddr("tcp", s.l.Addr().String())
		if err != nil {
			return err
		}
		sa := &unix.SockaddrInet4{Port: to.Port, Addr: [4]byte(to.IP.To4())}
		fds := make([]int, conns) // the clients hold nothing
		connect := func(fds []int) {
			for i := range fds {
				fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
				if err != nil {
					t.Fatal(err)
				}
				fds[i] = fd
				if err := unix.Connect(fd, sa); err != nil {
					t.Fatal(err)
				}
				if n, err := unix.Write(fd, []byte("x")); n != 1 || err != nil {
					t.Fatal(n, err)
				}
				if i%100 == 0 { // so that the queue of the listener does not overflow
					w.until(func() bool { return s.l.Waiting() > 0 })
				}
			}
			buf := make([]byte, 1)
			for _, fd := range fds {
				w.until(func() bool {
					n, _, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
					return n == 1 && err == nil
				})
			}
		}
		connect(fds[:100]) // makes what is made once
		before := heap()
		connect(fds[100:])
		each := float64(heap()-before) / float64(conns-100)
		t.Logf("%d idle connections: %.0f B each", conns, each)
		if each > 400 {
			t.Errorf("an idle connection holds %.0f B, want 400 at most", each)
		}
		s.stop()
		s.end(nil)
		for _, fd := range fds {
			unix.Close(fd)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// heap returns how many bytes are allocated.
func heap() int64 {
	var m runtime.MemStats
	for range 2 { // the second empties the pools
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
