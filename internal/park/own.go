package park

import "sync"

// WaitOwn is WaitLocked for a call of the task host, whose own ctx ends it. With asked set that has just been
// asked, and had not ended. What the waiter brings is in v, and so is in the end what it takes away.
//
// Most tasks are suspended here, so it keeps little on the stack: where tasks need more than half of the smallest
// one on average, the runtime begins all stacks with twice the size.
func (q *Queue[V]) WaitOwn(host Host, mu *sync.Mutex, v *V, take func(*V) (bool, error), asked bool) error {
	n := q.enter(host, mu, v, false)
	if host.Simulated() {
		return q.simulated(mu, n, v, take, asked)
	}
	for asked = asked || host.Quiet(); ; asked = false {
		if !asked {
			if over, err := q.attend(mu, n, v, take); over {
				return err
			}
		}
		host.Suspend(q)
		if over, err := q.collect(mu, n, v); over {
			return err
		}
	}
}

// simulated is the rest of WaitOwn in a simulation, in which Suspend may panic. The mutex is free at the call.
//
//go:noinline
func (q *Queue[V]) simulated(mu *sync.Mutex, n *node[V], v *V, take func(*V) (bool, error), asked bool) error {
	for ; ; asked = false {
		if !asked {
			if over, err := q.attend(mu, n, v, take); over {
				return err
			}
		}
		q.outside(mu, n, take, func() { n.host.Suspend(q) })
		if over, err := q.collect(mu, n, v); over {
			return err
		}
	}
}

// WaitHere is WaitOwn for a caller that need not be a task; nothing ends it on a goroutine.
//
//go:noinline
func (q *Queue[V]) WaitHere(mu *sync.Mutex, v *V, take func(*V) (bool, error)) (err error) {
	n := q.get()
	n.v = *v
	*v, err = q.block(ownCtx, nil, mu, n, take)
	return err
}

// enter queues the host, before all others if first is set, and unlocks the mutex.
//
//go:noinline
func (q *Queue[V]) enter(host Host, mu *sync.Mutex, v *V, first bool) *node[V] {
	n := q.get()
	n.v, n.host, n.note = *v, host, waiting()
	if first {
		q.pushFront(n)
	} else {
		q.push(n)
	}
	mu.Unlock()
	return n
}

// attend looks whether the wait of n is over: by a grant, because its ctx has ended or because take says so. The
// mutex is free at the call and at the return.
//
//go:noinline
func (q *Queue[V]) attend(mu *sync.Mutex, n *node[V], v *V, take func(*V) (bool, error)) (over bool, err error) {
	host := n.host
	// A cancel wakes the task by itself: nothing has to be armed.
	q.outside(mu, n, take, func() {
		if err = host.Context().Err(); err == nil {
			err = host.Err()
		}
	})
	mu.Lock()
	if n.done {
		*v, err = q.finish(mu, n)
		return true, err
	}
	if err != nil {
		*v, err = q.quit(mu, n, take, err)
		host.Failed()
		return true, err
	}
	if n.look && q.head == n {
		if got, err, ok := q.takeHead(mu, n, take); ok {
			*v = got
			return true, err
		}
	}
	mu.Unlock()
	return false, nil
}

// collect ends the wait of n if it was granted or failed: before a ctx that may panic is asked, which would
// take the grant along.
//
//go:noinline
func (q *Queue[V]) collect(mu *sync.Mutex, n *node[V], v *V) (over bool, err error) {
	mu.Lock()
	if n.done {
		*v, err = q.finish(mu, n)
		return true, err
	}
	mu.Unlock()
	return false, nil
}
