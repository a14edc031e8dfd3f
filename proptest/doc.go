// Package proptest property-tests asynchronous code under drawn schedules and cancels.
//
// A [Check] runs a property many times. Each time the property draws some values, as with rapid,
// starts some tasks, and says what must hold; then the tasks run on a simulated dispatcher, where
// which ready task runs next, and which task is canceled when, is drawn as well. A case that fails is
// shrunk to the few values, steps and cancels that matter, and comes back as a report: who did what in which
// step, who holds what, who waits for what, and a line that replays it.
//
//	func TestPool(t *testing.T) {
//		proptest.Check(t, func(p *proptest.P) {
//			pool := NewPool(p.IntRange(1, 3, "size"))
//			for i := range p.IntRange(2, 6, "workers") {
//				p.Go(fmt.Sprint("w", i), func(ctx context.Context) error {
//					c, err := pool.Get(ctx)
//					if err != nil {
//						return err
//					}
//					defer pool.Put(c)
//					return core.Yield(ctx)
//				})
//			}
//			p.Always("nobody waits while a slot is free", func() bool { return pool.Free() == 0 || pool.Waiting() == 0 })
//			p.Finally("all slots are back", func() bool { return pool.Free() == pool.Size() })
//		}, proptest.Cancels(3))
//	}
//
// The code under test is as it is in production: it waits with the primitives of this module, and every
// wait is a place where others may run. It needs no calls of this package, no build tags
// and no rewriting.
//
// # What is simulated
//
// Time is virtual: it stands still while anything is ready, and jumps to the next timer otherwise, so a
// test with an hour's sleep takes microseconds. core.Blocking runs its function in place, and
// core.Async with a ctx of no dispatcher stays on the loop. Contexts of package context work where their
// cancel is called in a task. What needs the real world does not, and the case fails with the name
// of the call rather than with a wrong verdict: a context of context.WithTimeout, a goroutine
// that wakes a task, a task that blocks its thread. With [Bubble] these work too, in a bubble
// of testing/synctest.
//
// # What is checked without being asked
//
// A deadlock, with who waits for what that who holds; a livelock; a task that returns an error that is
// not its cancel, panics, or calls runtime.Goexit; a task that is still there when all others have ended
// and it was canceled; a lock that is held at the end; a timer or watch that is left; an error
// of core.Spawn, or of a future that was given to core.Check.
//
// # What it cannot see
//
// A step, from one wait to the next, is one piece: nothing else runs in it. So a data race inside
// a step does not show: run the tests with -race, too. And code that waits by blocking its
// goroutine, with a [sync.Mutex] held for long or on a Go channel, is not for tasks; put it to
// [Goroutines].
package proptest
