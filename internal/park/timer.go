package park

import (
	"sync"
	"time"
)

// Clock is a [Host] that has timers of its own.
type Clock interface {
	// AfterFunc calls fn when d has passed. Stop is harmless once it has; fn may come even so
	// while stop is called.
	AfterFunc(d time.Duration, fn func()) (stop func())
}

// timerCase is a case that wins when some time has passed.
type timerCase struct {
	queueCase[struct{}]
	d     time.Duration
	lock  sync.Mutex
	line  Queue[struct{}]
	round int // guards against the timer of an earlier Select
	due   bool
	stop  func()
}

// NewTimerCase returns a case that wins when d has passed since its Select has begun.
func NewTimerCase(d time.Duration) Case {
	c := &timerCase{d: d}
	c.queue, c.mu = &c.line, &c.lock
	c.take = func(*struct{}) (bool, error) { return c.due, nil }
	return Case{c}
}

func (c *timerCase) try() (bool, error) { return c.d <= 0, nil }

func (c *timerCase) join(s *selector, at int) (bool, error) {
	c.lock.Lock()
	c.checkFree()
	c.due = false
	c.round++
	round := c.round
	c.lock.Unlock()
	done, err := c.queueCase.join(s, at)
	if done {
		return done, err
	}
	ring := func() {
		c.lock.Lock()
		defer c.lock.Unlock()
		if c.round == round {
			c.due = true
			c.line.Settle(c.take)
		}
	}
	if clock, ok := s.host.(Clock); ok {
		c.stop = clock.AfterFunc(c.d, ring)
	} else {
		t := time.AfterFunc(c.d, ring)
		c.stop = func() { t.Stop() }
	}
	return false, nil
}

func (c *timerCase) leave() {
	c.end()
	c.queueCase.leave()
}

func (c *timerCase) result() error {
	c.end()
	return c.queueCase.result()
}

// end makes the timer mean nothing.
func (c *timerCase) end() {
	c.lock.Lock()
	c.round++
	c.lock.Unlock()
	if c.stop != nil {
		c.stop()
		c.stop = nil
	}
}
