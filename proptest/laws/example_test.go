package laws_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/seed-1e54c410/turnstile/event"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/lock"
	"github.com/seed-1e54c410/turnstile/proptest"
	"github.com/seed-1e54c410/turnstile/proptest/laws"
	"github.com/seed-1e54c410/turnstile/queue"
	"github.com/seed-1e54c410/turnstile/stream"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// examine stands for a test function: it runs a suite, and prints which promise was broken.
func examine(suite func(t proptest.TB)) {
	r := check.Record("Test", func(r *check.Recorder) { suite(r) })
	if !r.Failed() {
		fmt.Println("all laws hold")
		return
	}
	said := regexp.MustCompile(`failed after \d+ tests: (?:proptest: not always so: ")?(.*?)[:"]`).FindStringSubmatch(r.Output())
	fmt.Println("broken:", said[1])
}

// A lock that lets newcomers take it between the Release and the moment when the one that was woken runs.
func ExampleLock() {
	examine(func(t proptest.TB) {
		laws.Lock(t, func() laws.Locker { return new(barging) })
	})
	// Output: broken: strict order of arrival
}

// A semaphore of one permit is a lock.
func ExampleLocker() {
	examine(func(t proptest.TB) {
		laws.Lock(t, func() laws.Locker { return xsync.NewSemaphore(1) })
	})
	// Output: all laws hold
}

// A type may promise less than strict order.
func ExampleOption() {
	examine(func(t proptest.TB) {
		laws.Lock(t, func() laws.Locker { return new(barging) }, laws.Bypass(20), laws.With(proptest.Cancels(1)))
	})
	// Output: all laws hold
}

func ExampleRWLocker() {
	examine(func(t proptest.TB) {
		laws.RWLock(t, func() laws.RWLocker { return new(lock.AsyncRWLock) })
	})
	// Output: all laws hold
}

// A semaphore that grants several permits at once is asked for several, too.
func ExampleWeighted() {
	examine(func(t proptest.TB) {
		laws.Semaphore(t, func(size int) laws.Locker {
			s := xsync.NewSemaphore(size)
			var _ laws.Weighted = s
			return s
		})
	})
	// Output: all laws hold
}

// stack is a queue that gives what was put last.
type stack struct{ *queue.AsyncQueue[int] }

func (s stack) Get(ctx context.Context) (int, error) { return s.GetLast(ctx) }

func ExampleQueuer() {
	examine(func(t proptest.TB) {
		laws.Queue(t, func(limit int) laws.Queuer { return stack{queue.New[int](limit)} })
	})
	// Output: broken: strict order of arrival
}

func ExampleStreamer() {
	examine(func(t proptest.TB) {
		laws.Stream(t, func(buffer int) laws.Streamer { return stream.New[int](buffer) })
	})
	// Output: all laws hold
}

func ExampleWaiter() {
	examine(func(t proptest.TB) {
		laws.Event(t, func() laws.Waiter { return new(event.AsyncEvent) })
	})
	// Output: all laws hold
}

// log fits an AsyncEventQueue to the suite.
type log struct{ *event.AsyncEventQueue[int] }

func (l log) Subscribe() laws.Subscriber { return l.AsyncEventQueue.Subscribe() }

func ExampleBroadcaster() {
	examine(func(t proptest.TB) {
		laws.Broadcast(t, func(limit int) laws.Broadcaster { return log{event.NewAsyncEventQueue[int](limit)} },
			func(err error) (missed int, ok bool) {
				var lagged *event.LaggedError
				if ok = errors.As(err, &lagged); ok {
					missed = int(lagged.Missed)
				}
				return missed, ok
			})
	})
	// Output: all laws hold
}

// stammering is a reader that reads everything twice.
type stammering struct{ laws.Subscriber }

func (f stammering) Read(ctx context.Context, _ int) ([]int, error) {
	items, err := f.Subscriber.Read(ctx, 0)
	return append(items, items...), err
}

// stammers subscribes such readers.
type stammers struct{ log }

func (f stammers) Subscribe() laws.Subscriber { return stammering{f.log.Subscribe()} }

func ExampleSubscriber() {
	examine(func(t proptest.TB) {
		laws.Broadcast(t, func(int) laws.Broadcaster { return stammers{log{event.NewAsyncEventQueue[int](0)}} }, nil)
	})
	// Output: broken: every item once and in order
}
