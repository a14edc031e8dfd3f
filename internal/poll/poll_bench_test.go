//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris

package poll_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// benchEach runs f for every backend and wait style.
func benchEach(b *testing.B, f func(b *testing.B, open func() poll.Poller)) {
	for _, v := range variants() {
		b.Run(v.name, func(b *testing.B) {
			v.with(b, func() {
				f(b, func() poll.Poller { return v.open(b) })
			})
		})
	}
}

// BenchmarkWake is a round trip of two goroutines that wait in a poller each
// and wake each other: two wake-ups of a blocked Wait. The peer is the same
// over channels.
func BenchmarkWake(b *testing.B) {
	b.Run("channels", func(b *testing.B) {
		ping, pong := make(chan struct{}), make(chan struct{})
		go func() {
			for range ping {
				pong <- struct{}{}
			}
			close(pong)
		}()
		for b.Loop() {
			ping <- struct{}{}
			<-pong
		}
		close(ping)
		<-pong
	})
	benchEach(b, func(b *testing.B, open func() poll.Poller) {
		ping, pong := open(), open()
		stop, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			events := make([]poll.Event, 1)
			for {
				ping.Wait(events, -1)
				select {
				case <-stop:
					return
				default:
					pong.Wake()
				}
			}
		}()
		events := make([]poll.Event, 1)
		for b.Loop() {
			ping.Wake()
			if _, err := pong.Wait(events, -1); err != nil {
				b.Fatal(err)
			}
		}
		close(stop)
		ping.Wake()
		<-done
	})
}

// BenchmarkWakeAwake is Wake while no Wait is blocked.
func BenchmarkWakeAwake(b *testing.B) {
	benchEach(b, func(b *testing.B, open func() poll.Poller) {
		p := open()
		for b.Loop() {
			p.Wake()
		}
	})
}

// BenchmarkEvent is a round trip over two pipes: two events that end a blocked
// Wait.
func BenchmarkEvent(b *testing.B) {
	benchEach(b, func(b *testing.B, open func() poll.Poller) {
		ping, pong := newPipe(b), newPipe(b)
		p, q := open(), open()
		must(b, p.Add(ping.r, 1, poll.Read, poll.Level))
		must(b, q.Add(pong.r, 1, poll.Read, poll.Level))
		done := make(chan struct{})
		go func() {
			defer close(done)
			events := make([]poll.Event, 1)
			var buf [1]byte
			for {
				p.Wait(events, -1)
				if n, _ := unix.Read(ping.r, buf[:]); n == 0 {
					return
				}
				unix.Write(pong.w, buf[:])
			}
		}()
		events := make([]poll.Event, 1)
		var buf [1]byte
		for b.Loop() {
			unix.Write(ping.w, buf[:])
			if _, err := q.Wait(events, -1); err != nil {
				b.Fatal(err)
			}
			unix.Read(pong.r, buf[:])
		}
		ping.closeW()
		<-done
	})
}

// BenchmarkWait0 asks without blocking, with nothing ready.
func BenchmarkWait0(b *testing.B) {
	benchEach(b, func(b *testing.B, open func() poll.Poller) {
		p := open()
		must(b, p.Add(newPipe(b).r, 1, poll.Read, poll.Level))
		events := make([]poll.Event, 64)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := p.Wait(events, 0); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAddRemove(b *testing.B) {
	benchEach(b, func(b *testing.B, open func() poll.Poller) {
		p := open()
		r := newPipe(b).r
		b.ReportAllocs()
		for b.Loop() {
			must(b, p.Add(r, 1, poll.Read, poll.Level))
			must(b, p.Remove(r))
		}
	})
}
