// Package xsync has the synchronization primitives that are neither a lock, nor an event, nor a
// queue, and what all of them are made of.
//
// It is imported by its path, .../turnstile/sync, beside the standard package
// sync, whose name it leaves free.
//
// Which one to take:
//
//   - at most n at a time, or so many bytes, in use: [Semaphore]; for n = 1 lock.AsyncLock;
//   - at most n in each second: [TokenBucket];
//   - wait until others have ended: [WaitGroup]; if they are tasks, core.WithGroup;
//   - all wait for each other, round after round: [Barrier];
//   - make something at its first use, which may take time and fail: [Once];
//   - wait for a change of a state behind a lock that exists already: [Cond];
//   - wait until something has happened: event.AsyncEvent;
//   - hand something over: package queue;
//   - whichever comes first of several of these: [Select];
//   - none of these: [WaitQueue] makes a new primitive a matter of some forty lines.
//
// All of them make the same promises:
//
//   - Every wait has a [context.Context] and ends with it. A ctx that is done at the call gets
//     nothing, even if there was no need to wait, and leaves everything as it was. Only the value of
//     a [Once] that is made already is there for every ctx.
//   - Who comes first is served first, and nobody is overtaken, not even by a Try call.
//   - A wakeup is not lost. A waiter that gives up is out of the queue, and its turn passes to the
//     next. One that was granted what it waits for has it, even if its ctx ends in
//     the same moment; the next wait with that ctx fails.
//   - What happened before the call that lets a waiter go happens before the return of its
//     wait.
//
// They work for ordinary goroutines and for the tasks of any number of dispatchers at the same
// time. On a task a wait suspends the task, on a goroutine it blocks the goroutine. In a task a wait
// also ends with dispatch.ErrClosed, once its dispatcher has closed and given up on the task. In a
// callback of a dispatcher a call that would have to wait panics.
package xsync
