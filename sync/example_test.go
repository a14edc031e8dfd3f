package xsync_test

import (
	"context"
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
