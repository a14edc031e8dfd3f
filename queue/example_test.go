package queue_test

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/seed-1e54c410/turnstile/queue"
)

func ExampleAsyncQueue() {
	ctx := context.Background()
	q := queue.New[string](2)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer q.Shutdown()
		for _, s := range []string{"one", "two", "three"} {
			if err := q.Put(ctx, s); err != nil { // waits while two are in the queue
				return
			}
		}
	})
	for s, err := range q.All(ctx) {
		fmt.Println(s, err)
	}
	wg.Wait()
	fmt.Println(errors.Is(q.TryPut("four"), queue.ErrShutdown))
	fmt.Printf("%+v\n", q.Stats())
	// Output:
	// one <nil>
	// two <nil>
	// three <nil>
	// true
	// {Len:0 Getters:0 Putters:0}
}
