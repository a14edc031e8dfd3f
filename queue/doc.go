// Package queue has queues between tasks and goroutines.
//
//   - [AsyncQueue] when items must arrive in order and none may get lost: both ends are served
//     strictly by arrival, putting and getting end with a context, and the queue can be looked at,
//     cleared and shut down.
//   - [AsyncPriorityQueue] when the most urgent item is to be got first, whenever it was put.
//   - [AsyncQueue.Reserve] when an item must not be made before there is room for it.
//   - [AsyncQueue.PutBatch] and [AsyncQueue.GetBatch] when items come in bursts and are so cheap that
//     the queue costs more than they do.
//   - [AsyncQueue.TaskDone] and [AsyncQueue.Join] when somebody waits until all that was put has been
//     dealt with.
//   - An event.AsyncEventQueue when each of several readers is to get each item, and an event.Watch
//     when only the latest one counts.
//   - A stream.FutureStream when the items end with an error, or go through a pipeline.
//   - An xsync.Select with [AsyncQueue.GetCase] and [AsyncQueue.PutCase] when one waits for several
//     queues, or for a queue and something else: the items of those that do not win stay where they
//     are.
//   - A channel when the program selects over several channels of goroutines, or hands over a single
//     value.
//
// The types work for ordinary goroutines and for the tasks of any number of dispatchers at the same
// time. In a task a wait also ends with dispatch.ErrClosed, once its dispatcher has closed and given
// up on the task. In a callback of a dispatcher a call that would have to wait panics.
//
// An item that is handed to a getter that waits, and room that is given to a putter, stay with it: a
// cancel that comes later leaves the call successful. One that comes earlier takes the call out of
// the queue, and what it would have got goes to the one behind it. Nobody is overtaken at either end,
// and a put happens before the return of the get that takes its item.
package queue
