package park

import "sync/atomic"

// Pair lets the heads of two queues of one owner go together, the one of to with what that of from brought, until one
// queue is empty, and returns the number of pairs. Two waiters of one Select are no pair. The mutex is held.
func Pair[V any](from, to *Queue[V]) int {
	pairs := 0
	for pairOnce(from, to) {
		pairs++
	}
	return pairs
}

// pairOnce is one pair of Pair.
func pairOnce[V any](from, to *Queue[V]) bool {
	for giver := from.head; giver != nil && to.head != nil; { // or a long queue would be walked for nobody
		nextGiver := giver.next
		for taker := to.head; taker != nil; {
			nextTaker := taker.next
			switch claimBoth(giver.sel(), taker.sel()) {
			case bothMine:
				taker.v = giver.v
				from.end(giver, nil)
				to.end(taker, nil)
				return true
			case firstLost:
				from.drop(giver)
				nextTaker = nil
			case secondLost:
				to.drop(taker)
			}
			taker = nextTaker
		}
		giver = nextGiver
	}
	return false
}

// claimedBoth is the outcome of a claim of two selectors.
type claimedBoth uint8

const (
	noPair     claimedBoth = iota // they are one
	bothMine                      // the caller may grant both waiters
	firstLost                     // the first has won something else, and neither is claimed
	secondLost                    // the second has
)

// claimBoth claims two selectors, where nil is that of a waiter which waits for nothing else. Two calls that want the
// same two, each in the queue of another owner, do not wait for each other: all claim them in one order.
func claimBoth(a, b *selector) claimedBoth {
	if a == b && a != nil {
		return noPair
	}
	first, second, lostFirst, lostSecond := a, b, firstLost, secondLost
	if a != nil && b != nil && b.rank() < a.rank() {
		first, second, lostFirst, lostSecond = b, a, secondLost, firstLost
	}
	if got := first.claimAny(); got != isMine {
		return got.or(lostFirst)
	}
	if got := second.claimAny(); got != isMine {
		if first != nil {
			first.unclaim()
		}
		return got.or(lostSecond)
	}
	return bothMine
}

// or returns lost for isLost, and no pair for a selector that the caller is asking for.
func (c claimed) or(lost claimedBoth) claimedBoth {
	if c == isSelf {
		return noPair
	}
	return lost
}

// claimAny is claim, which a waiter that waits for nothing else grants at once.
func (s *selector) claimAny() claimed {
	if s == nil {
		return isMine
	}
	return s.claim()
}

// ranks counts the selectors that have one.
var ranks atomic.Uint64

// rank returns the number of s in the order in which several are claimed.
func (s *selector) rank() uint64 {
	if r := s.ranked.Load(); r != 0 {
		return r
	}
	s.ranked.CompareAndSwap(0, ranks.Add(1))
	return s.ranked.Load()
}
