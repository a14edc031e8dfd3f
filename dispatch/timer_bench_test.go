package dispatch_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

// beside is how two ways to do the same compare, taken in turn in short rounds, so that
// whatever else the machine does falls on both.
type beside struct{ ours, peer []float64 } // nanoseconds for each operation, round by round

// round makes n operations of each, in the order that the round before has not had.
func (c *beside) round(n int, ours, peer func(n int)) {
	a, b := &c.ours, &c.peer
	if len(c.ours)%2 == 1 {
		a, b, ours, peer = b, a, peer, ours
	}
	start := time.Now()
	ours(n)
	middle := time.Now()
	peer(n)
	end := time.Now()
	*a = append(*a, float64(middle.Sub(start))/float64(n))
	*b = append(*b, float64(end.Sub(middle))/float64(n))
}

// report gives the medians of the rounds, and their ratio, beside that of the sums.
func (c *beside) report(b *testing.B) {
	sum := func(list []float64) (s float64) {
		for _, v := range list {
			s += v
		}
		return s
	}
	sums := sum(c.ours) / sum(c.peer)
	slices.Sort(c.ours)
	slices.Sort(c.peer)
	ours, peer := c.ours[len(c.ours)/2], c.peer[len(c.peer)/2]
	b.ReportMetric(ours, "dispatch-ns/op")
	b.ReportMetric(peer, "time-ns/op")
	b.ReportMetric(ours/peer, "ratio")
	b.ReportMetric(sums, "sum-ratio")
	b.ReportMetric(0, "ns/op") // of a round: it says nothing
}

// farOff returns deadlines between one and two hours from now. The first is the earliest, so
// that arming one of the others need not end anybody's sleep.
func farOff(n int) []time.Duration {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	list := make([]time.Duration, n)
	for i := range list {
		list[i] = time.Hour + time.Minute + time.Duration(r.Int64N(int64(time.Hour)))
	}
	list[0] = time.Hour
	return list
}

// BenchmarkTimer arms a timer and stops it, while others are armed, beside package time. In
// stop=at-once that is the same timer; in stop=later one of those that were armed before, at
// random, as timeouts of connections are: there the new one is due behind all the others.
func BenchmarkTimer(b *testing.B) {
	for _, live := range []int{1, 1000, 1_000_000} {
		for _, from := range []string{"callback", "elsewhere"} {
			for _, stop := range []string{"at-once", "later"} {
				b.Run(fmt.Sprintf("from=%s/stop=%s/live=%d", from, stop, live), func(b *testing.B) {
					benchmarkTimer(b, from, stop, live)
				})
			}
		}
	}
}

func benchmarkTimer(b *testing.B, from, stop string, live int) {
	// Package time has a heap for each P: with one P it holds as many timers as ours.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	d := open(b, dispatch.Config{})
	fn := func() {}
	ours, peers := make([]*dispatch.Timer, live), make([]*time.Timer, live)
	for i, t := range farOff(live) {
		ours[i], peers[i] = d.AfterFunc(t, fn), time.AfterFunc(t, fn)
	}
	defer func() {
		for i := range live {
			ours[i].Stop()
			peers[i].Stop()
		}
	}()
	waits := farOff(4096)[1:]
	i, j := 0, 0
	arm := func(n int) {
		for range n {
			d.AfterFunc(waits[i%len(waits)], fn).Stop()
			i++
		}
	}
	armPeer := func(n int) {
		for range n {
			time.AfterFunc(waits[j%len(waits)], fn).Stop()
			j++
		}
	}
	if stop == "later" {
		r := rand.New(rand.NewPCG(2, 2))
		which := make([]int, 1<<16)
		for i := range which {
			which[i] = r.IntN(live)
		}
		arm = func(n int) {
			for range n {
				k := which[i%len(which)]
				ours[k].Stop()
				ours[k] = d.AfterFunc(3*time.Hour, fn)
				i++
			}
		}
		armPeer = func(n int) {
			for range n {
				k := which[j%len(which)]
				peers[k].Stop()
				peers[k] = time.AfterFunc(3*time.Hour, fn)
				j++
			}
		}
	}
	var c beside
	run := func() {
		for b.Loop() {
			c.round(500, arm, armPeer)
		}
	}
	if from == "callback" {
		d.CallSoon(run)
		turn(b, d)
	} else {
		end := start(b, d)
		asleep(d)
		run()
		end()
	}
	c.report(b)
}
