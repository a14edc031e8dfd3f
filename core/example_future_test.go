package core_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
)

func ExampleFuture_AddCallback() {
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer d.Close()
	f := core.NewFuture[int]()
	show := func(f *core.Future[int]) { fmt.Println(f.Read()) }
	f.AddCallback(d, show)
	stop := f.AddCallback(d, show)
	stop()
	f.Complete(42) // from any goroutine
	fmt.Println("the callback is posted")
	if _, err := d.Poll(0); err != nil {
		log.Fatal(err)
	}
	// Output:
	// the callback is posted
	// 42 <nil>
}

func ExampleTask_AddCallback() {
	_ = core.Run(context.Background(), func(ctx context.Context) error {
		task := core.Start(ctx, func(context.Context) error { return errors.New("disk full") })
		task.AddCallback(core.DispatcherOf(ctx), func(task *core.Task) {
			fmt.Println("ended:", task.Err())
		})
		return core.Yield(ctx)
	})
	// Output:
	// ended: disk full
}

// A future for work that is done elsewhere, which stops when nobody wants it any more.
func ExampleFuture_OnCancel() {
	f := core.NewFuture[string]()
	timer := time.AfterFunc(time.Hour, func() { f.TryComplete("an hour has passed") })
	f.OnCancel(func() { fmt.Println("stopped:", timer.Stop()) })

	f.Cancel()
	fmt.Println(f.State())
	// Output:
	// stopped: true
	// canceled
}

// Work that takes a while to stop: the end of the future is the end of the work.
func ExampleNewOwned() {
	quit := make(chan struct{})
	f := core.NewOwned[int](func(error) { close(quit) })
	go func() {
		<-quit
		fmt.Println("the work has stopped")
		f.Fail(context.Canceled)
	}()
	err := f.CancelAndWait(context.Background())
	fmt.Println(err, f.State())
	// Output:
	// the work has stopped
	// <nil> canceled
}

func ExampleFuture_CancelAndWait() {
	_ = core.Run(context.Background(), func(ctx context.Context) error {
		f := core.Async(ctx, func(ctx context.Context) (int, error) {
			defer fmt.Println("cleaned up")
			return double(ctx, 3600_000)
		})
		fmt.Println(f.CancelAndWait(ctx), f.State())
		return nil
	})
	// Output:
	// cleaned up
	// <nil> canceled
}

// A channel of its own makes a future a case of a select, on an ordinary goroutine.
func ExampleFuture_Done() {
	f := core.Async(context.Background(), func(ctx context.Context) (int, error) { return double(ctx, 2) })
	select {
	case <-f.Done():
		fmt.Println(f.Read())
	case <-time.After(time.Hour):
		fmt.Println("too late")
	}
	// Output:
	// 4 <nil>
}

func ExampleCheck() {
	d, err := dispatch.New(dispatch.Config{Unhandled: func(err error) { fmt.Println("unhandled:", err) }})
	if err != nil {
		log.Fatal(err)
	}
	defer d.Close()
	_ = core.RunOn(context.Background(), d, func(ctx context.Context) error {
		saved := core.Start(ctx, func(ctx context.Context) error {
			_ = core.Yield(ctx)
			return errors.New("disk full")
		})
		core.Check(saved) // nobody waits for it, but its failure is to be seen
		return core.Sleep(ctx, time.Millisecond)
	})
	// Output:
	// unhandled: disk full
}

// Code that speaks channels, and a task that does not stop its loop for it.
func ExampleReceive() {
	_ = core.Run(context.Background(), func(ctx context.Context) error {
		ticks := make(chan int)
		go func() {
			defer close(ticks)
			for i := range 3 {
				ticks <- i
			}
		}()
		for {
			v, ok, err := core.Receive(ctx, ticks)
			if err != nil || !ok {
				fmt.Println("end", err)
				return err
			}
			fmt.Println(v)
		}
	})
	// Output:
	// 0
	// 1
	// 2
	// end <nil>
}

func ExampleSend() {
	_ = core.Run(context.Background(), func(ctx context.Context) error {
		jobs := make(chan string)
		short, cancel := core.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		fmt.Println(core.Send(short, jobs, "nobody takes it"))
		go func() { fmt.Println("got", <-jobs); close(jobs) }()
		fmt.Println(core.Send(ctx, jobs, "a job"))
		_, _, err := core.Receive(ctx, jobs)
		return err
	})
	// Unordered output:
	// context deadline exceeded
	// <nil>
	// got a job
}

// A sequence that waits between its values works in a task as on a goroutine: range runs it
// where the loop is.
func ExampleSleep_sequence() {
	every := func(ctx context.Context, d time.Duration) iter.Seq[int] {
		return func(yield func(int) bool) {
			for i := 0; core.Sleep(ctx, d) == nil && yield(i); i++ {
			}
		}
	}
	_ = core.Run(context.Background(), func(ctx context.Context) error {
		for i := range every(ctx, time.Millisecond) {
			fmt.Println(i)
			if i == 2 {
				break
			}
		}
		return nil
	})
	// Output:
	// 0
	// 1
	// 2
}
