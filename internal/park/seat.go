package park

import "sync"

// Seat is a place in a queue that belongs to the waiter. The zero value is ready.
type Seat[V any] struct{ node node[V] }

// Lend gives q the seat, which nothing has used yet, for the first one that waits, for as long as q is used.
func (q *Queue[V]) Lend(s *Seat[V]) { q.put(&s.node) }

// WaitIn is WaitOwn with a seat of the task's own, so that a first wait in a queue allocates nothing. Nobody is
// asked who may go: that is for owners that grant everything by themselves.
func (q *Queue[V]) WaitIn(s *Seat[V], host Host, mu *sync.Mutex) error {
	n := q.sit(s, host)
	mu.Unlock()
	var v V
	if host.Simulated() {
		return q.simulated(mu, n, &v, nil, false)
	}
	for asked := host.Quiet(); ; asked = false {
		if !asked {
			if over, err := q.attend(mu, n, &v, nil); over {
				return err
			}
		}
		host.Suspend(q)
		if over, err := q.collect(mu, n, &v); over {
			return err
		}
	}
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
