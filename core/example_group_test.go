package core_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
)

func ExampleWithGroup() {
	_ = core.Run(context.Background(), func(ctx context.Context) error {
		err := core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
			for i := range 3 {
				_ = g.Go(ctx, func(ctx context.Context) error {
					defer fmt.Println("task", i, "has ended")
					if i == 1 {
						return errors.New("no route")
					}
					return core.Sleep(ctx, time.Hour)
				})
			}
			return nil
		})
		fmt.Println(err)
		return nil
	})
	// Output:
	// task 1 has ended
	// task 0 has ended
	// no route
}

// With a limit Go waits for a place.
func ExampleGroup() {
	_ = core.Run(context.Background(), func(ctx context.Context) error {
		return core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
			g.SetLimit(1)
			for i := range 3 {
				if err := g.Go(ctx, func(ctx context.Context) error {
					v, err := double(ctx, i)
					fmt.Println("job", i, v, err)
					return err
				}); err != nil {
					return err
				}
				fmt.Println("started", i)
			}
			return nil
		})
	})
	// Output:
	// started 0
	// job 0 0 <nil>
	// started 1
	// job 1 2 <nil>
	// started 2
	// job 2 4 <nil>
}

// The one that has found it ends the others, and nothing has failed.
func ExampleGroup_Cancel() {
	_ = core.Run(context.Background(), func(ctx context.Context) error {
		err := core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
			for i := range 3 {
				_ = g.Go(ctx, func(ctx context.Context) error {
					if err := core.Sleep(ctx, time.Duration(i)*time.Hour); err != nil {
						return err
					}
					fmt.Println("found by", i)
					g.Cancel()
					return nil
				})
			}
			return nil
		})
		fmt.Println(err)
		return nil
	})
	// Output:
	// found by 0
	// <nil>
}

func ExampleGather() {
	_ = core.Run(context.Background(), func(ctx context.Context) error {
		var fns []func(ctx context.Context) (int, error)
		for _, n := range []int{3, 1, 2} {
			fns = append(fns, func(ctx context.Context) (int, error) { return double(ctx, n) })
		}
		fmt.Println(core.Gather(ctx, 2, fns...))
		return nil
	})
	// Output:
	// [6 2 4] <nil>
}

// The sequence waits, and so does the loop that draws from it.
func ExamplePull() {
	_ = core.Run(context.Background(), func(ctx context.Context) error {
		next, stop := core.Pull(ctx, func(yield func(int, error) bool) {
			defer fmt.Println("cleaned up")
			for n := 1; ; n++ {
				if !yield(double(ctx, n)) {
					return
				}
			}
		})
		defer stop()
		for range 3 {
			fmt.Println(next(ctx))
		}
		return nil
	})
	// Output:
	// 2 <nil> true
	// 4 <nil> true
	// 6 <nil> true
	// cleaned up
}

func ExampleAll2() {
	_ = core.Run(context.Background(), func(ctx context.Context) error {
		size := core.Async(ctx, func(ctx context.Context) (int, error) { return double(ctx, 2) })
		name, n, err := core.All2(ctx, core.Completed("size"), size)
		fmt.Println(name, n, err)
		return nil
	})
	// Output:
	// size 4 <nil>
}

func ExampleAll3() {
	ctx := context.Background()
	fmt.Println(core.All3(ctx, core.Completed(1), core.Completed("b"), core.Completed(2.5)))
	// Output:
	// 1 b 2.5 <nil>
}

func ExampleAllFinished() {
	_ = core.Run(context.Background(), func(ctx context.Context) error {
		fs := []*core.Future[int]{core.Completed(1), core.Failed[int](errors.New("no")), core.NewFuture[int]()}
		fs[2].Cancel()
		err := core.AllFinished(ctx, fs...)
		fmt.Println(err, fs[0].State(), fs[1].State(), fs[2].State())
		return nil
	})
	// Output:
	// <nil> completed failed canceled
}

func ExampleAny() {
	_ = core.Run(context.Background(), func(ctx context.Context) error {
		slow := core.Async(ctx, func(ctx context.Context) (int, error) { return double(ctx, 3) })
		fmt.Println(core.Any(ctx, core.Failed[int](errors.New("no")), slow))
		_, err := core.Any(ctx, core.Failed[int](errors.New("no")), core.Failed[int](errors.New("never")))
		fmt.Printf("%q\n", err.Error())
		return nil
	})
	// Output:
	// 6 <nil>
	// "no\nnever"
}

func ExampleRace() {
	_ = core.Run(context.Background(), func(ctx context.Context) error {
		var fs []*core.Future[int]
		for _, n := range []int{30, 1, 20} {
			fs = append(fs, core.Async(ctx, func(ctx context.Context) (int, error) { return double(ctx, n) }))
		}
		i, err := core.Race(ctx, fs...)
		fmt.Println(i, err, fs[i].State(), fs[0].State())
		return nil
	})
	// Output:
	// 1 <nil> completed pending
}

func ExampleJoin() {
	_ = core.Run(context.Background(), func(ctx context.Context) error {
		task := core.Start(ctx, func(ctx context.Context) error { return errors.New("no") })
		fmt.Println(core.Join(ctx, task), task.Err())
		return nil
	})
	// Output:
	// <nil> no
}

func ExampleSteps() {
	_ = core.Run(context.Background(), func(ctx context.Context) error {
		core.Spawn(ctx, func(ctx context.Context) error {
			for i := range 3 {
				fmt.Println("turn", i)
				if err := core.Yield(ctx); err != nil {
					return err
				}
			}
			return nil
		})
		err := core.Steps(ctx, 2)
		fmt.Println("two turns later", err)
		return nil
	})
	// Output:
	// turn 0
	// turn 1
	// turn 2
	// two turns later <nil>
}

func ExampleIdle() {
	_ = core.Run(context.Background(), func(ctx context.Context) error {
		core.Spawn(ctx, func(ctx context.Context) error {
			err := core.Steps(ctx, 10)
			fmt.Println("worked")
			return err
		})
		err := core.Idle(ctx)
		fmt.Println("nothing left to do", err)
		return nil
	})
	// Output:
	// worked
	// nothing left to do <nil>
}

func ExampleWithDeadline() {
	_ = core.Run(context.Background(), func(ctx context.Context) error {
		now := core.DispatcherOf(ctx).Now()
		short, cancel := core.WithDeadline(ctx, now.Add(time.Millisecond))
		defer cancel()
		fmt.Println(core.Sleep(short, time.Hour))
		return nil
	})
	// Output:
	// context deadline exceeded
}

func ExampleShieldTimeout() {
	_ = core.Run(context.Background(), func(ctx context.Context) error {
		task := core.Start(ctx, func(ctx context.Context) error {
			defer func() {
				clean, cancel := core.ShieldTimeout(ctx, time.Millisecond)
				defer cancel()
				fmt.Println("cleaning up:", core.Yield(clean))
				fmt.Println("for an hour:", core.Sleep(clean, time.Hour))
			}()
			return core.Sleep(ctx, time.Hour)
		})
		return task.CancelAndWait(ctx)
	})
	// Output:
	// cleaning up: <nil>
	// for an hour: context deadline exceeded
}
