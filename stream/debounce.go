package stream

import (
	"context"
	"sync"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// Debounce is a stream of those values of s behind which no other one comes for d: a value
// goes on when it has been the latest for so long, or as soon after that as the stages behind
// are ready. The others are dropped. The last value goes on at once when s ends, also before
// an error with which it does; only when the ctx of the sink ends it is dropped.
//
// Time is that of the dispatcher in a task. Debounce runs s on a task of its own, which is
// never held up, and holds the latest value. A source that never waits gives others a turn
// with each value that is dropped. If the stages behind stop the stream, what is held is
// dropped. Debounce panics if d is not above 0.
func Debounce[T any](s Stream[T], d time.Duration) Stream[T] {
	needStream("Debounce", s)
	if d <= 0 {
		panic("stream: Debounce of " + d.String())
	}
	return &debounced[T]{s, d}
}

type debounced[T any] struct {
	src Stream[T]
	d   time.Duration
}

func (d *debounced[T]) run(ctx context.Context, emit func(T) error) error {
	l := &latest[T]{d: d.d, now: clock(ctx)}
	return beside(ctx,
		func(ctx context.Context) error {
			return drive(ctx, d.src, func(v T) error { return l.set(ctx, v) }, l.finish)
		},
		func(ctx context.Context) error {
			for {
				v, ok, err := l.next(ctx)
				if ok {
					err = emit(v)
				}
				if err == errEnd {
					return nil
				}
				if err != nil {
					return err
				}
			}
		})
}

// latest is the latest value and since when it is that.
type latest[T any] struct {
	d   time.Duration
	now func() time.Time

	mu    sync.Mutex
	v     T
	has   bool
	since time.Time
	end   error                 // behind v; nil: not yet
	taker xsync.WaitQueue[bool] // true: for the end only
}

func (l *latest[T]) set(ctx context.Context, v T) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	drops := l.has
	l.v, l.has, l.since = v, true, l.now()
	l.taker.Settle(l.there)
	l.mu.Unlock()
	if drops {
		// A source that never waits would let nobody else have a turn on its loop.
		return core.Yield(ctx)
	}
	return nil
}

func (l *latest[T]) finish(err error) {
	if err == nil {
		err = errEnd
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end = err
	l.taker.Settle(l.there)
}

// there is the take function of taker.
func (l *latest[T]) there(onlyEnd *bool) (bool, error) {
	return l.end != nil || l.has && !*onlyEnd, nil
}

// next waits for a value behind which no other one comes, and takes it.
func (l *latest[T]) next(ctx context.Context) (v T, ok bool, err error) {
	if _, err := l.taker.Wait(ctx, &l.mu, false, l.there); err != nil {
		return v, false, err
	}
	for {
		l.mu.Lock()
		left := l.d - l.now().Sub(l.since)
		if l.end != nil || left <= 0 {
			break
		}
		l.mu.Unlock()
		timed, cancel := core.WithTimeout(ctx, left)
		_, err := l.taker.Wait(timed, &l.mu, true, l.there)
		cancel()
		if ended := ctx.Err(); err != nil && ended != nil {
			return v, false, ended
		}
		if err != nil && err != context.DeadlineExceeded {
			return v, false, err
		}
	}
	defer l.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return v, false, err
	}
	if !l.has {
		return v, false, l.end
	}
	v, l.v, l.has = l.v, v, false
	return v, true, nil
}
