package core

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

var (
	// ErrTaskEnded is the cause of the ctx of a task that has ended by itself.
	ErrTaskEnded = errors.New("core: task has ended")
	// ErrMainReturned is the cause with which tasks are canceled that are still there when
	// the main function of Run returns.
	ErrMainReturned = errors.New("core: main function has returned")
	// ErrGoexit is the error of a task that has ended itself by runtime.Goexit, as
	// the FailNow of package testing does.
	ErrGoexit = errors.New("core: task called runtime.Goexit")
	// ErrPending is returned by Read on a future that is not finished.
	ErrPending = errors.New("core: future is pending")
	// ErrSelf is returned to a task that waits for its own end.
	ErrSelf = errors.New("core: task waits for itself")
	// ErrNoFutures is returned by Race and Any of nothing.
	ErrNoFutures = errors.New("core: no futures to wait for")
)

// CanceledError is the error of a future that was canceled. It is
// context.Canceled by errors.Is.
type CanceledError struct {
	// Cause is what CancelCause was given, or context.Cause of the ctx that
	// ended; context.Canceled if nobody gave one.
	Cause error
}

// Error gives the cause, if there is one to give.
func (e *CanceledError) Error() string {
	if e.Cause == nil || e.Cause == context.Canceled {
		return "core: canceled"
	}
	return "core: canceled: " + e.Cause.Error()
}

// Is reports whether target is context.Canceled.
func (e *CanceledError) Is(target error) bool { return target == context.Canceled }

// Unwrap returns the cause.
func (e *CanceledError) Unwrap() error { return e.Cause }

// saysOnly reports whether err says nothing but some of these errors: an error that is made of
// several does if each of them does. A panic never does, whatever its value. It calls
// methods of err.
func saysOnly(err error, these ...error) bool {
	for err != nil {
		if _, panicked := err.(*PanicError); panicked {
			return false
		}
		is, _ := err.(interface{ Is(target error) bool })
		for _, this := range these {
			if err == this || is != nil && is.Is(this) {
				return true
			}
		}
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			err = e.Unwrap()
		case interface{ Unwrap() []error }:
			all := e.Unwrap()
			for _, err := range all {
				if !saysOnly(err, these...) {
					return false
				}
			}
			return len(all) > 0
		default:
			return false
		}
	}
	return false
}

// isPanic reports whether err is that of a task that has panicked, or wraps one.
func isPanic(err error) bool { return panicIn(err) != nil }

// panicIn returns the first panic in err, nil if there is none. An error whose own methods panic when it is
// asked has none.
func panicIn(err error) (p *PanicError) {
	defer func() {
		if recover() != nil {
			p = nil
		}
	}()
	p, _ = errors.AsType[*PanicError](err)
	return p
}

// PanicError is the error of a task that has panicked. It stays the same where a panic is passed on: from a
// function of [Blocking] to its task, and from the main task to the caller of [Run].
type PanicError struct {
	Value any    // what panic was called with
	Stack []byte // of the task, or the function of Blocking, at the panic
}

// newPanicError returns the error of a panic with value. One that is passed on, as by [Blocking] and the
// next of a [Pull], is the first one still, with the stack of that.
func newPanicError(value any) *PanicError {
	if e, ok := value.(*PanicError); ok && e != nil {
		return e
	}
	return &PanicError{value, debug.Stack()}
}

// Error gives the value and the stack.
func (e *PanicError) Error() string {
	return fmt.Sprintf("core: task panicked: %v\n\n%s", e.Value, e.Stack)
}

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
