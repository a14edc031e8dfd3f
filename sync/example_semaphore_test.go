package xsync_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	xsync "github.com/seed-1e54c410/turnstile/sync"
)

func ExampleSemaphore() {
	// At most 100 bytes are in use at a time.
	memory := xsync.NewSemaphore(100)
	ctx := context.Background()

	if err := memory.AcquireN(ctx, 80); err != nil {
		return
	}
	fmt.Println(memory.TryAcquireN(30))
	fmt.Println(memory.AcquireN(ctx, 101))

	var wg sync.WaitGroup
	wg.Go(func() {
		if memory.AcquireN(ctx, 30) == nil { // waits until there are so many
			defer memory.ReleaseN(30)
			fmt.Println("30 more")
		}
	})
	memory.ReleaseN(80)
	wg.Wait()
	fmt.Printf("%+v\n", memory.Stats())
	// Output:
	// false
	// xsync: more permits than the semaphore has
	// 30 more
	// {Size:100 Held:0 Waiting:0 Who:<nil>}
}

func ExampleSemaphore_Resize() {
	s := xsync.NewSemaphore(4)
	s.TryAcquireN(4)
	s.Resize(2) // those who hold permits keep them
	fmt.Printf("%+v\n", s.Stats())
	s.ReleaseN(3)
	fmt.Println(s.Available())
	// Output:
	// {Size:2 Held:4 Waiting:0 Who:<nil>}
	// 1
}

func ExampleCond() {
	// A state that has a mutex anyway.
	var mu sync.Mutex
	changed := xsync.NewCond(&mu)
	version := 1

	await := func(ctx context.Context, wanted int) error {
		mu.Lock()
		defer mu.Unlock()
		for version < wanted {
			if err := changed.Wait(ctx); err != nil {
				return err
			}
		}
		return nil
	}

	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	fmt.Println(await(ctx, 2))

	var wg sync.WaitGroup
	wg.Go(func() { fmt.Println(await(context.Background(), 3)) })
	for range 2 {
		mu.Lock()
		version++
		mu.Unlock()
		changed.NotifyAll()
	}
	wg.Wait()
	// Output:
	// context deadline exceeded
	// <nil>
}

func ExampleBarrier() {
	// Three workers compute a step each, and begin the next step together.
	const workers, steps = 3, 2
	barrier := xsync.NewBarrier(workers)
	var total [steps]int
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			for step := range steps {
				mu.Lock()
				total[step] += i
				mu.Unlock()
				arrival, err := barrier.Wait(context.Background())
				if err != nil {
					return
				}
				if arrival == 0 { // one of them, any of them
					fmt.Println("step", step, "total", total[step])
				}
				if _, err := barrier.Wait(context.Background()); err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	// Output:
	// step 0 total 3
	// step 1 total 3
}

// A party that gives up breaks the barrier, so that nobody waits for it.
func ExampleBarrier_Reset() {
	barrier := xsync.NewBarrier(2)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for barrier.Stats().Arrived == 0 {
			runtime.Gosched()
		}
		cancel()
	}()
	_, err := barrier.Wait(ctx)
	fmt.Println(err)
	_, err = barrier.Wait(context.Background())
	fmt.Println(errors.Is(err, xsync.ErrBroken))
	barrier.Reset()
	fmt.Printf("%+v\n", barrier.Stats())
	// Output:
	// context canceled
	// true
	// {Parties:2 Arrived:0 Broken:false Who:<nil>}
}

func ExampleWaitGroup() {
	var g xsync.WaitGroup
	results := make([]int, 3)
	for i := range results {
		g.Go(func() { results[i] = i * i })
	}
	fmt.Println(g.Wait(context.Background()), results)

	g.Add(1) // something that never ends
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	fmt.Println(g.Wait(ctx))
	// Output:
	// <nil> [0 1 4]
	// context deadline exceeded
}

func ExampleOnce() {
	var conn xsync.Once[string]
	tries := 0
	dial := func(ctx context.Context) (string, error) {
		if tries++; tries == 1 {
			return "", errors.New("unreachable")
		}
		return "connected", ctx.Err()
	}
	for range 3 {
		fmt.Println(conn.Do(context.Background(), dial))
	}
	fmt.Println(tries, "tries")
	// Output:
	//  unreachable
	// connected <nil>
	// connected <nil>
	// 2 tries
}
