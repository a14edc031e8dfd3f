package xsync_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// Latch is a primitive that a user makes: it opens when so many have counted down.
type Latch struct {
	mu    sync.Mutex
	n     int
	queue xsync.WaitQueue[struct{}]
}

// open says, once, when a waiter may go.
func (l *Latch) open(*struct{}) (bool, error) { return l.n <= 0, nil }

func (l *Latch) Wait(ctx context.Context) error {
	_, err := l.queue.Wait(ctx, &l.mu, struct{}{}, l.open)
	return err
}

func (l *Latch) CountDown() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n--
	l.queue.Settle(l.open)
}

func ExampleWaitQueue() {
	l := Latch{n: 2}
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	fmt.Println(l.Wait(ctx))

	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() { fmt.Println(l.Wait(context.Background())) })
	}
	l.CountDown()
	l.CountDown()
	wg.Wait()
	// Output:
	// context deadline exceeded
	// <nil>
	// <nil>
	// <nil>
}

// Pool is another one: things that are lent, one by one, until the pool is closed. What a waiter takes
// away is the thing.
type Pool[T any] struct {
	mu     sync.Mutex
	free   []T
	closed bool
	queue  xsync.WaitQueue[T]
}

var errClosed = errors.New("pool is closed")

// next lets a waiter go with what was given back last, or with an error.
func (p *Pool[T]) next(v *T) (bool, error) {
	if p.closed {
		return true, errClosed
	}
	n := len(p.free)
	if n == 0 {
		return false, nil
	}
	*v, p.free = p.free[n-1], p.free[:n-1]
	return true, nil
}

func (p *Pool[T]) Get(ctx context.Context) (T, error) {
	var none T
	return p.queue.Wait(ctx, &p.mu, none, p.next)
}

func (p *Pool[T]) Put(v T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, v)
	p.queue.Settle(p.next)
}

func (p *Pool[T]) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.queue.Settle(p.next)
}

func ExampleWaitQueue_pool() {
	var conns Pool[string]
	ctx := context.Background()
	conns.Put("conn 1")
	fmt.Println(conns.Get(ctx))

	var wg sync.WaitGroup
	wg.Go(func() { fmt.Println(conns.Get(ctx)) })
	conns.Put("conn 2")
	wg.Wait()
	conns.Close()
	fmt.Println(conns.Get(ctx))
	// Output:
	// conn 1 <nil>
	// conn 2 <nil>
	//  pool is closed
}
