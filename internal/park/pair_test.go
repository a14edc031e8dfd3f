package park

import (
	"sync"
	"sync/atomic"
	"testing"
)

func TestClaimBoth(t *testing.T) {
	lost := func() *selector {
		s := new(selector)
		s.win(0)
		return s
	}
	for _, c := range []struct {
		name string
		a, b *selector
		want claimedBoth
	}{
		{"both", new(selector), new(selector), bothMine},
		{"one that waits for nothing else first", nil, new(selector), bothMine},
		{"one that waits for nothing else second", new(selector), nil, bothMine},
		{"two of those", nil, nil, bothMine},
		{"the first has won", lost(), new(selector), firstLost},
		{"the second has won", new(selector), lost(), secondLost},
		{"the second has won, beside no other", nil, lost(), secondLost},
	} {
		for _, turned := range []bool{false, true} {
			if turned && c.a != nil && c.b != nil { // now the second is claimed first
				c.b.ranked.Store(1 << 40)
				c.a.ranked.Store(1 << 41)
			}
			got := claimBoth(c.a, c.b)
			if got != c.want {
				t.Errorf("%s, turned %v: %d, want %d", c.name, turned, got, c.want)
			}
			for _, s := range []*selector{c.a, c.b} {
				if s == nil {
					continue
				}
				state := s.state.Load()
				if claimed := state == asking; claimed != (got == bothMine) {
					t.Errorf("%s, turned %v: a selector is in state %d after %d", c.name, turned, state, got)
				}
				if state == asking {
					s.unclaim()
				}
			}
		}
	}
	one := new(selector)
	if got := claimBoth(one, one); got != noPair || one.state.Load() != undecided {
		t.Errorf("one twice: %d, and it is in state %d", got, one.state.Load())
	}
	// One that the caller is asking for is no pair with another, in either place.
	one.claim()
	if got := claimBoth(one, new(selector)); got != noPair {
		t.Errorf("asked for, first: %d", got)
	}
	if got := claimBoth(new(selector), one); got != noPair {
		t.Errorf("asked for, second: %d", got)
	}
}

// Who claims the same two in opposite directions has both or waits, but never for one that waits for the other.
func TestClaimBothOpposite(t *testing.T) {
	for range 1000 {
		a, b := new(selector), new(selector)
		var mine atomic.Int32
		var all sync.WaitGroup
		for _, two := range [][2]*selector{{a, b}, {b, a}, {a, b}} {
			all.Go(func() {
				for range 50 {
					if claimBoth(two[0], two[1]) != bothMine || mine.Add(1) != 1 {
						t.Error("not claimed, or not alone")
					}
					mine.Add(-1)
					two[0].unclaim()
					two[1].unclaim()
				}
			})
		}
		all.Wait()
	}
}

// A waiter that has won something else is no part of a pair, and does not keep those behind it.
func TestPair(t *testing.T) {
	var from, to Queue[int]
	push := func(q *Queue[int], v int, s *selector) *node[int] {
		n := q.get()
		n.v, n.gate = v, &gate{sel: s, at: v}
		s.ch = make(chan struct{}, 1)
		q.push(n)
		return n
	}
	lost, lostToo, both, third, last := new(selector), new(selector), new(selector), new(selector), new(selector)
	lost.win(1)
	lostToo.win(1)
	push(&from, 0, lost)
	push(&from, 2, both)
	push(&from, 3, third)
	push(&to, 0, lostToo)
	push(&to, 4, both)
	taker := push(&to, 5, last)
	if n := Pair(&from, &to); n != 1 {
		t.Errorf("%d pairs, want 1", n)
	}
	if both.state.Load() != won || both.winner != 2 || last.state.Load() != won || last.winner != 5 || taker.v != 2 {
		t.Errorf("they are no pair: %d of %d, %d of %d, with %d", both.winner, both.state.Load(), last.winner, last.state.Load(), taker.v)
	}
	if lost.winner != 1 || lostToo.winner != 1 || third.state.Load() != undecided {
		t.Error("one who is no part of it has won")
	}
	if from.n != 1 || to.n != 0 { // also the Select that has won has left the other queue
		t.Errorf("%d and %d wait, want 1 and 0", from.n, to.n)
	}
}
