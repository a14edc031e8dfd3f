package park

import "sync"

// WaitOwn is WaitLocked for a call that was given no ctx: that of the task that waits ends it,
// and nothing does on a goroutine. The host is the task that calls, if the caller knows
// it, else nil. What the waiter brings is in v, and so is in the end what it takes away.
//
// Most tasks of a server are suspended here, so it keeps little on the stack: see stay.
func (q *Queue[V]) WaitOwn(host Host, mu *sync.Mutex, v *V, take func(*V) (bool, error)) error {
	if host == nil {
		return q.blockOwn(mu, v, take)
	}
	return q.own(host, mu, v, take, false)
}

// own is WaitOwn for a known host. With asked set its ctx has just been asked, and had not ended.
func (q *Queue[V]) own(host Host, mu *sync.Mutex, v *V, take func(*V) (bool, error), asked bool) error {
	n := q.enter(host, mu, v)
	out := true // the mutex is free, and code that is not ours may run
	defer func() {
		if out {
			q.desert(mu, n, take)
		}
	}()
	for ; ; asked = false {
		if !asked {
			// A cancel wakes the task by itself: nothing has to be armed.
			err := n.host.Context().Err()
			if err == nil {
				err = n.host.Err()
			}
			out = false
			over, err, failed := q.attend(mu, n, v, take, err)
			if failed {
				host.Failed()
			}
			if over {
				return err
			}
			out = true
		}
		n.host.Suspend(q)
		if over, err := q.collect(mu, n, v); over {
			out = false
			return err
		}
	}
}

// blockOwn is WaitOwn for a caller that is not known. The mutex is held at the call.
//
//go:noinline
func (q *Queue[V]) blockOwn(mu *sync.Mutex, v *V, take func(*V) (bool, error)) (err error) {
	n := q.get()
	n.v = *v
	*v, err = q.block(ownCtx, nil, mu, n, take)
	return err
}

// enter queues the host and unlocks the mutex.
//
//go:noinline
func (q *Queue[V]) enter(host Host, mu *sync.Mutex, v *V) *node[V] {
	n := q.get()
	n.v, n.host, n.note = *v, host, waiting()
	q.push(n)
	mu.Unlock()
	return n
}

// attend looks whether the wait of n is over: by a grant, by ended, or because take says so. The mutex is
// free at the call and at the return.
//
//go:noinline
func (q *Queue[V]) attend(mu *sync.Mutex, n *node[V], v *V, take func(*V) (bool, error), ended error) (over bool, err error, failed bool) {
	mu.Lock()
	if n.done {
		*v, err = q.finish(mu, n)
		return true, err, false
	}
	if ended != nil {
		*v, err = q.quit(mu, n, take, ended)
		return true, err, true
	}
	if n.look && q.head == n {
		if got, err, ok := q.takeHead(mu, n, take); ok {
			*v = got
			return true, err, false
		}
	}
	mu.Unlock()
	return false, nil, false
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
