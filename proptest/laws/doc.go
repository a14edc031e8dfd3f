// Package laws has suites for what the types of this module promise, ready for types of one's own.
//
//	func TestPool(t *testing.T) {
//		laws.Semaphore(t, func(size int) laws.Locker { return pool.New(size) })
//	}
//
// These are the suites:
//
//   - [Lock], [RWLock] and [Semaphore] for what is held for a while: locks, limiters, pools.
//   - [Queue] and [Stream] for what items go through, [Broadcast] where every reader gets every item.
//   - [Event] for a flag that is waited for.
//
// Each is a [proptest.Check] in which drawn tasks make drawn calls, under drawn schedules and cancels: some wait with
// the ctx of their task, some with one that ends soon or has ended before the call, some only try. A type
// needs no more than the methods of a small interface. Others, such as TryAcquire, are put to their laws if it has them. The
// failure says which promise was broken, and by whom: "strict order of arrival: w2 came before w3 and was granted
// after it"; and it is shrunk and reported as any other of package proptest.
//
// # How a suite knows who waits
//
// It looks at its own calls, and at nothing in the type. Who has called and has not returned when nothing is
// ready any more waits; a wait that could have been over by then is one that nobody will end, and
// calls arrive in the order in which they are made. So a type may take several steps to hand something
// over, and may do it with tasks of its own; but it must not wait for time to pass, as one that polls does. Len() int is
// compared with what the calls say, if a queue or stream has it.
//
// # Types that block goroutines
//
// What waits on Go channels or a [sync.Mutex] cannot be scheduled. It is put to the same laws on goroutines, in bubbles of
// testing/synctest, as far as they can be asked there: [Mutex], [RWMutex], [Int64Semaphore] and [Channel] do that, and
// [Goroutines] for other types. What is not asked is said in the log of the test.
package laws
