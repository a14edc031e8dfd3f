package core_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
)

// double stands for a call that takes its time.
func double(ctx context.Context, n int) (int, error) {
	if err := core.Sleep(ctx, time.Duration(n)*time.Millisecond); err != nil {
		return 0, err
	}
	return 2 * n, nil
}

func ExampleRun() {
	err := core.Run(context.Background(), func(ctx context.Context) error {
		f := core.Async(ctx, func(ctx context.Context) (int, error) { return double(ctx, 3) })
		fmt.Println("it runs")
		v, err := f.Await(ctx)
		fmt.Println(v, err)
		return errors.New("that was all")
	})
	fmt.Println(err)
	// Output:
	// it runs
	// 6 <nil>
	// that was all
}

func ExampleRunOn() {
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer d.Close()
	for i := range 2 {
		err := core.RunOn(context.Background(), d, func(ctx context.Context) error {
			fmt.Println("run", i, core.DispatcherOf(ctx) == d)
			return nil
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// run 0 true
	// run 1 true
}

func ExampleAsync() {
	_ = core.Run(context.Background(), func(ctx context.Context) error {
		f := core.Async(ctx, func(ctx context.Context) (string, error) {
			fmt.Println("inside the call, up to the first wait")
			err := core.Yield(ctx)
			fmt.Println("when others have had their turn")
			return "done", err
		})
		fmt.Println("behind the call")
		v, err := f.Await(ctx)
		fmt.Println(v, err)
		return nil
	})
	// Output:
	// inside the call, up to the first wait
	// behind the call
	// when others have had their turn
	// done <nil>
}

// The same function runs on a goroutine where there is no dispatcher.
func ExampleAsync_goroutine() {
	ctx := context.Background()
	f := core.Async(ctx, func(ctx context.Context) (int, error) { return double(ctx, 4) })
	fmt.Println(f.Await(ctx))
	// Output:
	// 8 <nil>
}

func ExampleOn() {
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		log.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- d.Run(context.Background()) }()

	// From here, a goroutine, a task is started on d and waited for.
	ctx := core.On(context.Background(), d)
	f := core.Async(ctx, func(ctx context.Context) (int, error) { return double(ctx, 5) })
	fmt.Println(f.Await(ctx))

	fmt.Println(d.Close(), <-ended)
	// Output:
	// 10 <nil>
	// <nil> <nil>
}

func ExampleFuture() {
	_ = core.Run(context.Background(), func(ctx context.Context) error {
		answer := core.NewFuture[int]()
		core.Spawn(ctx, func(context.Context) error {
			answer.Complete(42)
			return nil
		})
		v, err := answer.Await(ctx)
		fmt.Println(v, err, answer.State())
		fmt.Println(answer.TryComplete(43))
		return nil
	})
	// Output:
	// 42 <nil> completed
	// false
}

func ExampleFuture_AwaitOrCancel() {
	_ = core.Run(context.Background(), func(ctx context.Context) error {
		f := core.Async(ctx, func(ctx context.Context) (int, error) {
			defer fmt.Println("cleaned up")
			return double(ctx, 3600_000)
		})
		short, cancel := core.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		_, err := f.AwaitOrCancel(short)
		fmt.Println(err)
		fmt.Println(f.State())
		return nil
	})
	// Output:
	// cleaned up
	// context deadline exceeded
	// canceled
}

func ExampleTask() {
	_ = core.Run(context.Background(), func(ctx context.Context) error {
		task := core.Start(ctx, func(ctx context.Context) error {
			return core.Sleep(ctx, time.Hour)
		})
		fmt.Println(task.State())
		task.CancelCause(errors.New("not needed any more"))
		fmt.Println(task.Wait(ctx))
		fmt.Println(task.State(), errors.Is(task.Err(), context.Canceled))
		return nil
	})
	// Output:
	// pending
	// core: canceled: not needed any more
	// canceled true
}

func ExampleState() {
	failed := core.Failed[int](errors.New("no"))
	fmt.Println(core.NewFuture[int]().State(), core.Completed(1).State(), failed.State())
	// Output:
	// pending completed failed
}

func ExampleCanceledError() {
	f := core.NewFuture[int]()
	f.CancelCause(errors.New("the user left"))
	err := f.Err()
	fmt.Println(err)
	fmt.Println(errors.Is(err, context.Canceled))
	var canceled *core.CanceledError
	fmt.Println(errors.As(err, &canceled), canceled.Cause)
	// Output:
	// core: canceled: the user left
	// true
	// true the user left
}

func ExamplePanicError() {
	_ = core.Run(context.Background(), func(ctx context.Context) error {
		err := core.Start(ctx, func(context.Context) error { panic("oh") }).Wait(ctx)
		var p *core.PanicError
		fmt.Println(errors.As(err, &p), p.Value, len(p.Stack) > 0)
		return nil
	})
	// Output:
	// true oh true
}

func ExampleSpawn() {
	d, err := dispatch.New(dispatch.Config{Unhandled: func(err error) { fmt.Println("unhandled:", err) }})
	if err != nil {
		log.Fatal(err)
	}
	defer d.Close()
	_ = core.RunOn(context.Background(), d, func(ctx context.Context) error {
		core.Spawn(ctx, func(context.Context) error { return errors.New("disk full") })
		return core.Yield(ctx)
	})
	// Output:
	// unhandled: disk full
}

func ExampleAll() {
	_ = core.Run(context.Background(), func(ctx context.Context) error {
		var fs []*core.Future[int]
		for _, n := range []int{3, 1, 2} {
			fs = append(fs, core.Async(ctx, func(ctx context.Context) (int, error) { return double(ctx, n) }))
		}
		fmt.Println(core.All(ctx, fs...))
		return nil
	})
	// Output:
	// [6 2 4] <nil>
}

// Futures of different types can race, and so can tasks.
func ExampleWaitable() {
	_ = core.Run(context.Background(), func(ctx context.Context) error {
		slow := core.Start(ctx, func(ctx context.Context) error { return core.Sleep(ctx, time.Hour) })
		fast := core.Completed("a value")
		fmt.Println(core.Race[core.Waitable](ctx, slow, fast))
		return nil
	})
	// Output:
	// 1 <nil>
}

func ExampleBlocking() {
	_ = core.Run(context.Background(), func(ctx context.Context) error {
		core.Spawn(ctx, func(context.Context) error {
			fmt.Println("the loop goes on")
			return nil
		})
		v, err := core.Blocking(ctx, func(context.Context) (string, error) {
			// What would block the loop: a file, a C library, a long computation.
			return "read", nil
		})
		fmt.Println(v, err)
		return nil
	})
	// Output:
	// the loop goes on
	// read <nil>
}

func ExampleShield() {
	_ = core.Run(context.Background(), func(ctx context.Context) error {
		task := core.Start(ctx, func(ctx context.Context) error {
			defer func() {
				fmt.Println("without a shield:", core.Sleep(ctx, time.Microsecond))
				fmt.Println("with one:", core.Sleep(core.Shield(ctx), time.Microsecond))
			}()
			return core.Sleep(ctx, time.Hour)
		})
		return task.CancelAndWait(ctx)
	})
	// Output:
	// without a shield: context canceled
	// with one: <nil>
}

func ExampleDetach() {
	_ = core.Run(context.Background(), func(ctx context.Context) error {
		saved := core.NewFuture[string]()
		request := core.Start(ctx, func(ctx context.Context) error {
			core.Spawn(core.Detach(ctx), func(ctx context.Context) error {
				err := core.Sleep(ctx, time.Millisecond)
				saved.Complete("saved")
				return err
			})
			return core.Sleep(ctx, time.Hour)
		})
		request.Cancel()
		fmt.Println(saved.Await(ctx))
		return nil
	})
	// Output:
	// saved <nil>
}

func ExampleWithTimeout() {
	_ = core.Run(context.Background(), func(ctx context.Context) error {
		short, cancel := core.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		_, err := double(short, 3600_000)
		fmt.Println(errors.Is(err, context.DeadlineExceeded))
		return nil
	})
	// Output:
	// true
}
