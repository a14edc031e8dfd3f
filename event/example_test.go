package event_test

import (
	"context"
	"errors"
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
	// {Set:true Waiting:0 Who:<nil>}
	// false
}

func ExampleAsyncSignal() {
	var work event.AsyncSignal
	var todo []string // in a program with goroutines, behind a lock
	for _, s := range []string{"one", "two", "three"} {
		todo = append(todo, s)
		work.Fire()
	}
	// However often it was fired: one goes, and takes all there is.
	if err := work.Wait(context.Background()); err == nil {
		fmt.Println(todo)
	}
	fmt.Println(work.TryWait())
	// Output:
	// [one two three]
	// false
}

func ExampleWatch() {
	var config event.Watch[string]
	var wg sync.WaitGroup
	wg.Go(func() {
		s, version, err := config.WaitFor(context.Background(), func(s string) bool { return s != "" })
		fmt.Println(s, version > 0, err)
	})
	config.Set("debug")
	wg.Wait()
	config.Set("info")
	config.Set("warn")
	s, version, err := config.Changed(context.Background(), 1)
	fmt.Println(s, version, err)
	// Output:
	// debug true <nil>
	// warn 3 <nil>
}

func ExampleAsyncEventQueue() {
	q := event.NewAsyncEventQueue[string](2)
	quick, slow := q.Subscribe(), q.Subscribe()
	defer quick.Close()
	defer slow.Close()
	for _, s := range []string{"one", "two", "three"} {
		if err := q.Emit(s); err != nil {
			return
		}
		got, err := quick.Read(context.Background(), 0)
		fmt.Println(got, err)
	}
	fmt.Printf("%+v\n", q.Stats())
	// Output:
	// [one] <nil>
	// [two] <nil>
	// [three] <nil>
	// {Len:2 Readers:2 Waiting:0 Who:<nil>}
}

func ExampleReader() {
	q := event.NewAsyncEventQueue[string](2)
	r := q.Subscribe()
	defer r.Close()
	for _, s := range []string{"one", "two", "three"} {
		if err := q.Emit(s); err != nil {
			return
		}
	}
	q.Close()
	for s, err := range r.All(context.Background()) {
		fmt.Printf("%q %v\n", s, err)
	}
	// Output:
	// "" event: reader lagged, 1 missed
	// "two" <nil>
	// "three" <nil>
}

func ExampleLaggedError() {
	q := event.NewAsyncEventQueue[int](10)
	r := q.Subscribe()
	defer r.Close()
	for i := range 100 {
		if err := q.Emit(i); err != nil {
			return
		}
	}
	_, err := r.Read(context.Background(), 0)
	var lagged *event.LaggedError
	if errors.As(err, &lagged) {
		fmt.Println("missed", lagged.Missed)
	}
	rest, err := r.Read(context.Background(), 2)
	fmt.Println(rest, err)
	// Output:
	// missed 90
	// [90 91] <nil>
}
