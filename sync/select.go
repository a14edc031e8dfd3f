package xsync

import (
	"context"
	"sync"
	"time"

	"github.com/seed-1e54c410/turnstile/internal/park"
)

// Case is one of the things that [Select] waits for. It is made by the type it belongs to, such as
// lock.AsyncLock.AcquireCase, queue.AsyncQueue.GetCase or core.Future.AwaitCase, and by
// [WaitQueue.Case] for primitives of your own. A Case is for one Select at a time, and may be used
// again after it. A Select that begins to wait for a Case that another one waits for, or that it has
// been given twice, panics and takes nothing.
type Case = park.Case

// Select waits until one of the cases can go on, lets it, and returns its number: exactly one of them
// has its effect, and none has if Select returns -1.
//
// Cases that need not wait are tried first, in the order of the arguments. If there is none, the
// call waits in the queues of all cases at the same time, in each as everybody else does: behind
// those who came before. The first grant wins; the others are out of their queues
// before Select returns, and what they had let wait behind them goes on. Two cases of one queue, say for
// many permits and for few, wait there one behind the other, too: the second has its turn after the first.
//
// The error is that of the case, nil for most, with its number. If ctx ends first, or is done at
// the call, Select returns -1 and ctx.Err(), and in a task whose dispatcher has closed -1 and
// dispatch.ErrClosed: then nothing was taken. A case that was granted before the cancel has won.
// Without cases Select waits until ctx ends.
//
// A select over futures of calls is not the same: to cancel the one that lost is to cancel a call
// that may have taken something already. With Select nothing is taken but by the one that wins.
//
// [Barrier], [Cond] and [Once] have no case: to arrive, to unlock or to begin the call is an effect before the wait.
//
// Select panics in a callback of a dispatcher, if it has to wait, and on a Case that is the zero value or
// in use. A panic of code that it calls, as of a take function or a ctx, leaves Select when no case is in its
// queue any more; of several it is the first. A case that has won by then has had its effect, and its
// done function is called, but nobody learns its number: a permit or a lock stays taken, an item that was
// got is where the Case has put it.
func Select(ctx context.Context, cases ...Case) (int, error) {
	return park.Select(ctx, cases)
}

// Case returns the case of a [Select] that does what Wait does: mu is the mutex of the owner, v what
// the waiter brings, and take says when it may go; it may be nil where waiters go by Grant, Hand, Take, Fail
// and [Pair] alone. If the case wins, done is called with what the waiter carries then and the error of the
// wait, on the goroutine of the Select and without the mutex; it may be nil, too. Every Select begins with v,
// also after one that was served in part; what was served stays taken if another case wins, or none. A take
// function that is asked for a Select must not lock anything, nor let others go in any queue: two that did so
// for each other's Selects would wait for each other. The owner does it in its own calls, and in done.
func (q *WaitQueue[V]) Case(mu *sync.Mutex, v V, take func(*V) (bool, error), done func(V, error)) Case {
	return park.NewCase(&q.q, mu, v, take, done)
}

// MatchCase is Case for an owner of two queues whose waiters let each other go, such as those who put and those who
// get, where a take function would have to do what it must not. So take is asked only when a Select begins, also if
// others wait: it is the owner's call without the wait, as far as it is about the caller. All else is done by match,
// with mu held: it lets everybody go who may, on both sides, by Settle, [Pair] and the like. It is called when take has
// answered true, when the case has come to wait, and when it has left its queue. A panic of either leaves the Select,
// and has to leave mu unlocked.
func (q *WaitQueue[V]) MatchCase(mu *sync.Mutex, v V, take func(*V) (bool, error), match func(), done func(V, error)) Case {
	return park.Matching(park.NewCase(&q.q, mu, v, take, done), match)
}

// After is the case of a [Select] that wins when d has passed, counted from the call of Select: on
// the clock of the dispatcher in a task. For d ≤ 0 it wins if no case before it does at once.
func After(d time.Duration) Case { return park.NewTimerCase(d) }

// AcquireCase returns the case of a [Select] that takes a permit.
func (s *Semaphore) AcquireCase() Case { return s.AcquireNCase(1) }

// AcquireNCase returns the case of a [Select] that takes n permits. Its error is [ErrTooMany], if n is
// larger than the size when its turn comes. A negative n panics.
func (s *Semaphore) AcquireNCase(n int) Case {
	if n < 0 {
		panic("xsync: acquire of a negative number of permits")
	}
	if n == 0 {
		return After(0) // takes nothing and does not wait
	}
	return s.queue.Case(&s.mu, int64(n), s.next, s.won)
}

// won hears how a Select has ended for the permits. It is a method, since a function that is inlined with
// its caller would count as the caller's where tracking tells who called.
func (s *Semaphore) won(n int64, err error) {
	if err == nil {
		s.tell(n)
	}
}

// WaitCase returns the case of a [Select] that wins when the counter is zero.
func (g *WaitGroup) WaitCase() Case { return g.queue.Case(&g.mu, struct{}{}, g.zero, nil) }

// zero is the take function of a WaitGroup's queue.
func (g *WaitGroup) zero(*struct{}) (bool, error) {
	g.state.Or(contended)
	if g.state.Load() != contended {
		return false, nil
	}
	if g.queue.Len() == 0 {
		g.state.And(^contended)
	}
	return true, nil
}
