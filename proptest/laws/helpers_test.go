package laws_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"sync"
	"testing"

	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/lock"
	"github.com/seed-1e54c410/turnstile/proptest"
	"github.com/seed-1e54c410/turnstile/proptest/laws"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

func TestMain(m *testing.M) {
	if err := flag.Set("rapid.nofailfile", "true"); err != nil {
		panic(err)
	}
	if err := os.Setenv("TURNSTILE_REPORTS", "off"); err != nil { // no pages for failures that are expected
		panic(err)
	}
	check.Main(m)
}

// on is a Recorder that has a test for the bubbles of goroutines.
type on struct {
	*check.Recorder
	t *testing.T
}

func (o on) Test() *testing.T { return o.t }

// outcome runs a suite that is expected to fail, and returns whether it has and what it has logged.
func outcome(t *testing.T, suite func(t proptest.TB)) (failed bool, log string) {
	t.Helper()
	cases(t, "5000")
	return record(t, suite)
}

// record runs a suite.
func record(t *testing.T, suite func(t proptest.TB)) (failed bool, log string) {
	t.Helper()
	r := check.Record(t.Name(), func(r *check.Recorder) { suite(on{r, t}) })
	return r.Failed(), r.Output()
}

// cases sets how many cases are run.
func cases(t *testing.T, n string) {
	t.Helper()
	check.Cases(t, 1) // puts the flag back
	if err := flag.Set("rapid.checks", n); err != nil {
		t.Fatal(err)
	}
}

// errOdd is what comes from nowhere.
var errOdd = errors.New("odd")

// lockOf, semOf and so on are types with methods that can be replaced one by one.
type lockOf struct {
	acquire func(ctx context.Context) error
	release func()
	try     func() bool
}

func (l lockOf) Acquire(ctx context.Context) error { return l.acquire(ctx) }
func (l lockOf) Release()                          { l.release() }
func (l lockOf) TryAcquire() bool                  { return l.try() }

type rwLockOf struct {
	laws.RWLocker
	acquire func(ctx context.Context) error
	release func()
}

func (l rwLockOf) Acquire(ctx context.Context) error { return l.acquire(ctx) }
func (l rwLockOf) Release()                          { l.release() }

// overtaking is a semaphore whose try looks only at what is free.
type overtaking struct {
	mu    sync.Mutex
	free  int
	queue xsync.WaitQueue[int]
}

func (s *overtaking) take(n *int) (bool, error) {
	ok := *n <= s.free
	if ok {
		s.free -= *n
	}
	return ok, nil
}

func (s *overtaking) Acquire(ctx context.Context) error { return s.AcquireN(ctx, 1) }
func (s *overtaking) Release()                          { s.ReleaseN(1) }

func (s *overtaking) AcquireN(ctx context.Context, n int) error {
	_, err := s.queue.Wait(ctx, &s.mu, n, s.take)
	return err
}

func (s *overtaking) TryAcquireN(n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	ok, _ := s.take(&n)
	return ok
}

func (s *overtaking) ReleaseN(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free += n
	s.queue.Settle(s.take)
}

// alone is a lock for readers and writers that lets readers in one by one.
type alone struct{ *lock.AsyncLock }

func (a alone) RAcquire(ctx context.Context) error { return a.Acquire(ctx) }
func (a alone) RRelease()                          { a.Release() }

type queueOf struct {
	put      func(ctx context.Context, v int) error
	get      func(ctx context.Context) (int, error)
	tryPut   func(v int) error
	tryGet   func() (int, error)
	shutdown func()
	length   func() int
}

func (q queueOf) Put(ctx context.Context, v int) error { return q.put(ctx, v) }
func (q queueOf) Get(ctx context.Context) (int, error) { return q.get(ctx) }
func (q queueOf) TryPut(v int) error                   { return q.tryPut(v) }
func (q queueOf) TryGet() (int, error)                 { return q.tryGet() }
func (q queueOf) Shutdown()                            { q.shutdown() }
func (q queueOf) Len() int                             { return q.length() }

type eventOf struct {
	wait        func(ctx context.Context) error
	fire, clear func()
	isSet       func() bool
}

func (e eventOf) Wait(ctx context.Context) error { return e.wait(ctx) }
func (e eventOf) Fire()                          { e.fire() }
func (e eventOf) Clear()                         { e.clear() }
func (e eventOf) IsSet() bool                    { return e.isSet() }

type broadcastOf struct {
	emit      func(v int) error
	subscribe func() laws.Subscriber
	close     func()
}

func (b broadcastOf) Emit(v int) error           { return b.emit(v) }
func (b broadcastOf) Subscribe() laws.Subscriber { return b.subscribe() }
func (b broadcastOf) Close()                     { b.close() }

type readerOf func(ctx context.Context, most int) ([]int, error)

func (r readerOf) Read(ctx context.Context, most int) ([]int, error) { return r(ctx, most) }

type streamOf struct {
	laws.Streamer
	read     func(ctx context.Context) (int, error)
	complete func() bool
}

func (s streamOf) Read(ctx context.Context) (int, error) { return s.read(ctx) }
func (s streamOf) Complete() bool                        { return s.complete() }
