package lock_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-1e54c410/turnstile/lock"
)

func ExampleAsyncLock() {
	var l lock.AsyncLock
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()

	if err := l.Acquire(context.Background()); err != nil {
		return
	}
	// Whoever comes now waits, but no longer than its context allows.
	err := l.Acquire(ctx)
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	fmt.Printf("%+v\n", l.Stats())
	l.Release()
	fmt.Println(l.Locked())
	// Output:
	// true
	// {Locked:true Waiting:0 Who:<nil>}
	// false
}

func ExampleAsyncLock_Do() {
	var l lock.AsyncLock
	balance := 10
	withdraw := func(n int) func(context.Context) error {
		return func(context.Context) error {
			if balance < n {
				return fmt.Errorf("%d is not enough", balance)
			}
			balance -= n
			return nil
		}
	}
	ctx := context.Background()
	fmt.Println(l.Do(ctx, withdraw(7)))
	fmt.Println(l.Do(ctx, withdraw(7)))
	// Output:
	// <nil>
	// 3 is not enough
}

func ExampleAsyncRWLock() {
	var l lock.AsyncRWLock
	ctx := context.Background()
	prices := map[string]int{}
	_ = l.Do(ctx, func(context.Context) error { // alone
		prices["tea"] = 3
		return nil
	})
	_ = l.RDo(ctx, func(context.Context) error { // beside other readers
		fmt.Println(prices["tea"], l.TryAcquire(), l.TryRAcquire())
		l.RRelease()
		return nil
	})
	fmt.Printf("%+v\n", l.Stats())
	// Output:
	// 3 false true
	// {Writing:false Readers:0 Waiting:0 WaitingWriters:0 Who:<nil>}
}

// A writer that goes on as a reader: nobody else can write before it has read what it wrote.
func ExampleAsyncRWLock_Downgrade() {
	var l lock.AsyncRWLock
	if err := l.Acquire(context.Background()); err != nil {
		return
	}
	l.Downgrade()
	defer l.RRelease()
	fmt.Println(l.TryAcquire(), l.TryRAcquire())
	// Output:
	// false true
}
