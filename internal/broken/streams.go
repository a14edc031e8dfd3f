package broken

import (
	"context"
	"sync"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/proptest/laws"
	"github.com/seed-1e54c410/turnstile/stream"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// dropsRead is a stream whose reader, when it is canceled after a value was handed to it, drops the value.
type dropsRead struct{ *stream.FutureStream[int] }

func (s dropsRead) Read(ctx context.Context) (int, error) {
	v, err := s.FutureStream.Read(ctx)
	if err := ctx.Err(); err != nil {
		return 0, err // there may be a value
	}
	return v, err
}

// staysQueued is a broadcast whose reader, when it has given up a read, still counts as one that is in the line, and
// does not join it again.
type staysQueued struct {
	log    []int
	closed bool
	line   line[struct{}]
}

func (b *staysQueued) Emit(v int) error {
	b.log = append(b.log, v)
	b.wake()
	return nil
}

func (b *staysQueued) Close() {
	b.closed = true
	b.wake()
}

func (b *staysQueued) wake() {
	for b.line.pop(struct{}{}) {
	}
}

func (b *staysQueued) Subscribe() laws.Subscriber { return &staysQueuedReader{b: b, next: len(b.log)} }

type staysQueuedReader struct {
	b      *staysQueued
	next   int
	queued *core.Future[struct{}]
}

func (r *staysQueuedReader) Read(ctx context.Context, most int) ([]int, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for r.next == len(r.b.log) {
		if r.b.closed {
			return nil, stream.ErrEnded
		}
		if r.queued == nil {
			r.queued = r.b.line.join()
		}
		if _, err := r.queued.Await(ctx); err != nil {
			r.b.line.leave(r.queued) // and is not queued any more
			return nil, err
		}
		r.queued = nil
	}
	items := r.b.log[r.next:]
	if most > 0 && len(items) > most {
		items = items[:most]
	}
	r.next += len(items)
	return items, nil
}

// readersFirst is a lock for readers and writers that readers enter while a writer waits.
type readersFirst struct {
	mu      sync.Mutex
	readers int
	writer  bool
	rq, wq  xsync.WaitQueue[struct{}]
}

func (l *readersFirst) RAcquire(ctx context.Context) error {
	_, err := l.rq.Wait(ctx, &l.mu, struct{}{}, l.read)
	return err
}

func (l *readersFirst) Acquire(ctx context.Context) error {
	_, err := l.wq.Wait(ctx, &l.mu, struct{}{}, l.write)
	return err
}

func (l *readersFirst) read(*struct{}) (bool, error) {
	if l.writer {
		return false, nil
	}
	l.readers++
	return true, nil
}

func (l *readersFirst) write(*struct{}) (bool, error) {
	if l.writer || l.readers > 0 {
		return false, nil
	}
	l.writer = true
	return true, nil
}

func (l *readersFirst) RRelease() { l.give(func() { l.readers-- }) }
func (l *readersFirst) Release()  { l.give(func() { l.writer = false }) }

func (l *readersFirst) give(back func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	back()
	l.rq.Settle(l.read)
	l.wq.Settle(l.write)
}
