package xsync

import (
	"context"
	"iter"
	"sync"

	"github.com/seed-1e54c410/turnstile/internal/park"
)

// WaitQueue is a FIFO queue of blocked calls, the part of a synchronization
// primitive that is hard to get right. The zero value is an empty queue. It must
// not be copied after first use.
//
// A primitive is a struct of a [sync.Mutex], some state that the mutex guards,
// and one WaitQueue for each thing that can be waited for. V is what a waiter
// brings (a number of permits, an item to put) and takes away (an item it got);
// struct{} where there is nothing to carry.
//
// The owner says once, in a take function, when a waiter may go. A take function is
// called with the mutex held. It looks at the state and at the waiter's V, and
// either takes what the waiter wants and answers true, or takes nothing and
// answers false. With true it may give an error, which becomes the result of the
// wait. It may serve a waiter in part by changing its V. It must not wait or lock anything,
// and it must not use the queue it is called by: others may be kept busy until it has answered.
// The queue asks it
//
//   - for a newcomer, when nobody waits,
//   - for the first in the queue, when the owner calls [WaitQueue.Settle] after a
//     change of the state, and
//   - for the next ones, when the first in the queue gives up.
//
// So the rules hold by construction: nobody is overtaken, a done ctx takes
// nothing, and a grant is one step with taking the state. A granted wait returns
// its grant even if its ctx is canceled at the same moment: nothing granted is
// ever lost. The waiter that gives up leaves the queue at once, in constant time.
//
// A panic of a take function unlocks the mutex before it leaves Wait, WaitLocked
// or Try; one that leaves Settle finds the mutex as the owner's own code does.
//
// What happened before a grant in the granting call happens before the return
// of the wait.
type WaitQueue[V any] struct {
	q park.Queue[V]
}

// Wait is the whole of a waiting call: it locks mu, asks take if nobody waits, and
// otherwise waits its turn; mu is free at the call and at the return. It returns
// what the waiter carries then.
//
// On a task Wait suspends the task, on an ordinary goroutine it blocks the
// goroutine. The error is that of take or [WaitQueue.Fail], or ctx.Err() if ctx
// ended first, or dispatch.ErrClosed if the task's dispatcher closed: after these two
// the waiter is out of the queue and has taken nothing, but for what take had
// served in part. Wait panics in a callback of a dispatcher.
func (q *WaitQueue[V]) Wait(ctx context.Context, mu *sync.Mutex, v V, take func(*V) (done bool, err error)) (V, error) {
	return q.q.Wait(ctx, mu, v, take)
}

// WaitLocked is the second half of Wait, for calls that have looked for
// themselves: mu is held at the call, the waiter goes to the end of the queue without
// take being asked, and mu is free at the return. A ctx that is done already
// ends the wait like one that is canceled later. The take function may be nil where
// waiters go by Grant, Hand, Take, Fail and [Pair] alone.
func (q *WaitQueue[V]) WaitLocked(ctx context.Context, mu *sync.Mutex, v V, take func(*V) (done bool, err error)) (V, error) {
	return q.q.WaitLocked(ctx, mu, v, take)
}

// Try is Wait for callers that do not want to wait: it answers false, and takes
// nothing, if anybody waits or take says no.
func (q *WaitQueue[V]) Try(mu *sync.Mutex, v V, take func(*V) (done bool, err error)) (V, bool, error) {
	return q.q.Try(mu, v, take)
}

// Settle lets waiters go, from the first one on, for as long as take agrees, and returns
// their number. The owner calls it, with the mutex held, after every change of
// the state that may let somebody go.
func (q *WaitQueue[V]) Settle(take func(*V) (done bool, err error)) int { return q.q.Settle(take) }

// Grant lets the first waiter go and reports whether there was one. The mutex is
// held.
func (q *WaitQueue[V]) Grant() bool { return q.q.Grant() }

// Hand lets the first waiter go with v and reports whether there was one. The
// mutex is held.
func (q *WaitQueue[V]) Hand(v V) bool { return q.q.Hand(v) }

// Take lets the first waiter go, and returns what it carries and whether there was one. The
// mutex is held.
func (q *WaitQueue[V]) Take() (v V, ok bool) { return q.q.Take() }

// Pair lets the first waiters of two queues of one owner go together, that of to with what that of from
// carries, until one of the queues is empty: a rendezvous. It returns the number of pairs. Two waiters of one
// [Select] are no pair. A queue and itself panic. The mutex is held.
func Pair[V any](from, to *WaitQueue[V]) int {
	if from == to {
		panic("xsync: Pair of a queue with itself")
	}
	return park.Pair(&from.q, &to.q)
}

// GrantN lets the first n waiters go, all of them for n < 0, and returns their
// number. The mutex is held.
func (q *WaitQueue[V]) GrantN(n int) int { return q.q.GrantN(n) }

// Fail ends the waits of the first n waiters, all of them for n < 0, with err,
// and returns their number. The mutex is held.
func (q *WaitQueue[V]) Fail(n int, err error) int { return q.q.Fail(n, err) }

// First returns what the first waiter carries, nil if nobody waits. The pointer
// is good while the mutex is held. A waiter of a [Select] may win something else before the
// next call, so that Grant lets another one go: where there are Cases, use Take or Settle.
func (q *WaitQueue[V]) First() *V { return q.q.First() }

// Len returns the number of waiters. The mutex is held. A waiter of a [Select] that has won
// something else, and has not run since, counts as long as others are before it; nothing is
// granted to it, and a grant goes to those behind it.
func (q *WaitQueue[V]) Len() int { return q.q.Len() }

// All iterates over what the waiters carry, in order of arrival. The mutex is
// held.
func (q *WaitQueue[V]) All() iter.Seq[V] { return q.q.All() }
