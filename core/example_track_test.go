package core_test

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
)

// A program that hangs tells what it waits for.
func ExamplePendingFutures() {
	core.Track(true)
	defer core.Track(false)
	err := core.Run(context.Background(), func(ctx context.Context) error {
		answer := core.NewFuture[int]()
		task := core.Async(ctx, func(ctx context.Context) (int, error) { return answer.Await(ctx) })
		fmt.Println(len(core.PendingFutures())) // main is a task, too
		answer.Complete(42)
		v, err := task.Await(ctx)
		fmt.Println(v, len(core.PendingFutures()))
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 3
	// 42 1
}

func ExampleFutureInfo() {
	core.Track(true)
	defer core.Track(false)
	f := core.NewFuture[int]()
	for _, info := range core.PendingFutures() {
		fmt.Println(path.Base(info.Made.Function), path.Base(info.Made.File))
		fmt.Println(info.Task == "", info.By == "", info.Age < time.Hour)
	}
	f.Complete(1)
	// Output:
	// core_test.ExampleFutureInfo example_track_test.go
	// true true true
}

func ExamplePlace() {
	fmt.Println(core.Place{Function: "main.serve", File: "main.go", Line: 12})
	// Output:
	// main.serve (main.go:12)
}

func ExampleSiteInfo() {
	core.Track(true)
	defer core.Track(false)
	for i := range 3 {
		f := core.NewFuture[int]()
		f.Complete(i)
	}
	for _, s := range core.Sites() {
		fmt.Println(path.Base(s.Function), s.Created, s.Finished, s.Pending)
	}
	// Output:
	// core_test.ExampleSiteInfo 3 3 0
}

// With tracking on, a failure that nobody has looked at is not lost.
func ExampleTrack() {
	core.Track(true)
	defer core.Track(false)
	d, err := dispatch.New(dispatch.Config{Unhandled: func(err error) {
		fmt.Println(errors.Unwrap(err))
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = core.RunOn(context.Background(), d, func(ctx context.Context) error {
		core.Start(ctx, func(context.Context) error { return errors.New("no space left") })
		return nil
	})
	fmt.Println(err, d.Close())
	// Output:
	// no space left
	// <nil> <nil>
}
