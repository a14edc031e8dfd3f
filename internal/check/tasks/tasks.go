// Package tasks runs the participants of a test as tasks of dispatchers, beside the kinds
// of participants that package check has below package core. Only tests import it.
package tasks

import (
	"context"
	"fmt"
	"sync"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/check"
)

// Runner deals its participants to several dispatchers in turn. It can settle in a bubble
// only. It serves for one test: its loops end in Wait.
type Runner struct {
	ds    []*dispatch.Dispatcher
	all   []*core.Task
	loops sync.WaitGroup
}

// New returns a Runner with n dispatchers, whose loops run on goroutines of their own.
func New(n int) *Runner {
	r := &Runner{}
	for range n {
		d, err := dispatch.New(dispatch.Config{})
		if err != nil {
			panic(err)
		}
		r.ds = append(r.ds, d)
		r.loops.Go(func() {
			if err := d.Run(context.Background()); err != nil {
				panic(err)
			}
		})
	}
	return r
}

func (r *Runner) Go(_ string, fn func(ctx context.Context)) context.CancelFunc {
	d := r.ds[len(r.all)%len(r.ds)]
	task := core.Start(core.On(context.Background(), d), func(ctx context.Context) error {
		fn(ctx)
		return nil
	})
	r.all = append(r.all, task)
	return func() { task.Cancel() }
}

func (r *Runner) Wait() {
	for _, task := range r.all {
		<-task.Done()
		if err := task.Err(); err != nil {
			panic(err)
		}
	}
	for _, d := range r.ds {
		if n := pending(d); n != 0 {
			panic(fmt.Sprintf("tasks: %d are pending when all tasks have ended", n))
		}
		if err := d.Close(); err != nil {
			panic(err)
		}
	}
	r.loops.Wait()
}

// pending asks on the loop itself, where the answer is exact.
func pending(d *dispatch.Dispatcher) int {
	n := make(chan int, 1)
	d.CallSoon(func() { n <- d.Pending() })
	return <-n
}

func (r *Runner) Settle() { synctest.Wait() }

// Steppers returns the kinds of participants in which tasks take part.
func Steppers() map[string]func() check.Stepper {
	return map[string]func() check.Stepper{
		"tasks":                func() check.Stepper { return New(1) },
		"tasks of dispatchers": func() check.Stepper { return New(3) },
		"tasks and goroutines": func() check.Stepper {
			return &check.Mixed{Of: []check.Stepper{New(2), new(check.Goroutines)}}
		},
	}
}
