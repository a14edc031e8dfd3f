package park

import (
	"context"
	"sync"
)

// onCond waits on a goroutine whose ctx does not end. The mutex is held at the call and free at the return.
func (q *Queue[V]) onCond(mu *sync.Mutex, n *node[V], take func(*V) (bool, error)) (V, error) {
	n.gate.cond.L = mu
	for !n.done {
		if n.look && q.head == n {
			if v, err, ok := q.takeHead(mu, n, take); ok {
				return v, err
			}
		}
		n.gate.cond.Wait()
	}
	return q.finish(mu, n)
}

// onChannel waits on a goroutine. The mutex is held at the call and free at the return.
func (q *Queue[V]) onChannel(ctx context.Context, mu *sync.Mutex, n *node[V], take func(*V) (bool, error)) (V, error) {
	ch := make(chan bool, 1)
	n.gate.ch = ch
	mu.Unlock()
	var done <-chan struct{}
	q.outside(mu, n, take, func() { done = ctx.Done() })
	if done == nil {
		mu.Lock()
		n.gate.ch = nil
		return q.onCond(mu, n, take)
	}
	for {
		ended := false
		select {
		case over := <-ch:
			if over {
				return q.depart(mu, n)
			}
		case <-done:
			ended = true
		}
		mu.Lock()
		if n.done {
			return q.finish(mu, n) // ctx is not asked any more: a panic of it would take the grant along
		}
		if n.look && q.head == n {
			if v, err, ok := q.takeHead(mu, n, take); ok {
				return v, err
			}
		}
		mu.Unlock()
		var err error
		q.outside(mu, n, take, func() { err = ctx.Err() })
		if err == nil && ended {
			err = context.Canceled // a nil result would say granted
		}
		if err == nil {
			continue
		}
		mu.Lock()
		if n.done {
			return q.finish(mu, n)
		}
		return q.quit(mu, n, take, err)
	}
}

// depart is finish for a goroutine that its channel has told of the end. Where many are let go at once they do not
// all wait for the mutex: n is for the garbage collection then.
func (q *Queue[V]) depart(mu *sync.Mutex, n *node[V]) (V, error) {
	v, err := n.v, n.err
	if mu.TryLock() {
		q.put(n)
		mu.Unlock()
	}
	return v, err
}
