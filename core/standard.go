package core

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// standard is a scope's standard context.
type standard struct {
	s      *scope
	ctx    context.Context // a cancelCtx below this one
	cancel func()          // ends ctx, with the error and cause that this one has by then
	unused context.CancelFunc
	never  chan struct{}
	why    atomic.Pointer[ending]
	cause  atomic.Pointer[context.Context]
}

// standard returns the standard context of s, making it at the first call.
func (s *scope) standard() *standard {
	if std := s.std.Load(); std != nil {
		return std
	}
	// Made without the lock: the standard library asks for values meanwhile.
	std := &standard{s: s, never: make(chan struct{})}
	// The cancel function of ctx knows no error but Canceled. So std ends it as a
	// parent does; the standard library attaches it to std by AfterFunc.
	std.ctx, std.unused = context.WithCancel(std)
	s.tree.mu.Lock()
	defer s.tree.mu.Unlock()
	if first := s.std.Load(); first != nil {
		return first
	}
	if e := s.over.Load(); e != nil {
		std.end(e)
	}
	s.special.Store(true)
	s.std.Store(std)
	return std
}

func (std *standard) end(e *ending) {
	caused, cancel := context.WithCancelCause(std.s.values())
	cancel(e.cause)
	std.cause.Store(&caused)
	std.why.Store(e)
	std.cancel()
}

// AfterFunc is how a standard context attaches itself to one that is not.
func (std *standard) AfterFunc(fn func()) func() bool {
	std.cancel = fn
	return func() bool { return false }
}

func (std *standard) Deadline() (time.Time, bool) { return std.s.Deadline() }

// Done is never closed; it only says that std can end.
func (std *standard) Done() <-chan struct{} { return std.never }

func (std *standard) Err() error {
	if e := std.why.Load(); e != nil {
		return e.err
	}
	return nil
}

func (std *standard) Value(key any) any {
	if c := std.cause.Load(); c != nil {
		return (*c).Value(key)
	}
	return std.s.values().Value(key)
}

// values is a scope without its end.
type values struct{ s *scope }

func (s *scope) values() values { return values{s} }

func (values) Deadline() (time.Time, bool) { return time.Time{}, false }
func (values) Done() <-chan struct{}       { return nil }
func (values) Err() error                  { return nil }

func (v values) Value(key any) any {
	switch key {
	case scopeKey{}:
		return v.s
	case schedKey{}:
		return v.s.sched
	}
	return v.s.up.ctx.Value(key)
}

// String names the scope as the standard library names its contexts. Without it fmt would read the
// fields, which others write.
func (s *scope) String() string {
	above := fmt.Sprintf("%T", s.up.ctx)
	if named, ok := s.up.ctx.(fmt.Stringer); ok {
		above = named.String()
	}
	switch {
	case s.owner != nil:
		return above + ".core.Task"
	case s.timer != nil:
		at, _ := s.Deadline()
		return fmt.Sprintf("%s.core.WithDeadline(%v)", above, at)
	case s.cut:
		return above + ".core.Shield"
	}
	return above + ".core.WithCancel"
}
