package core

import (
	"bytes"
	"iter"
	"runtime"

	"github.com/seed-1e54c410/turnstile/internal/park"
)

// coroutine runs tasks, one after the other. Only the goroutine that holds the loop
// touches it.
type coroutine struct {
	g     park.G
	sched *sched
	task  *task // the one that runs or is suspended; nil: idle
	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool
	seat  park.Seat[struct{}] // in which the task awaits a future

	// What wakes the task from its present wait.
	alarm                alarm
	stopArmed            func() bool
	armedOn              *scope // guarded by its tree.mu, with the links
	armedNext, armedPrev *coroutine
	outer                *outward // where waits are nested, of all but the innermost
	arms                 int32    // how many those are that have something armed

	dead bool // a task has called Goexit, which waits for the coroutine to be stopped
}

func newCoroutine(s *sched) *coroutine {
	c := &coroutine{sched: s}
	c.alarm.c = c
	c.g.Loop = s.loop.Dispatcher()
	if s.sim != nil {
		c.g.Witness, c.g.Real = s.sim.Held, s.sim.Real
	}
	// The body is no method, whose wrapper would be on the stack of every task as well.
	c.next, c.stop = iter.Pull(func(yield func(struct{}) bool) {
		c.yield = yield
		c.g.Enter()
		defer c.exit()
		if leave := s.loop.Watch(); leave != nil {
			defer leave()
		}
		for {
			c.task.run()
			if !c.rest() {
				return
			}
		}
	})
	return c
}

// rest makes c idle until it has a task again, and answers false if it never will. It is no part of
// the body: what that has on its stack every task has, as long as it lives.
//
//go:noinline
func (c *coroutine) rest() bool {
	c.task, c.g.Host = nil, nil
	return c.sched.keep(c) && c.yield(struct{}{})
}

// exit is the end of a coroutine. A Goexit must not travel to whoever resumed the
// coroutine, which is the loop or another task. So it is held up here, until
// somebody who can do without his goroutine resumes it by stop.
func (c *coroutine) exit() {
	if c.task != nil {
		c.task, c.g.Host, c.dead = nil, nil, true
		c.yield(struct{}{})
	}
	c.g.Leave()
}

// burial ends the coroutine of a task that has called Goexit.
type burial struct{ c *coroutine }

// RunReady comes as a callback, on the goroutine of the loop.
func (b burial) RunReady() {
	s := b.c.sched
	s.burials--
	s.loop.Hold(-1)
	if lockedToThread() {
		// Only a goroutine on this thread could resume it. It stays as it is.
		s.parked++
		return
	}
	// No code of the user runs any more, so it is not worth going on meanwhile.
	buried := make(chan struct{})
	go func() {
		defer close(buried)
		b.c.stop() // does not return: here the Goexit goes on
	}()
	<-buried
}

// bury makes the loop end c.
func (s *sched) bury(c *coroutine) {
	c.dead = false
	s.burials++
	s.loop.Hold(1)
	s.loop.Ready(burial{c})
}

// lockedToThread reports whether the calling goroutine is wired to its thread, which the
// runtime tells in the first line of a stack trace alone.
func lockedToThread() bool {
	buf := make([]byte, 128)
	buf = buf[:runtime.Stack(buf, false)]
	line, _, _ := bytes.Cut(buf, []byte("\n"))
	return bytes.Contains(line, []byte("locked to thread"))
}
