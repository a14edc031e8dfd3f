package park

import (
	"context"
	"iter"
	"sync"
)

// Queue is a FIFO queue of waiters, the only thing in this module that waits.
// It is documented where users meet it, as xsync.WaitQueue. The zero value is
// an empty queue. Every field is guarded by the mutex of its owner.
type Queue[V any] struct {
	head, tail *node[V]
	free       *node[V] // linked through next, so that waiting allocates nothing
	n, nfree   int32
}

// maxFree bounds the nodes a queue keeps for re-use.
const maxFree = 32

// node is one waiter. While it is queued, whoever holds the mutex may write it;
// once done is set, only the waiter reads it.
type node[V any] struct {
	host       Host // the task that waits; nil: a goroutine
	next, prev *node[V]
	done       bool // granted or failed; the node is out of the queue
	look       bool // nudged: to ask take for itself when it is the head
	lent       bool // it belongs to the waiter
	v          V
	err        error
	gate       *gate   // of a goroutine; made by the first one that waits in this node
	note       *Caller // nil while tracking is off, and where an owner that grants by itself alone waits
}

// gate is what a goroutine waits at.
type gate struct {
	// A goroutine whose ctx can be canceled waits on ch, made for this one wait:
	// a channel belongs to the synctest bubble it was made in, so none is pooled.
	// Any other goroutine waits on cond, which belongs to no bubble.
	// It gets true with the end of the wait, and then n belongs to the waiter alone.
	ch   chan bool
	cond sync.Cond

	sel *selector // not nil: the waiter is number at of several, of a Select, whose gate it is
	at  int
}

// wake tells the waiter to take the mutex and look. The mutex is held.
func (n *node[V]) wake() {
	switch {
	case n.host != nil:
		n.host.Wake()
	case n.sel() != nil:
		n.gate.sel.wake()
	case n.gate == nil: // it has not begun to wait, and will look first
	case n.gate.ch != nil:
		select {
		case n.gate.ch <- n.done:
		default: // woken already, and it looks at everything
		}
	default:
		n.gate.cond.Signal()
	}
}

// Wait is the whole of a waiting call.
func (q *Queue[V]) Wait(ctx context.Context, mu *sync.Mutex, v V, take func(*V) (bool, error)) (V, error) {
	if err := ctx.Err(); err != nil {
		return v, Failed(err)
	}
	mu.Lock()
	n := q.get()
	n.v = v
	if q.head != nil && q.head.sel() != nil {
		q.clean()
	}
	if q.head == nil {
		done, err := ask(mu, take, &n.v)
		v = n.v
		if done {
			q.put(n)
			mu.Unlock()
			return v, err
		}
	}
	host, quiet := carried(ctx)
	if !quiet {
		return q.block(ctx, host, mu, n, take)
	}
	q.put(n) // WaitOwn gets it back
	err := q.WaitOwn(host, mu, &v, take, true)
	return v, err
}

// WaitLocked is the second half of Wait: it queues without asking take first.
func (q *Queue[V]) WaitLocked(ctx context.Context, mu *sync.Mutex, v V, take func(*V) (bool, error)) (V, error) {
	host, quiet := carried(ctx)
	if quiet {
		err := q.WaitOwn(host, mu, &v, take, false)
		return v, err
	}
	n := q.get()
	n.v = v
	return q.block(ctx, host, mu, n, take)
}

// ownCtx is nil, and stands for the ctx of the task that waits.
var ownCtx context.Context

// Try is Wait for a caller that does not want to wait.
func (q *Queue[V]) Try(mu *sync.Mutex, v V, take func(*V) (bool, error)) (V, bool, error) {
	mu.Lock()
	q.clean()
	if q.head != nil {
		mu.Unlock()
		return v, false, nil
	}
	n := q.get()
	n.v = v
	done, err := ask(mu, take, &n.v)
	v = n.v
	q.put(n)
	mu.Unlock()
	return v, done, err
}

// ask calls take, and unlocks mu if it panics.
func ask[V any](mu *sync.Mutex, take func(*V) (bool, error), v *V) (bool, error) {
	returned := false
	defer func() {
		if !returned {
			mu.Unlock()
		}
	}()
	done, err := take(v)
	returned = true
	return done, err
}

// block queues n and waits until it is granted, failed or given up. The host is the task that calls, if
// that is known. The mutex is held at the call and free at the return.
func (q *Queue[V]) block(ctx context.Context, host Host, mu *sync.Mutex, n *node[V], take func(*V) (bool, error)) (V, error) {
	if host == nil {
		host = self(mu)
	}
	n.host, n.note = host, waiting()
	q.push(n)
	if host != nil {
		if ctx == ownCtx {
			ctx = host.Context()
		}
		return q.suspend(ctx, mu, n, take)
	}
	if n.gate == nil {
		n.gate = new(gate)
	}
	if ctx == ownCtx || ctx == context.Background() {
		return q.onCond(mu, n, take)
	}
	return q.onChannel(ctx, mu, n, take)
}

// takeHead lets the head ask take, on its own goroutine. The mutex is held at the call, and at
// the return if the answer is no.
func (q *Queue[V]) takeHead(mu *sync.Mutex, n *node[V], take func(*V) (bool, error)) (v V, err error, ok bool) {
	n.look = false
	q.unlink(n) // if take panics, it is gone
	ok, err = ask(mu, take, &n.v)
	if !ok {
		q.pushFront(n)
		return v, nil, false
	}
	v = n.v
	q.put(n)
	q.settle(mu, take)
	mu.Unlock()
	return v, err, true
}

// suspend is block for a task. The mutex is held at the call.
func (q *Queue[V]) suspend(ctx context.Context, mu *sync.Mutex, n *node[V], take func(*V) (bool, error)) (V, error) {
	host := n.host
	mu.Unlock()
	v, err, failed := q.await(ctx, mu, n, take)
	if failed {
		host.Failed() // with nothing armed: it may not return
	}
	return v, err
}

// await does the waiting of a task, with ctx armed. The mutex is free at the call.
func (q *Queue[V]) await(ctx context.Context, mu *sync.Mutex, n *node[V], take func(*V) (bool, error)) (v V, err error, failed bool) {
	host := n.host
	out := true // the mutex is free, and code that is not ours may run
	armed := false
	defer func() {
		if armed {
			host.Disarm()
		}
		if out {
			q.desert(mu, n, take)
		}
	}()
	host.Arm(ctx)
	armed = true
	for {
		err := ctx.Err()
		if err == nil {
			err = host.Err()
		}
		mu.Lock()
		out = false
		if n.done {
			v, err = q.finish(mu, n)
			return v, err, false
		}
		if err != nil {
			v, err = q.quit(mu, n, take, err)
			return v, err, true
		}
		if n.look && q.head == n {
			if v, err, ok := q.takeHead(mu, n, take); ok {
				return v, err, false
			}
		}
		out = true
		mu.Unlock()
		host.Suspend(q)
		if v, err, ok := q.granted(mu, n); ok {
			out = false
			return v, err, false
		}
	}
}

// granted ends a wait that was granted or failed, if it was. A task asks before its ctx, so that a panic of
// that takes no grant along.
func (q *Queue[V]) granted(mu *sync.Mutex, n *node[V]) (v V, err error, ok bool) {
	mu.Lock()
	if !n.done {
		mu.Unlock()
		return v, nil, false
	}
	v, err = q.finish(mu, n)
	return v, err, true
}

// self finds out who is about to wait. It unlocks mu before it panics.
func self(mu *sync.Mutex) Host {
	ok := false
	defer func() {
		if !ok {
			mu.Unlock()
		}
	}()
	host := Self()
	ok = true
	return host
}

// finish ends a wait that was granted or failed.
func (q *Queue[V]) finish(mu *sync.Mutex, n *node[V]) (V, error) {
	v, err := n.v, n.err
	q.put(n)
	mu.Unlock()
	return v, err
}

// quit ends a wait that was given up, and lets those behind go if it was n they
// waited for.
func (q *Queue[V]) quit(mu *sync.Mutex, n *node[V], take func(*V) (bool, error), err error) (V, error) {
	first := q.head == n
	q.unlink(n)
	v := n.v
	q.put(n)
	if first && take != nil {
		q.settle(mu, take)
	}
	mu.Unlock()
	return v, err
}

// Settle grants at the head for as long as take agrees.
func (q *Queue[V]) Settle(take func(*V) (bool, error)) int { return q.settle(nil, take) }

// settle is Settle; a panic of take unlocks mu if there is one.
func (q *Queue[V]) settle(mu *sync.Mutex, take func(*V) (bool, error)) int {
	granted := 0
	for n := q.head; n != nil; n = q.head {
		s := n.sel()
		if s != nil {
			switch s.claim() {
			case isLost:
				q.drop(n)
				continue
			case isSelf:
				return granted // it is asked for again when that waiter leaves
			}
		}
		var done bool
		var err error
		switch {
		case s != nil:
			done, err = askFor(s, mu, take, &n.v)
			if !done {
				s.unclaim()
			}
		case mu != nil:
			done, err = ask(mu, take, &n.v)
		default:
			done, err = take(&n.v)
		}
		if !done {
			break
		}
		q.end(n, err)
		granted++
	}
	return granted
}

// Nudge makes the head ask take for itself, where it runs, and then those behind it as Settle does.
// It is Settle for a take function that costs much. It reports whether there was a head.
func (q *Queue[V]) Nudge() bool {
	n := q.head
	if n == nil {
		return false
	}
	if !n.look {
		n.look = true
		n.wake()
	}
	return true
}

// Grant lets the head go. It reports whether there was one.
func (q *Queue[V]) Grant() bool {
	n := q.front()
	if n == nil {
		return false
	}
	q.end(n, nil)
	return true
}

// Hand lets the head go with v. It reports whether there was one.
func (q *Queue[V]) Hand(v V) bool {
	n := q.front()
	if n == nil {
		return false
	}
	n.v = v
	q.end(n, nil)
	return true
}

// Take lets the head go and returns what it brought. It reports whether there was one.
func (q *Queue[V]) Take() (v V, ok bool) {
	n := q.front()
	if n == nil {
		return v, false
	}
	v = n.v
	q.end(n, nil)
	return v, true
}

// GrantN lets the first n go, all for n < 0, and returns their number.
func (q *Queue[V]) GrantN(n int) int { return q.Fail(n, nil) }

// Fail ends the first n waits with err, all for n < 0, and returns their number.
func (q *Queue[V]) Fail(n int, err error) int {
	ended := 0
	for ; ended != n; ended++ {
		at := q.front()
		if at == nil {
			break
		}
		q.end(at, err)
	}
	return ended
}

// First returns what the head brought, nil if nobody waits.
func (q *Queue[V]) First() *V {
	q.clean()
	if q.head == nil {
		return nil
	}
	return &q.head.v
}

// Len returns the number of waiters.
func (q *Queue[V]) Len() int {
	if q.n > 0 {
		q.clean()
	}
	return int(q.n)
}

// All iterates over what the waiters brought, in order of arrival.
func (q *Queue[V]) All() iter.Seq[V] {
	return func(yield func(V) bool) {
		for n := q.head; n != nil; n = n.next {
			if !yield(n.v) {
				return
			}
		}
	}
}

func (q *Queue[V]) end(n *node[V], err error) {
	q.unlink(n)
	n.done, n.err = true, err
	if s := n.sel(); s != nil {
		s.win(n.gate.at)
	}
	n.wake()
}

func (q *Queue[V]) push(n *node[V]) {
	n.prev = q.tail
	if q.tail == nil {
		q.head = n
	} else {
		q.tail.next = n
	}
	q.tail = n
	q.n++
}

func (q *Queue[V]) pushFront(n *node[V]) {
	n.next = q.head
	if q.head == nil {
		q.tail = n
	} else {
		q.head.prev = n
	}
	q.head = n
	q.n++
}

func (q *Queue[V]) unlink(n *node[V]) {
	if n.prev == nil {
		q.head = n.next
	} else {
		n.prev.next = n.next
	}
	if n.next == nil {
		q.tail = n.prev
	} else {
		n.next.prev = n.prev
	}
	n.next, n.prev = nil, nil
	q.n--
}

func (q *Queue[V]) get() *node[V] {
	n := q.free
	if n == nil {
		return new(node[V])
	}
	q.free, n.next = n.next, nil
	q.nfree--
	return n
}

func (q *Queue[V]) put(n *node[V]) {
	var zero V
	n.v, n.err, n.done, n.look, n.host, n.note = zero, nil, false, false, nil, nil
	if n.gate != nil {
		n.gate.ch = nil
	}
	if n.lent || q.nfree == maxFree {
		return
	}
	n.next, q.free = q.free, n
	q.nfree++
}
