package check_test

import (
	"context"
	"slices"
	"sync"
)

// What follows is broken on purpose, each type in one way that was found in a library
// that people use; the laws must see it. The types wait on goroutines only.

type waiter struct {
	ch chan struct{}
	v  int
}

// waiters is a list of waiters, and the mutex of its owner.
type waiters struct {
	mu   sync.Mutex
	list []*waiter
}

func (ws *waiters) add(v int) *waiter {
	w := &waiter{ch: make(chan struct{}), v: v}
	ws.list = append(ws.list, w)
	return w
}

// drop takes w out of the list and reports whether it was there.
func (ws *waiters) drop(w *waiter) bool {
	i := slices.Index(ws.list, w)
	if i < 0 {
		return false
	}
	ws.list = slices.Delete(ws.list, i, i+1)
	return true
}

// wake lets the first one go.
func (ws *waiters) wake() *waiter {
	if len(ws.list) == 0 {
		return nil
	}
	w := ws.list[0]
	ws.list = ws.list[1:]
	close(w.ch)
	return w
}

// wait returns ctx.Err() if ctx is done, also when w was woken.
func (w *waiter) wait(ctx context.Context) error {
	select {
	case <-w.ch:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// barging wakes the first waiter instead of handing the lock over, so that it can
// be overtaken.
type barging struct {
	ws     waiters
	locked bool
}

func (l *barging) Acquire(ctx context.Context) error {
	for ctx.Err() == nil {
		l.ws.mu.Lock()
		if !l.locked {
			l.locked = true
			l.ws.mu.Unlock()
			return nil
		}
		w := l.ws.add(0)
		l.ws.mu.Unlock()
		if w.wait(ctx) != nil {
			l.ws.mu.Lock()
			if !l.ws.drop(w) && !l.locked {
				l.ws.wake()
			}
			l.ws.mu.Unlock()
		}
	}
	return ctx.Err()
}

func (l *barging) TryAcquire() bool {
	l.ws.mu.Lock()
	defer l.ws.mu.Unlock()
	free := !l.locked
	l.locked = true
	return free
}

func (l *barging) Release() {
	l.ws.mu.Lock()
	defer l.ws.mu.Unlock()
	l.locked = false
	l.ws.wake()
}

// The faults of faultyLock.
type lockFault int

const (
	lockRight    lockFault = iota
	lockSwallows           // a waiter canceled after it was handed the lock keeps it from all
	lockDone               // a ctx that is done does not lose where the lock is free
	lockLIFO               // the last waiter is served first
	lockStays              // a canceled waiter stays in the queue and is handed the lock
)

type faultyLock struct {
	fault  lockFault
	ws     waiters
	locked bool
}

func (l *faultyLock) Acquire(ctx context.Context) error {
	if l.fault != lockDone && ctx.Err() != nil {
		return ctx.Err()
	}
	l.ws.mu.Lock()
	if !l.locked {
		l.locked = true
		l.ws.mu.Unlock()
		return nil
	}
	w := l.ws.add(0)
	if l.fault == lockLIFO {
		l.ws.drop(w)
		l.ws.list = slices.Insert(l.ws.list, 0, w)
	}
	l.ws.mu.Unlock()
	err := w.wait(ctx)
	if err == nil {
		return nil
	}
	l.ws.mu.Lock()
	defer l.ws.mu.Unlock()
	if l.fault == lockStays {
		return err
	}
	if l.ws.drop(w) || l.fault == lockSwallows {
		return err
	}
	return nil
}

func (l *faultyLock) TryAcquire() bool {
	l.ws.mu.Lock()
	defer l.ws.mu.Unlock()
	free := !l.locked
	l.locked = true
	return free
}

func (l *faultyLock) Release() {
	l.ws.mu.Lock()
	defer l.ws.mu.Unlock()
	if l.ws.wake() == nil {
		l.locked = false
	}
}

// The faults of faultyEvent.
type eventFault int

const (
	eventRight   eventFault = iota
	eventForgets            // a waiter canceled in the moment of the Fire does not see it
	eventClears             // a waiter looks again, and goes back to sleep if Clear came first
	eventOne                // Fire lets one waiter go
	eventSkips              // a Fire reaches every other waiter, for it changes the list it walks over
)

type faultyEvent struct {
	fault eventFault
	ws    waiters
	set   bool
}

func (e *faultyEvent) Wait(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	e.ws.mu.Lock()
	defer e.ws.mu.Unlock()
	for !e.set {
		w := e.ws.add(0)
		e.ws.mu.Unlock()
		err := w.wait(ctx)
		e.ws.mu.Lock()
		if err != nil && (e.ws.drop(w) || e.fault == eventForgets) {
			return err
		}
		if e.fault != eventClears {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

func (e *faultyEvent) Fire() {
	e.ws.mu.Lock()
	defer e.ws.mu.Unlock()
	e.set = true
	for i := 0; i < len(e.ws.list); i++ {
		close(e.ws.list[i].ch)
		e.ws.list = slices.Delete(e.ws.list, i, i+1)
		if e.fault == eventOne {
			return
		}
		if e.fault != eventSkips {
			i--
		}
	}
}

func (e *faultyEvent) Clear() {
	e.ws.mu.Lock()
	defer e.ws.mu.Unlock()
	e.set = false
}

func (e *faultyEvent) IsSet() bool {
	e.ws.mu.Lock()
	defer e.ws.mu.Unlock()
	return e.set
}

// The faults of faultySem.
type semFault int

const (
	semRight  semFault = iota
	semHead            // a canceled head does not let those behind it through
	semSmall           // a small acquire overtakes a large one that waits
	semTry             // TryAcquire overtakes those who wait
	semOne             // Release looks at the head alone
	semLoses           // a waiter canceled after its grant does not give it back
	semDouble          // it gives it back and keeps it
)

// faultySem is a weighted semaphore.
type faultySem struct {
	fault semFault
	ws    waiters
	free  int
}

func (s *faultySem) Acquire(ctx context.Context, n int) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.ws.mu.Lock()
	if n <= s.free && (len(s.ws.list) == 0 || s.fault == semSmall) {
		s.free -= n
		s.ws.mu.Unlock()
		return nil
	}
	w := s.ws.add(n)
	s.ws.mu.Unlock()
	err := w.wait(ctx)
	if err == nil {
		return nil
	}
	s.ws.mu.Lock()
	defer s.ws.mu.Unlock()
	if s.ws.drop(w) {
		if s.fault != semHead {
			s.settle()
		}
		return err
	}
	switch s.fault {
	case semLoses:
		return err
	case semDouble:
		s.free += n
		s.settle()
	}
	return nil
}

func (s *faultySem) settle() {
	for len(s.ws.list) > 0 && s.ws.list[0].v <= s.free {
		s.free -= s.ws.wake().v
		if s.fault == semOne {
			return
		}
	}
}

func (s *faultySem) TryAcquire(n int) bool {
	s.ws.mu.Lock()
	defer s.ws.mu.Unlock()
	if n > s.free || len(s.ws.list) > 0 && s.fault != semTry {
		return false
	}
	s.free -= n
	return true
}

func (s *faultySem) Release(n int) {
	s.ws.mu.Lock()
	defer s.ws.mu.Unlock()
	s.free += n
	s.settle()
}
