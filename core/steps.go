package core

import (
	"context"
	"sync"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/park"
)

// Steps waits for n turns of the loop: it is n calls of [Yield]. For n ≤ 0 it returns at once.
// If ctx ends meanwhile, or is done at the call, it returns ctx.Err(). On an ordinary goroutine
// it is n calls of runtime.Gosched.
func Steps(ctx context.Context, n int) error {
	if n <= 0 {
		if err := ctx.Err(); err != nil {
			return park.Failed(err)
		}
		return nil
	}
	for range n {
		if err := Yield(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Idle waits for a turn of the loop in which nothing else is there to do: no callback, no timer
// that is due, no descriptor that is ready. Those that wait so go one in each such turn, in the
// order of their calls. If ctx ends first, or is done at the call, it returns ctx.Err(); the
// turn goes to the next one that waits. On a dispatcher that closes it returns
// dispatch.ErrClosed.
//
// The loop is that of the task. On an ordinary goroutine it is that of ctx's dispatcher; where
// there is none, Idle is [Yield].
func Idle(ctx context.Context) error {
	s := schedOf(ctx)
	if t := currentOf(ctx); t != nil {
		s = t.sched
	}
	if s == nil {
		return Yield(ctx)
	}
	return s.idlers.wait(ctx)
}

// idlers are those that wait in Idle for one loop.
type idlers struct {
	mu     sync.Mutex
	asked  bool // an idle turn was asked for
	closed bool
	queue  park.Queue[struct{}]
	loop   *dispatch.Dispatcher
}

func (i *idlers) wait(ctx context.Context) error {
	_, err := i.queue.Wait(ctx, &i.mu, struct{}{}, i.take)
	return err
}

// take lets nobody go by itself, but makes sure that a turn will.
func (i *idlers) take(*struct{}) (bool, error) {
	if i.closed {
		return true, dispatch.ErrClosed
	}
	i.ask()
	return false, nil
}

// ask asks for an idle turn. There is one request at a time, whoever comes and gives up:
// a request cannot be taken back, and on a busy loop they would pile up. The mutex is held.
func (i *idlers) ask() {
	if !i.asked {
		i.asked = true
		i.loop.CallIdle(i.turn)
	}
}

// turn is an idle turn.
func (i *idlers) turn() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked = false
	i.queue.Grant()
	if i.queue.Len() > 0 {
		i.ask()
	}
}

// close comes when the dispatcher closes, which then has no idle turns.
func (i *idlers) close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.closed = true
	i.queue.Settle(i.take)
}
