// Package event tells tasks and goroutines that wait that something has happened: that a condition
// holds, that there is something to look at, that a value has changed, or what has come.
//
//   - [AsyncEvent] when a condition becomes true and stays true until somebody takes it back:
//     started, connected, paused. It lets all go who wait.
//   - [AsyncSignal] when one has to be woken to look at something, and how often it was called does
//     not matter: there is work, the configuration is stale. It lets one go, and remembers one call.
//   - [Watch] when only the latest value counts: a configuration, a state, a position. Nobody misses
//     that it has changed; values in between may be missed.
//   - [AsyncEventQueue] when each of several readers needs each value that comes, in order: a log, a
//     feed. Whoever emits never waits; who reads too slowly is told how much it has missed.
//   - Package queue when each value is for one receiver, or the sender must wait for slow ones.
//   - An xsync.Select with [AsyncEvent.WaitCase] and its like when one waits for whichever comes
//     first of several.
//   - A core.Future when it happens once and has a result.
//   - [context.CancelFunc], or a channel that gets closed, when it happens once and receivers select
//     on it.
//
// The types work for ordinary goroutines and for the tasks of any number of dispatchers at the same
// time. In a task a wait also ends with dispatch.ErrClosed, once its dispatcher has closed and given
// up on the task. In a callback of a dispatcher a call that would have to wait panics. What lets
// others go never waits: it may be called from callbacks.
//
// Waiters are let go in the order in which they came, and what happened before the call that lets
// them go happens before the return of their waits. A waiter that gives up is out of the queue: what
// is for one goes to the next. One that was let go first stays so, even if its ctx ends in the same
// moment: the cancel shows in the next wait.
package event

import "errors"

// ErrClosed is returned by an [AsyncEventQueue] and its readers once they are closed.
var ErrClosed = errors.New("event: closed")
