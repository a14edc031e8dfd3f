// Package linearize checks that what callers of an asynchronous type see is what they would see if their
// calls came one after the other.
//
// [Check] runs a property as proptest.Check does, and claims that the history of each case linearizes:
// for each operation that was noted with p.Op there is a moment between its begin and its end such that the
// results are those of a plain sequential [Model] to which the operations are done at these moments. If
// there is a case in which they are not, it is shrunk and reported as usual, and an HTML page is written that
// shows its history: which operations overlap, how far the model can follow, and where it cannot.
// The search and the page are those of Porcupine (github.com/anishathalye/porcupine), which
// is why this package is a module of its own:
//
//	go get github.com/seed-1e54c410/turnstile/proptest/linearize
//
// # What it cannot see
//
// A history says what was returned, and when. So what takes effect in no result does not show:
//
//   - In which order those that wait are served. Calls that overlap may take effect in any order, so a lock
//     or queue that lets newcomers overtake linearizes as well as one that serves strictly by arrival.
//   - A lost wakeup. An operation that is still pending when everything has come to rest may take effect later,
//     so a wait that never ends is no contradiction. (The deadlock is one, and proptest.Check
//     finds it; but not one that another operation heals later.)
//   - What a wait that was given up leaves behind, until another operation trips over it.
//
// The laws of package proptest/laws, and claims with p.Always, are for these.
package linearize
