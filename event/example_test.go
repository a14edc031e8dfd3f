package event_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/seed-1e54c410/turnstile/event"
)

func ExampleAsyncEvent() {
	var connected event.AsyncEvent
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := connected.Wait(context.Background()); err == nil {
				fmt.Println("go")
			}
		})
	}
	connected.Fire()
	wg.Wait()
	fmt.Printf("%+v\n", connected.Stats())

	connected.Clear()
	fmt.Println(connected.IsSet())
	// Output:
	// go
	// go
	// go
	// {Set:true Waiting:0}
	// false
}
