// Package lock has mutual exclusion with a context on every wait and in strict
// order of arrival.
//
//   - [AsyncLock] when a section may wait inside, when waiting must end with a
//     context, or when nobody may starve.
//   - [AsyncRWLock] when, besides, most only look, and look for long: readers hold it together. Where
//     sections are short, AsyncLock is as good.
//   - A value in a [sync/atomic.Pointer], or an event.Watch where somebody waits for the next
//     one, when readers need a snapshot only.
//   - An xsync.Semaphore when up to n may be inside at the same time.
//   - A queue to a single task that owns the data, when sections are long and callers need not
//     wait for their end.
//   - An xsync.Select with [AsyncLock.AcquireCase] when the lock, or something else that comes first, will do.
//   - [sync.Mutex] when the section is short and never waits: it is a little cheaper
//     uncontended, and under contention it trades fairness for throughput.
//
// The types work for ordinary goroutines and for the tasks of any number of
// dispatchers at the same time. In a task a wait also ends with dispatch.ErrClosed,
// once its dispatcher has closed and given up on the task. In a callback of a
// dispatcher a call that would have to wait panics.
//
// A lock that is given back goes straight to who is next. If that one gives up before, the lock
// goes to the one behind it; if it gives up after, it holds the lock all the same: Acquire
// returns nil. So no release is ever lost, and what was acquired must be released. Nobody is overtaken, and what
// happened before a lock is given back happens before the return of the call that gets it next.
package lock
