package stream

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/ring"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// Order says in which order [MapN] gives its results.
type Order uint8

const (
	// Ordered gives the results in the order of the values they are made of. One that takes long
	// holds up those behind it.
	Ordered Order = iota
	// Unordered gives each result when it is there.
	Unordered
)

// MapN is a stream of what fn makes of the values of s, by up to n calls of it at the same time.
// In a task those are tasks of its dispatcher, which take turns where they wait; elsewhere they
// are goroutines.
//
// An error of fn ends the stream at its place: with [Ordered] behind the results of the values
// before, which are waited for, with [Unordered] behind those that are there. [ErrStop] ends it
// there without an error. All calls whose results come behind that are canceled at once,
// and s is stopped. An error of s comes behind the results of all its values.
//
// MapN runs s on a task of its own, which is at most 2n values ahead of the stages behind,
// those in calls of fn and results that wait for their turn among them, and holds one more.
// The tasks for fn, n at most, are started as they are needed. If the stages behind stop the
// stream, the calls are canceled, and what is there is dropped. MapN panics if n is less than 1.
func MapN[T, U any](s Stream[T], n int, order Order, fn func(ctx context.Context, v T) (U, error)) Stream[U] {
	needStream("MapN", s)
	need("MapN", "function", fn != nil)
	switch {
	case n < 1:
		panic(fmt.Sprintf("stream: %d calls at a time", n))
	case order > Unordered:
		panic(fmt.Sprintf("stream: unknown order %d", order))
	}
	return &mappedN[T, U]{s, n, order, fn}
}

type mappedN[T, U any] struct {
	src   Stream[T]
	n     int
	order Order
	fn    func(context.Context, T) (U, error)
}

func (m *mappedN[T, U]) run(ctx context.Context, emit func(U) error) error {
	c := &calls[T, U]{mappedN: m, team: team{ctx: ctx}, goroutines: core.DispatcherOf(ctx) == nil}
	stopped := false
	err := c.team.run(func(ctx context.Context) error {
		var u U
		for {
			call, err := c.result(ctx)
			if err == errEnd {
				return nil
			}
			if err == nil {
				u, err = call.u, call.err
				stopped = err == ErrStop
			}
			if err == nil {
				err = emit(u)
			}
			if err != nil {
				return err
			}
		}
	}, c.feed)
	return settled(err, stopped)
}

// call is one value on its way.
type call[T, U any] struct {
	v    T
	u    U
	err  error
	done bool
	at   int // number of the value
}

// worker is one of the tasks that call fn.
type worker[T, U any] struct {
	cancel context.CancelFunc
	one    *call[T, U] // that it works on; nil: none
}

// calls is one run of a MapN.
type calls[T, U any] struct {
	*mappedN[T, U]
	team team
	// The tasks are goroutines, of which others may run while the consumer gives way.
	goroutines bool

	mu   sync.Mutex
	next int                    // number of the next value
	used int                    // calls between the source and the end of what the consumer does
	free []*call[T, U]          // for re-use
	todo ring.Ring[*call[T, U]] // not begun
	// first and rest are the results in their order: with Ordered all calls, of which first is done or
	// not, with Unordered those that are done.
	first   *call[T, U]
	rest    ring.Ring[*call[T, U]]
	held    *call[T, U] // what the consumer works on
	workers []*worker[T, U]
	begun   int // workers that were started

	over   bool               // no other call begins: one has failed, or all are done
	stop   context.CancelFunc // ends the source
	closed bool               // the source has ended
	lost   error              // not nil: a worker could not be started
	end    error

	room   xsync.WaitQueue[T] // the source, until there is a place
	idle   xsync.WaitQueue[*worker[T, U]]
	reader xsync.WaitQueue[struct{}]
}

// feed is the work of the task of the source.
func (c *calls[T, U]) feed(ctx context.Context) error {
	ctx, stop := core.WithCancel(ctx)
	defer stop()
	c.mu.Lock()
	c.stop = stop
	c.mu.Unlock()
	return drive(ctx, c.src, func(v T) error { return c.put(ctx, v) }, func(err error) {
		if err == nil {
			err = errEnd
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.closed, c.end = true, err
		c.reader.Settle(c.ready)
	})
}

func (c *calls[T, U]) put(ctx context.Context, v T) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	if c.used == 2*c.n {
		if _, err := c.room.WaitLocked(ctx, &c.mu, v, nil); err != nil {
			return err
		}
		c.mu.Lock()
	} else {
		c.admit(v)
	}
	more := c.todo.Len() > 0 && c.begun < c.n
	if more {
		c.begun++
	}
	c.mu.Unlock()
	if !more {
		return nil
	}
	err := c.team.start(c.work)
	if err != nil { // the dispatcher closes, and there may be nobody for v
		c.mu.Lock()
		defer c.mu.Unlock()
		c.lost = err
		c.reader.Settle(c.ready)
	}
	return err
}

// admit gives v a call, for which there is a place.
func (c *calls[T, U]) admit(v T) {
	var one *call[T, U]
	if last := len(c.free) - 1; last >= 0 {
		one = c.free[last]
		c.free = c.free[:last]
	} else {
		one = new(call[T, U])
	}
	one.v, one.at = v, c.next
	c.next++
	c.used++
	if c.order == Ordered {
		c.line(one)
	}
	if w := c.idle.First(); w != nil {
		(*w).one = one
		c.idle.Grant()
	} else {
		c.todo.PushBack(one)
	}
}

// line puts one behind the results that there are.
func (c *calls[T, U]) line(one *call[T, U]) {
	if c.first == nil {
		c.first = one
	} else {
		c.rest.PushBack(one)
	}
}

// work is the work of a task that calls fn.
func (c *calls[T, U]) work(ctx context.Context) error {
	ctx, cancel := core.WithCancel(ctx)
	defer cancel()
	w := &worker[T, U]{cancel: cancel}
	c.mu.Lock()
	c.workers = append(c.workers, w)
	c.mu.Unlock()
	called := false
	defer func() {
		if called { // a panic, which is found when the task is joined, or Goexit
			var none U
			c.settle(w, none, core.ErrGoexit)
		}
	}()
	for c.begin(ctx, w) {
		called = true
		u, err := c.fn(ctx, w.one.v)
		called = false
		c.settle(w, u, err)
	}
	return nil
}

// begin waits for something to do, and reports whether there is.
func (c *calls[T, U]) begin(ctx context.Context, w *worker[T, U]) bool {
	var err error
	c.mu.Lock()
	switch {
	case c.over:
		c.mu.Unlock()
		return false
	case c.todo.Len() > 0:
		w.one = c.todo.PopFront()
		c.mu.Unlock()
	default:
		_, err = c.idle.WaitLocked(ctx, &c.mu, w, nil)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil && w.one != nil {
		var none U
		c.settle(w, none, err)
	}
	return err == nil
}

// settle ends a call.
func (c *calls[T, U]) settle(w *worker[T, U], u U, err error) {
	c.mu.Lock()
	one := w.one
	w.one = nil
	one.u, one.err, one.done = u, err, true
	if c.order == Unordered && !c.over {
		c.line(one)
	}
	if c.first == one || c.order == Unordered {
		c.reader.Settle(c.ready)
	}
	if err == nil || c.over && c.order == Unordered {
		c.mu.Unlock()
		return
	}
	// Those whose results will not be wanted.
	c.over = true
	for c.todo.Len() > 0 {
		c.todo.PopFront()
	}
	cancel := []context.CancelFunc{c.stop}
	for _, o := range c.workers {
		if o.one != nil && (o.one.at > one.at || c.order == Unordered) {
			cancel = append(cancel, o.cancel)
		}
	}
	c.mu.Unlock()
	for _, fn := range cancel {
		fn()
	}
}

// ready is the take function of the consumer.
func (c *calls[T, U]) ready(*struct{}) (bool, error) {
	switch {
	case c.lost != nil:
		return true, nil
	case c.first != nil:
		return c.first.done, nil
	}
	return c.closed && c.used == 0, nil
}

// result waits for the next result, or the end. It is done with the one before.
func (c *calls[T, U]) result(ctx context.Context) (*call[T, U], error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	if c.held != nil {
		c.release()
	}
	ok, _ := c.ready(nil)
	if !ok && c.used > 0 && c.goroutines {
		// A call may be about to end: to give way once costs a third of going to sleep and being
		// woken for each result.
		c.mu.Unlock()
		runtime.Gosched()
		c.mu.Lock()
		ok, _ = c.ready(nil)
	}
	if !ok {
		// The mutex is free behind it, also if it panics, as it does in a callback.
		if _, err := c.reader.WaitLocked(ctx, &c.mu, struct{}{}, c.ready); err != nil {
			return nil, err
		}
		c.mu.Lock()
	}
	defer c.mu.Unlock()
	switch {
	case c.lost != nil:
		return nil, endOf(ctx, c.lost)
	case c.first == nil:
		c.over = true
		c.idle.Fail(-1, errEnd)
		return nil, endOf(ctx, c.end)
	}
	c.held, c.first = c.first, nil
	if c.rest.Len() > 0 {
		c.first = c.rest.PopFront()
	}
	return c.held, nil
}

// release makes the place of what the consumer is done with free.
func (c *calls[T, U]) release() {
	*c.held = call[T, U]{}
	c.free = append(c.free, c.held)
	c.held = nil
	c.used--
	if v := c.room.First(); v != nil && !c.over {
		c.admit(*v)
		c.room.Grant()
	}
}
