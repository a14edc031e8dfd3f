package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

func ExampleDispatcher() {
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	d.CallIdle(func() {
		fmt.Println("nothing else to do")
		d.AfterFunc(time.Millisecond, func() { fmt.Println("a millisecond later") })
	})
	d.CallSoon(func() {
		fmt.Println("soon")
		d.CallSoon(func() { fmt.Println("in the next turn") })
	})
	for {
		if _, err := d.Poll(-1); errors.Is(err, dispatch.ErrIdle) {
			break
		}
	}
	// Output:
	// soon
	// in the next turn
	// nothing else to do
	// a millisecond later
}

// A loop on a goroutine of its own, to which others post.
func ExampleDispatcher_Run() {
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ended := make(chan error)
	go func() { ended <- d.Run(context.Background()) }()

	sum := 0 // without a lock: only callbacks touch it
	for i := range 10 {
		if err := d.Post(func() { sum += i }); err != nil {
			fmt.Println(err)
		}
	}
	seen := make(chan int)
	if err := d.Post(func() { seen <- sum }); err != nil {
		fmt.Println(err)
	}
	fmt.Println(<-seen)

	fmt.Println(d.Close())
	fmt.Println(<-ended)
	fmt.Println(d.Post(func() {}))
	// Output:
	// 45
	// <nil>
	// <nil>
	// dispatch: dispatcher closed
}

func ExampleTimer() {
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	timeout := d.AfterFunc(time.Hour, func() { fmt.Println("too late") })
	d.CallSoon(func() {
		fmt.Println("in time:", timeout.Stop())
		timeout.Reset(time.Millisecond)
	})
	for d.Pending() > 0 {
		if _, err := d.Poll(-1); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// in time: true
	// too late
}

func ExampleConfig() {
	_, err := dispatch.New(dispatch.Config{Backend: "carrier pigeon"})
	fmt.Println(errors.Is(err, errors.ErrUnsupported))

	d, err := dispatch.New(dispatch.Config{CloseTimeout: time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(d.Close())
	// Output:
	// true
	// <nil>
}

// A loop that blocks in the system call holds its thread meanwhile, and works as any other.
func ExampleWaitStyle() {
	d, err := dispatch.New(dispatch.Config{Wait: dispatch.WaitBlock})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	d.CallSoon(func() { fmt.Println("works as before") })
	fmt.Println(d.Poll(-1))
	// Output:
	// works as before
	// 1 <nil>
}

func ExampleCloseError() {
	d, err := dispatch.New(dispatch.Config{CloseTimeout: time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	begun, end, ended := make(chan bool), make(chan bool), make(chan error)
	d.CallSoon(func() {
		begun <- true
		<-end // a callback must not wait: it is the loop
	})
	go func() { ended <- d.Run(context.Background()) }()
	<-begun

	var left *dispatch.CloseError
	if err := d.Close(); errors.As(err, &left) {
		fmt.Println(left.Busy)
		fmt.Println(err)
	}
	close(end)
	fmt.Println(<-ended)
	// Output:
	// true
	// dispatch: close: the loop is held by a callback or task
	// <nil>
}
