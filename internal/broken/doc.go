// Package broken has small types and programs with the bugs that libraries of asynchronous code have had, one for
// each, so that the laws and checks of package proptest can be seen to find them. Tests import
// it, and the program in the folder table, which prints what it takes to find each.
//
// Most of the bugs are one: something is granted to a waiter that is canceled at the same moment, and is not passed on. Of
// the list in [Bugs] one number is missing, 14: a cancel that broadcasts without the lock is lost between the look
// at the state and the wait. Both are in one step of a task, so that nothing can come between, and a
// goroutine that is hit there is hit by luck. Of 11 the half is missing in which a waiter of an event is canceled
// in the tick in which the event is set: here that waiter may end either way, and the event stays set. Instead, 11a is about
// the waiters behind it.
package broken
