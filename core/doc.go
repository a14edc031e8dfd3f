// Package core has tasks and futures: sequential code that waits on an event loop.
//
// A task is a function that runs on a [dispatch.Dispatcher]. When it has to wait, for time, for
// a lock, for data on a connection, for another task, it is suspended, and the loop goes on with
// others. Tasks of one dispatcher never run at the same time, so what only they touch
// needs no lock; but between two waits anything may have happened.
//
//   - [Run] makes a dispatcher and runs a program on it.
//   - [Async] starts a task and returns the future of its result, [Start] one
//     without a result, [Spawn] one that nobody waits for.
//   - [Future.Await], [All], [Any], [Race], [AllFinished] and [Join] wait for results.
//   - [WithGroup] and [Gather] start tasks that end together.
//   - [Sleep], [Yield], [Steps], [Idle] and [Blocking] wait for time, for others, and for
//     code that blocks its thread; [Receive] and [Send] for Go channels, [Pull] for a
//     sequence that waits itself.
//   - [WithTimeout], [WithDeadline] and [WithCancel] limit waits and tasks; [Shield] and
//     [ShieldTimeout] are for clean-up, [Detach] for a task that goes on.
//   - [NewFuture] and [NewOwned] make futures that other code completes, and
//     [Future.AddCallback] tells other code of the end of one.
//
// # Where a call waits
//
// That depends on the goroutine alone. In a task every wait of this module suspends the
// task, whichever ctx it was given, and those without a ctx, such as net.Conn.Read
// of package transport, too. On an ordinary goroutine the same call blocks the goroutine. So a
// function that takes a ctx works the same for both. In a callback of a dispatcher, which is the loop
// itself, a wait panics.
//
// What blocks without this module's help, such as a file or a system call, stops the loop: see
// [Blocking]. So does a receive from a channel: see [Receive] and [Send].
//
// An iterator that is driven by [iter.Pull] in a task runs on a coroutine of its own,
// which is not the task: a wait in it stops the loop. [Pull] does it right.
//
// # Cancellation
//
// A task has a ctx of its own, which ends when the task is canceled, when the ctx it was started
// with ends, when its dispatcher closes, or with the task itself. A wait returns ctx.Err() then; so does every
// further wait with that ctx, until the task returns. Clean-up that has to wait uses [Shield].
//
// A wait that has been granted what it waits for returns it, even if its ctx has ended since. So
// nothing is lost, and the cancel shows in the next wait.
package core
