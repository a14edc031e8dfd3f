package park

import "sync"

// WaitTurn is WaitOwn for an owner that lets a waiter do for itself what it has waited for, by Nudge, where that
// needs more of the stack than is left behind the wait.
//
// With turn set the caller was nudged as the first in the queue, and is no longer in it: it holds the mutex, looks
// whether it may go, and then calls Settle and unlocks; or it waits again, with first set, which puts it back to the
// front. In between it must not unlock, nor nudge the queue. Otherwise the wait is over, as that of WaitOwn is.
func (q *Queue[V]) WaitTurn(host Host, mu *sync.Mutex, v *V, take func(*V) (bool, error), first bool) (turn bool, err error) {
	n := q.enter(host, mu, v, first)
	if host.Simulated() {
		return false, q.simulated(mu, n, v, take, false)
	}
	for quiet := host.Quiet(); ; quiet = host.Quiet() {
		if !quiet {
			if over, err := q.attend(mu, n, v, take); over {
				return false, err
			}
		}
		host.Suspend(q)
		if over, turn, err := q.rise(mu, n, v); over {
			return turn, err
		}
	}
}

// rise ends the wait of n if it was granted or failed, or if it is its turn; then the mutex is held at the
// return.
//
//go:noinline
func (q *Queue[V]) rise(mu *sync.Mutex, n *node[V], v *V) (over, turn bool, err error) {
	mu.Lock()
	switch {
	case n.done:
		*v, err = q.finish(mu, n)
		return true, false, err
	case n.look && q.head == n && n.host.Quiet():
		q.unlink(n)
		*v = n.v
		q.put(n)
		return true, true, nil
	}
	mu.Unlock()
	return false, false, nil
}
