package main

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strconv"
	"time"
)

// pair is one line of the table: the same work done with a type of turnstile, and with its peer.
type pair struct {
	what, beside string
	ours, peer   side
}

// side is one half of a pair.
type side struct {
	work work

	n      int // operations in one measurement
	ns     []float64
	allocs float64
	shares []share
}

// work does n operations, and tells how long that took without what has to be made before.
type work func(n int) result

// result is that of one measurement.
type result struct {
	took  time.Duration
	share share // of contended work only
}

// share says how fair a lock was to those who contended for it.
type share struct {
	most, least int // acquisitions of one contender
	longest     int // wait for one, in acquisitions by others
}

// line makes a pair.
func line(what string, ours work, beside string, peer work) *pair {
	return &pair{what: what, beside: beside, ours: side{work: ours}, peer: side{work: peer}}
}

// calibrate finds out how many operations fill the budget, and counts the allocations.
func (p *pair) calibrate(budget time.Duration) {
	for _, s := range []*side{&p.ours, &p.peer} {
		budget := budget
		s.n = 100
		for {
			r := s.work(s.n)
			took := r.took
			if r.share.most > 0 && s.n == 100 {
				budget *= 5 // a hundred contenders want many turns each
			}
			if took >= budget/2 || s.n > 1e8 {
				s.n = max(1, int(float64(s.n)*float64(budget)/float64(max(took, 1))))
				break
			}
			s.n = min(s.n*10, int(float64(s.n)*1.2*float64(budget)/float64(max(took, 1)))+1)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		s.work(s.n)
		runtime.ReadMemStats(&after)
		s.allocs = float64(after.Mallocs-before.Mallocs) / float64(s.n)
	}
}

// measure measures both sides, one after the other; who is first changes with each round.
func (p *pair) measure(round int) {
	sides := []*side{&p.ours, &p.peer}
	if round%2 == 1 {
		slices.Reverse(sides)
	}
	for _, s := range sides {
		runtime.GC() // what the others have left is not to be collected now
		r := s.work(s.n)
		s.ns = append(s.ns, float64(r.took)/float64(s.n))
		if r.share.most > 0 {
			s.shares = append(s.shares, r.share)
		}
	}
}

// median of what is not empty.
func median(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	n := len(all)
	return (all[n/2] + all[(n-1)/2]) / 2
}

// table prints the pairs as a table of Markdown.
func table(out io.Writer, pairs []*pair) {
	fmt.Fprintln(out, "| what | ns | beside | ns | ratio | allocations | max/min | longest wait |")
	fmt.Fprintln(out, "|---|--:|---|--:|--:|--:|--:|--:|")
	for _, p := range pairs {
		ratios := make([]float64, len(p.ours.ns))
		for i := range ratios {
			ratios[i] = p.ours.ns[i] / p.peer.ns[i]
		}
		fmt.Fprintf(out, "| %s | %s | %s | %s | **%.2f** (%.2f–%.2f) | %s, %s | %s | %s |\n", p.what, number(median(p.ours.ns)), p.beside,
			number(median(p.peer.ns)), median(ratios), slices.Min(ratios), slices.Max(ratios), count(p.ours.allocs), count(p.peer.allocs),
			both(p, func(s share) float64 { return float64(s.most) / float64(s.least) }),
			both(p, func(s share) float64 { return float64(s.longest) }))
	}
}

// both returns the median of something for both sides, "" if the work was not contended.
func both(p *pair, of func(share) float64) string {
	text := ""
	for _, s := range []*side{&p.ours, &p.peer} {
		all := make([]float64, 0, len(s.shares))
		for _, share := range s.shares {
			all = append(all, of(share))
		}
		switch {
		case len(all) == 0 && s == &p.ours:
			return ""
		case s == &p.peer:
			text += ", "
		}
		switch m := 0.0; {
		case len(all) == 0:
			text += "–"
		default:
			if m = median(all); math.IsInf(m, 1) {
				text += "∞"
				continue
			}
			text += number(m)
		}
	}
	return text
}

// number prints three digits.
func number(v float64) string {
	switch {
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// count prints allocations for each operation. What is far below one belongs to what was made before.
func count(v float64) string {
	if v < 0.05 {
		return "0"
	}
	return strconv.FormatFloat(v, 'f', 1, 64)
}
