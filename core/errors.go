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

// PanicError is the error of a task that has panicked.
type PanicError struct {
	Value any    // what panic was called with
	Stack []byte // of the task, at the panic
}

func newPanicError(value any) *PanicError { return &PanicError{value, debug.Stack()} }

// Error gives the value and the stack.
func (e *PanicError) Error() string {
	return fmt.Sprintf("core: task panicked: %v\n\n%s", e.Value, e.Stack)
}

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
