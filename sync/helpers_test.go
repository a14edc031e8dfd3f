package xsync_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/internal/check/tasks"
)

// runners returns the kinds of participants there are.
func runners() map[string]func() check.Stepper {
	all := tasks.Steppers()
	for name, mk := range check.Steppers() {
		all[name] = mk
	}
	return all
}

// everywhere checks a law on each of them.
func everywhere[T any](t *testing.T, law check.Law[T], mk func(size int) T) {
	for name, steppers := range runners() {
		t.Run(name, func(t *testing.T) { law.Check(t, steppers, mk) })
	}
}

// text is an error as models compare it.
func text(err error) string {
	if err == nil {
		return "ok"
	}
	return err.Error()
}

// find returns the place of the call id in the queue of a model, -1 if it is not there.
func find(queue []check.Op, id int) int {
	return slices.IndexFunc(queue, func(op check.Op) bool { return op.ID == id })
}

func want[T comparable](t *testing.T, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

func wantErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: error %v, want %v", what, got, want)
	}
}

func mustPanic(t *testing.T, text string, fn func()) {
	t.Helper()
	if r := panics(fn); r != text {
		t.Fatalf("panic %v, want %q", r, text)
	}
}

// doneContexts returns one of each kind.
func doneContexts(t *testing.T) []context.Context {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	expired, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	t.Cleanup(cancel)
	user := check.NewCtx()
	user.SetErr(errors.New("over"))
	return []context.Context{canceled, expired, user}
}

// noAllocations asserts that fn allocates nothing, with any ctx.
func noAllocations(t *testing.T, fn func(ctx context.Context)) {
	t.Helper()
	cancelable, cancel := context.WithCancel(context.Background())
	defer cancel()
	for name, ctx := range map[string]context.Context{"background": context.Background(), "cancelable": cancelable} {
		if n := testing.AllocsPerRun(1000, func() { fn(ctx) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// calls are goroutines in a bubble, and what they returned.
type calls struct {
	mu  sync.Mutex
	got []string
}

// start starts n calls, one after the other has begun to wait.
func start(n int, fn func(i int) error) *calls {
	c := new(calls)
	for i := range n {
		c.start(i, func() error { return fn(i) })
	}
	return c
}

func (c *calls) start(name any, fn func() error) {
	go func() {
		err := fn()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.got = append(c.got, fmt.Sprint(name, " ", err))
	}()
	synctest.Wait()
}

// want asserts what has returned since the last time, in no order.
func (c *calls) want(t *testing.T, list ...string) {
	t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.Sort(c.got)
	slices.Sort(list)
	if !slices.Equal(c.got, list) {
		t.Fatalf("returned %q, want %q", c.got, list)
	}
	c.got = nil
}

// counter is an int that several change.
type counter struct{ n atomic.Int64 }

func (c *counter) add(n int) int { return int(c.n.Add(int64(n))) }

// load runs participants that make calls, whose contexts are canceled at random moments by others.
func load(t *testing.T, r check.Runner, participants, ops int, call func(ctx context.Context, i, j int)) {
	t.Helper()
	cancels := make(chan func(), 16)
	for i := range participants {
		r.Go(fmt.Sprint(i), func(own context.Context) {
			rnd := rand.New(rand.NewPCG(uint64(i), 3))
			for j := range ops {
				ctx, cancel := context.WithCancel(own)
				if rnd.IntN(3) == 0 {
					select {
					case cancels <- cancel:
					default:
					}
				}
				call(ctx, i, j)
				cancel()
			}
		})
	}
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(i), 4))
			for cancel := range cancels {
				for range rnd.IntN(20) {
					runtime.Gosched()
				}
				cancel()
			}
		})
	}
	r.Wait()
	close(cancels)
	wg.Wait()
}
