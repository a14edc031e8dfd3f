//go:build unix

package dispatch_test

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// The benchmarks of this file compare the ways in which a loop can wait. What concerns other goroutines
// depends on how many run at the same time: -cpu 1,2.

func benchWaits(b *testing.B, f func(b *testing.B, d *dispatch.Dispatcher)) {
	for _, name := range poll.Backends() {
		for _, w := range []struct {
			name  string
			style dispatch.WaitStyle
		}{{"park", dispatch.WaitPark}, {"block", dispatch.WaitBlock}} {
			if w.name == "park" && name != "epoll" {
				continue // it can only block
			}
			b.Run("wait="+name+"-"+w.name, func(b *testing.B) {
				d := open(b, dispatch.Config{Backend: name, Wait: w.style})
				watchNothing(b, d)
				f(b, d)
			})
		}
	}
}

// BenchmarkReadable is a round trip over two pipes between a loop and a goroutine: the loop sleeps,
// hears of a byte, reads it and answers.
func BenchmarkReadable(b *testing.B) {
	benchWaits(b, func(b *testing.B, d *dispatch.Dispatcher) {
		ping, pong := pipe(b), pipe(b)
		must(b, unix.SetNonblock(int(pong.r), false))
		must(b, d.Register(ping.r))
		var buf [1]byte
		addRead(b, d, ping.r, func(dispatch.FDEvent) bool {
			if n, err := unix.Read(int(ping.r), buf[:]); n == 1 && err == nil {
				_, _ = unix.Write(int(pong.w), buf[:])
			}
			return false
		})
		stop := start(b, d)
		b.ReportAllocs()
		for b.Loop() {
			write(b, ping.w)
			if read(b, pong.r, 1) != 1 {
				b.Fatal("no answer")
			}
		}
		stop()
	})
}

// BenchmarkReadableBusy is a round trip over two pipes between two callbacks of a loop that never
// sleeps: what an event costs.
func BenchmarkReadableBusy(b *testing.B) {
	benchWaits(b, func(b *testing.B, d *dispatch.Dispatcher) {
		ping, pong := pipe(b), pipe(b)
		left := b.N
		pass := func(from, to dispatch.FD) {
			must(b, d.Register(from))
			var buf [1]byte
			addRead(b, d, from, func(dispatch.FDEvent) bool {
				_, _ = unix.Read(int(from), buf[:])
				left--
				_, _ = unix.Write(int(to), buf[:])
				return false
			})
		}
		pass(ping.r, pong.w)
		pass(pong.r, ping.w)
		b.ReportAllocs()
		b.ResetTimer()
		write(b, ping.w)
		for left > 0 {
			if _, err := d.Poll(-1); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkLateness tells how late timers of one millisecond are, in microseconds, on a loop that
// sleeps meanwhile. The time of an operation says nothing.
func BenchmarkLateness(b *testing.B) {
	benchWaits(b, func(b *testing.B, d *dispatch.Dispatcher) {
		var late []time.Duration
		for b.Loop() {
			due := d.Now().Add(time.Millisecond)
			fired := false
			d.AfterFunc(time.Millisecond, func() {
				late = append(late, d.Now().Sub(due))
				fired = true
			})
			for !fired {
				if _, err := d.Poll(-1); err != nil {
					b.Fatal(err)
				}
			}
		}
		slices.Sort(late)
		at := func(q float64) float64 { return float64(late[int(q*float64(len(late)-1))].Nanoseconds()) / 1e3 }
		b.ReportMetric(at(0.5), "µs-late-p50")
		b.ReportMetric(at(0.99), "µs-late-p99")
	})
}
