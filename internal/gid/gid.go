// Package gid tells which goroutine is running.
//
// [Current] answers with a number that no other live goroutine has. It may be
// used for one thing: to find, in a table, what was entered there under the
// same number by or for a goroutine that is still alive. It is valid only
// while its goroutine lives; the runtime gives it to another goroutine
// afterwards, often at once, so an entry must leave the table before its
// goroutine ends. Numbers are compared for equality and nothing else: they are
// not ordered and not dense.
//
// The number is the address of the runtime's own descriptor of the goroutine
// (its g), which the compiler keeps in a register or in thread-local storage:
// one load behind a function call, 1 to 2 ns. The address is never
// dereferenced, so nothing depends on the layout of the descriptor. It stays
// the same when the stack grows, since descriptors are neither moved nor freed
// by the garbage collector. A coroutine made by iter.Pull has a descriptor, and
// therefore a number, of its own, whoever resumes it.
//
// The alternatives were rejected: the goroutine's id, which is never re-used,
// can be had only from the text of a stack trace, at a microsecond or two and one
// small allocation (where there is no assembly stub for the architecture, that
// is what Current does);
// profiler labels are inherited by child goroutines, which must not be taken
// for their parent.
package gid
