package park

import "sync"

// outside calls fn, which may be code of others, while n is queued and the mutex is free.
func (q *Queue[V]) outside(mu *sync.Mutex, n *node[V], take func(*V) (bool, error), fn func()) {
	out := true
	defer func() {
		if out {
			q.desert(mu, n, take)
		}
	}()
	fn()
	out = false
}

// desert takes n out of the queue, whose call will not come back because code of others has
// panicked in it: else something would be granted to nobody.
func (q *Queue[V]) desert(mu *sync.Mutex, n *node[V], take func(*V) (bool, error)) {
	mu.Lock()
	if n.done {
		_, _ = q.finish(mu, n)
	} else {
		_, _ = q.quit(mu, n, take, nil)
	}
}
