package stream

import (
	"context"
	"math"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
)

// RetryPolicy says when and how often something that has failed is tried again. The zero
// value tries three times, with 100 ms and 200 ms in between.
type RetryPolicy struct {
	// Attempts is how often it is tried in all: 3 times for 0, without a bound if negative.
	Attempts int
	// Delay is the time before the second attempt, 100 ms for 0. It doubles with each
	// further one, up to MaxDelay, 100 times Delay for 0.
	Delay, MaxDelay time.Duration
	// Rand returns random numbers r with 0 ≤ r < 1, as rand.Float64 does: then a delay is
	// between one half of what it would be and the whole of it, so that those who have failed together
	// do not come back together. Without it there is no jitter. Runs at the same time
	// call it at the same time.
	Rand func() float64
	// If answers whether a failure with this error is worth another attempt. Without it every one
	// is.
	If func(err error) bool
}

// Do calls fn until it returns nil, or an error that is not to be tried again, and returns what the
// last call has returned. If ctx ends while Do waits for the next attempt, it returns ctx.Err(); an
// error that fn returns when ctx has ended is returned as it is. Do does not call fn with a ctx
// that is done.
func (p RetryPolicy) Do(ctx context.Context, fn func(ctx context.Context) error) error {
	need("RetryPolicy.Do", "function", fn != nil)
	return p.retry(ctx, func() (progress bool, err error) { return false, fn(ctx) })
}

// retry is Do. Where an attempt says that it got somewhere, the delays begin anew.
func (p RetryPolicy) retry(ctx context.Context, attempt func() (progress bool, err error)) error {
	if p.Attempts == 0 {
		p.Attempts = 3
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	failures := 0 // since the last progress
	for n := 1; ; n++ {
		progress, err := attempt()
		if err == nil || n == p.Attempts || ctx.Err() != nil || p.If != nil && !p.If(err) {
			return err
		}
		if progress {
			failures = 0
		}
		failures++
		if err := core.Sleep(ctx, p.delay(failures)); err != nil {
			return err
		}
	}
}

// delay is the time to wait after so many failures.
func (p RetryPolicy) delay(failures int) time.Duration {
	first, most := p.Delay, p.MaxDelay
	if first <= 0 {
		first = 100 * time.Millisecond
	}
	if most <= 0 {
		most = math.MaxInt64
		if first < math.MaxInt64/100 {
			most = 100 * first
		}
	}
	d := min(first, most)
	for range failures - 1 {
		if d > most/2 {
			d = most
			break
		}
		d *= 2
	}
	if p.Rand != nil {
		d -= time.Duration(p.Rand() * float64(d/2))
	}
	return d
}

// Retry is a stream of the values of s that runs s again when it has failed, as the policy says. The
// delays begin anew when a run has given a value. The error of the last run is that of the
// stream.
//
// What a run has given stays given: s should go on where it was, or the same values come
// again. Only errors of s are tried again: not what comes from the stages behind, a
// panic, or the end of ctx. Nothing is buffered.
func Retry[T any](s Stream[T], policy RetryPolicy) Stream[T] {
	needStream("Retry", s)
	return &retried[T]{s, policy}
}

type retried[T any] struct {
	src    Stream[T]
	policy RetryPolicy
}

func (r *retried[T]) run(ctx context.Context, emit func(T) error) error {
	var behind error // what the stages behind have returned
	err := r.policy.retry(ctx, func() (progress bool, err error) {
		err = r.src.run(ctx, func(v T) error {
			progress = true
			behind = emit(v)
			return behind
		})
		if behind != nil {
			return progress, nil
		}
		return progress, err
	})
	if behind != nil {
		return behind
	}
	return err
}
