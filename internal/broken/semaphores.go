package broken

import (
	"context"
	"sync"

	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// swallows is a semaphore whose waiter, when it is canceled after a permit was handed to it, takes the permit
// with it.
type swallows struct {
	free int
	line line[struct{}]
}

func (s *swallows) Acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.free > 0 {
		s.free--
		return nil
	}
	_, _ = s.line.wait(ctx)
	return ctx.Err() // the permit has to go to the next
}

func (s *swallows) Release() {
	if !s.line.wake(struct{}{}) {
		s.free++
	}
}

// rejoins is a semaphore of which a newcomer can take what was meant for the first in line, who then goes to
// the end of the line.
type rejoins struct {
	free int
	line line[struct{}]
}

func (s *rejoins) Acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for s.free == 0 {
		if _, err := s.line.wait(ctx); err != nil {
			s.pass()
			return err
		}
	}
	s.free--
	s.pass()
	return nil
}

func (s *rejoins) Release() {
	s.free++
	s.pass()
}

// pass wakes the next if there is a permit for it.
func (s *rejoins) pass() {
	if s.free > 0 {
		s.line.wake(struct{}{})
	}
}

// queuesTheDead is a semaphore whose canceled waiters stay in the line.
type queuesTheDead struct {
	free int
	line line[struct{}]
}

func (s *queuesTheDead) Acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.free > 0 {
		s.free--
		return nil
	}
	_, err := s.line.join().Await(ctx) // who gives up has to leave
	return err
}

func (s *queuesTheDead) Release() {
	if !s.line.pop(struct{}{}) {
		s.free++
	}
}

// blocksBehind is a weighted semaphore that does not look again when the first in line gives up.
type blocksBehind struct {
	mu    sync.Mutex
	free  int
	queue xsync.WaitQueue[int]
}

func (s *blocksBehind) Acquire(ctx context.Context) error { return s.AcquireN(ctx, 1) }
func (s *blocksBehind) Release()                          { s.ReleaseN(1) }

func (s *blocksBehind) AcquireN(ctx context.Context, n int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	if s.queue.Len() == 0 && n <= s.free {
		s.free -= n
		s.mu.Unlock()
		return nil
	}
	_, err := s.queue.WaitLocked(ctx, &s.mu, n, nil) // without a take function nobody is asked
	return err
}

func (s *blocksBehind) ReleaseN(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free += n
	for w := s.queue.First(); w != nil && *w <= s.free; w = s.queue.First() {
		s.free -= *w
		s.queue.Grant()
	}
}
