package dispatch_test

import (
	"context"
	"testing"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// ring is the least that a FIFO of functions can be.
type ring struct {
	buf        []func()
	head, tail uint
}

func (r *ring) put(fn func()) {
	r.buf[r.tail%uint(len(r.buf))] = fn
	r.tail++
}

func (r *ring) run() {
	for end := r.tail; r.head != end; r.head++ {
		i := r.head % uint(len(r.buf))
		fn := r.buf[i]
		r.buf[i] = nil
		fn()
	}
}

// BenchmarkCallSoon queues 1000 callbacks and runs them: from outside between turns, or each
// from within the one before it in the turn before.
func BenchmarkCallSoon(b *testing.B) {
	const n = 1000
	count := 0
	fn := func() { count++ }
	b.Run("from=outside/impl=dispatch", func(b *testing.B) {
		d := open(b, dispatch.Config{})
		b.ReportAllocs()
		for b.Loop() {
			for range n {
				d.CallSoon(fn)
			}
			_, _ = d.Poll(0)
		}
	})
	b.Run("from=outside/impl=ring", func(b *testing.B) {
		r := ring{buf: make([]func(), 1024)}
		b.ReportAllocs()
		for b.Loop() {
			for range n {
				r.put(fn)
			}
			r.run()
		}
	})
	b.Run("from=callback/impl=dispatch", func(b *testing.B) {
		d := open(b, dispatch.Config{})
		ctx, cancel := context.WithCancel(context.Background())
		turns := 0
		var again func()
		again = func() {
			if turns < b.N {
				d.CallSoon(again)
			}
		}
		d.CallSoon(func() {
			for range n {
				d.CallSoon(again)
			}
			var counts func()
			counts = func() {
				if turns++; turns == b.N {
					cancel()
					return
				}
				d.CallSoon(counts)
			}
			d.CallSoon(counts)
		})
		b.ReportAllocs()
		b.ResetTimer()
		_ = d.Run(ctx)
	})
	b.Run("from=callback/impl=ring", func(b *testing.B) {
		r := ring{buf: make([]func(), 1024)}
		turns := 0
		var again func()
		again = func() {
			if turns < b.N {
				r.put(again)
			}
		}
		for range n {
			r.put(again)
		}
		b.ReportAllocs()
		b.ResetTimer()
		for ; turns < b.N; turns++ {
			r.run()
		}
	})
}

// BenchmarkPost hands functions to a loop that runs on another goroutine, 1000 at a time, and
// waits for the last: with Post, or over a channel.
func BenchmarkPost(b *testing.B) {
	const n = 1000
	back := make(chan struct{}, 1)
	fn, last := func() {}, func() { back <- struct{}{} }
	b.Run("impl=dispatch", func(b *testing.B) {
		d := open(b, dispatch.Config{})
		stop := start(b, d)
		b.ReportAllocs()
		for b.Loop() {
			for range n - 1 {
				_ = d.Post(fn)
			}
			_ = d.Post(last)
			<-back
		}
		stop()
	})
	b.Run("impl=chan", func(b *testing.B) {
		ch, ended := make(chan func(), 1024), make(chan struct{})
		go func() {
			for fn := range ch {
				fn()
			}
			close(ended)
		}()
		b.ReportAllocs()
		for b.Loop() {
			for range n - 1 {
				ch <- fn
			}
			ch <- last
			<-back
		}
		close(ch)
		<-ended
	})
}

// BenchmarkWake is the way to a loop that sleeps, and back: there with Post, or a channel
// for its peer; back with a channel.
func BenchmarkWake(b *testing.B) {
	run := func(name string, cfg dispatch.Config, watch bool) {
		b.Run("impl="+name, func(b *testing.B) {
			d := open(b, cfg)
			if watch {
				watchNothing(b, d)
			}
			stop := start(b, d)
			back := make(chan struct{}, 1)
			fn := func() { back <- struct{}{} }
			b.ReportAllocs()
			for b.Loop() {
				_ = d.Post(fn)
				<-back
			}
			stop()
		})
	}
	run("dispatch", dispatch.Config{}, false)
	for _, backend := range poll.Backends() {
		if backend != "poll" { // it can only block
			run(backend+"-park", dispatch.Config{Backend: backend}, true)
		}
		run(backend+"-block", dispatch.Config{Backend: backend, Wait: dispatch.WaitBlock}, true)
	}
	b.Run("impl=chan", func(b *testing.B) {
		there, back := make(chan func(), 1), make(chan struct{}, 1)
		go func() {
			for fn := range there {
				fn()
			}
			close(back)
		}()
		fn := func() { back <- struct{}{} }
		b.ReportAllocs()
		for b.Loop() {
			there <- fn
			<-back
		}
		close(there)
		<-back
	})
}
