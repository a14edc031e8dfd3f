package check

import (
	"context"
	"sync"
	"time"
)

// Ctx is a context of a type that package context does not know, as users write
// them. Its two halves, Err and Done, can be made to change one after the other.
type Ctx struct {
	mu   sync.Mutex
	err  error
	done chan struct{}
}

func NewCtx() *Ctx { return &Ctx{done: make(chan struct{})} }

func (c *Ctx) Deadline() (time.Time, bool) { return time.Time{}, false }
func (c *Ctx) Value(any) any               { return nil }
func (c *Ctx) Done() <-chan struct{}       { return c.done }

func (c *Ctx) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// SetErr sets what Err returns, and leaves Done as it is.
func (c *Ctx) SetErr(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

// CloseDone closes Done, and leaves Err as it is.
func (c *Ctx) CloseDone() { close(c.done) }

// Cancel ends the ctx as others end. It may be called twice.
func (c *Ctx) Cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = context.Canceled
		close(c.done)
	}
}
