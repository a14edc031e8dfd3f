package park

import "sync"

// Seat is a place in a queue that belongs to the waiter. The zero value is ready.
type Seat[V any] struct{ node node[V] }

// WaitIn is WaitOwn with a seat of the task's own, so that a first wait in a queue allocates nothing.
// Nobody is asked who may go: that is for owners that grant everything by themselves.
func (q *Queue[V]) WaitIn(s *Seat[V], host Host, mu *sync.Mutex) error {
	n := q.sit(s, host)
	mu.Unlock()
	err, failed := q.stay(mu, n)
	if failed {
		host.Failed()
	}
	return err
}

// sit queues the host, in its seat unless that is taken.
//
//go:noinline
func (q *Queue[V]) sit(s *Seat[V], host Host) *node[V] {
	n := &s.node
	if n.host != nil { // taken: the Err of a ctx waits inside a wait
		n = q.get()
	}
	n.host, n.lent = host, n == &s.node
	q.push(n)
	return n
}

// stay is await with the ctx of the host, which wakes it by itself, and without a take. Most tasks are
// suspended here, so it keeps little on the stack: where tasks need more than half of the smallest
// one on average, the runtime begins all stacks with twice the size.
func (q *Queue[V]) stay(mu *sync.Mutex, n *node[V]) (err error, failed bool) {
	out := true // the mutex is free, and code that is not ours may run
	defer func() {
		if out {
			q.desert(mu, n, nil)
		}
	}()
	for {
		if err = n.host.Context().Err(); err == nil {
			err = n.host.Err()
		}
		mu.Lock()
		if n.done || err != nil {
			break
		}
		mu.Unlock()
		n.host.Suspend(q)
		mu.Lock()
		if n.done {
			break // before a ctx that may panic is asked, which would take the grant along
		}
		mu.Unlock()
	}
	out = false
	return q.rise(mu, n, err)
}

// rise is the end of stay. The mutex is held at the call and free at the return.
//
//go:noinline
func (q *Queue[V]) rise(mu *sync.Mutex, n *node[V], ended error) (err error, failed bool) {
	if n.done {
		_, err = q.finish(mu, n)
		return err, false
	}
	_, err = q.quit(mu, n, nil, ended)
	return err, true
}
