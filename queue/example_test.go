package queue_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/seed-1e54c410/turnstile/queue"
	xsync "github.com/seed-1e54c410/turnstile/sync"
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
	// {Len:0 Reserved:0 Unfinished:3 Getters:0 Putters:0 Joiners:0 Who:<nil>}
}

func ExampleAsyncQueue_Join() {
	ctx := context.Background()
	var q queue.AsyncQueue[int]
	var workers sync.WaitGroup
	for range 3 {
		workers.Go(func() {
			for _, err := range q.All(ctx) {
				if err == nil {
					q.TaskDone() // once it has been dealt with
				}
			}
		})
	}
	n, err := q.PutBatch(ctx, []int{1, 2, 3, 4})
	fmt.Println(n, err)
	fmt.Println(q.Join(ctx))
	q.Shutdown()
	workers.Wait()
	// Output:
	// 4 <nil>
	// <nil>
}

func ExampleSlot() {
	ctx := context.Background()
	q := queue.New[string](1)
	fetch := func() (string, error) { return "a page", nil }
	produce := func() error {
		slot, err := q.Reserve(ctx) // waits for room
		if err != nil {
			return err
		}
		defer slot.Release() // does nothing behind Put
		page, err := fetch()
		if err != nil {
			return err
		}
		return slot.Put(page) // does not wait
	}
	fmt.Println(produce())
	fmt.Println(q.TryGet())
	// Output:
	// <nil>
	// a page <nil>
}

func ExampleAsyncPriorityQueue() {
	type job struct {
		priority int
		name     string
	}
	ctx := context.Background()
	q := queue.NewPriority(0, func(a, b job) int { return cmp.Compare(b.priority, a.priority) }) // the highest first
	for _, j := range []job{{1, "tidy"}, {5, "rescue"}, {1, "sweep"}} {
		if err := q.Put(ctx, j); err != nil {
			return
		}
	}
	q.Shutdown()
	for j := range q.All(ctx) {
		fmt.Println(j.name)
	}
	// Output:
	// rescue
	// tidy
	// sweep
}

// Room in whichever queue has it first; the item is made once there is.
func ExampleAsyncQueue_ReserveCase() {
	near, far := queue.New[string](1), queue.New[string](1)
	_ = near.TryPut("old")
	var slot *queue.Slot[string]
	n, err := xsync.Select(context.Background(), near.ReserveCase(&slot), far.ReserveCase(&slot))
	if err != nil {
		return
	}
	defer slot.Release()
	fmt.Println(n, slot.Put("new"))
	fmt.Println(near.Len(), far.Len())
	// Output:
	// 1 <nil>
	// 1 1
}
