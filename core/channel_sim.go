package core

import (
	"context"
	"reflect"
	"slices"
)

// chanWait is a call of Receive or Send that waits in a simulation which lets nothing happen beside
// it. Those of one loop form a list, in order of arrival: no goroutine stands at the channel for them, so
// two that wait in opposite directions at one without a buffer find each other there. Only the
// loop touches it.
type chanWait struct {
	ch     uintptr      // the channel
	sends  bool         // the direction
	value  any          // a *T: what is sent, or where to put what is received
	try    func() bool  // does it if it need not wait
	done   bool         // it has come about
	met    bool         // by a call in the other direction
	thrown any          // what try has panicked with
	ended  Future[bool] // completed when done
}

// receiveInSim is Receive in a simulation.
func receiveInSim[T any](ctx context.Context, s *sched, ch <-chan T) (v T, ok bool, err error) {
	w := &chanWait{ch: reflect.ValueOf(ch).Pointer(), value: &v}
	w.try = func() bool {
		select {
		case v, ok = <-ch:
			return true
		default:
			return false
		}
	}
	if s.chanWaiter(w.ch, false) == nil && w.try() {
		return v, ok, nil
	}
	if ch != nil && cap(ch) == 0 {
		if from := s.chanWaiter(w.ch, true); from != nil {
			v = *from.value.(*T)
			from.meet()
			return v, true, nil
		}
	}
	err = s.waitChan(ctx, w)
	return v, ok || w.met, err
}

// sendInSim is Send in a simulation.
func sendInSim[T any](ctx context.Context, s *sched, ch chan<- T, v T) error {
	w := &chanWait{ch: reflect.ValueOf(ch).Pointer(), sends: true, value: &v}
	w.try = func() bool {
		select {
		case ch <- v:
			return true
		default:
			return false
		}
	}
	if s.chanWaiter(w.ch, true) == nil && w.try() {
		return nil
	}
	if ch != nil && cap(ch) == 0 {
		if to := s.chanWaiter(w.ch, false); to != nil {
			*to.value.(*T) = v
			to.meet()
			return nil
		}
	}
	return s.waitChan(ctx, w)
}

// chanWaiter returns the first that waits at a channel in that direction, nil if nobody does.
func (s *sched) chanWaiter(ch uintptr, sends bool) *chanWait {
	for _, w := range s.chans {
		if w.ch == ch && w.sends == sends && !w.done {
			return w
		}
	}
	return nil
}

// waitChan waits until w is done or ctx ends.
func (s *sched) waitChan(ctx context.Context, w *chanWait) error {
	s.chans = append(s.chans, w)
	stop := s.sim.Until(w.poll, w.finish)
	defer func() { // also if a ctx of somebody else's panics
		stop()
		s.chans = slices.DeleteFunc(s.chans, func(at *chanWait) bool { return at == w })
	}()
	_, err := w.ended.Await(ctx)
	switch {
	case w.thrown != nil:
		panic(w.thrown)
	case w.done:
		return nil
	}
	return err
}

// poll is asked behind each step. A send on a channel that is closed panics, which is for the
// task that sends.
func (w *chanWait) poll() (done bool) {
	defer func() {
		if p := recover(); p != nil {
			w.thrown, done = p, true
		}
		w.done = done
	}()
	return w.done || w.try()
}

// finish wakes the task of w.
func (w *chanWait) finish() { w.ended.TryComplete(true) }

// meet ends w, whose part a call in the other direction has done.
func (w *chanWait) meet() {
	w.done, w.met = true, true
	w.finish()
}
