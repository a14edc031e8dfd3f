package broken

import (
	"github.com/seed-1e54c410/turnstile/proptest"
	"github.com/seed-1e54c410/turnstile/proptest/laws"
	"github.com/seed-1e54c410/turnstile/queue"
	"github.com/seed-1e54c410/turnstile/stream"
)

// Bugs returns all bugs, in the order of their numbers.
func Bugs() []Bug {
	return []Bug{
		{
			"1", "swallows", "python/asyncio#270, python/cpython#90155", "conservation",
			semaphore(func(n int) laws.Locker { return &swallows{free: n} }),
		},
		{
			"2", "rejoins", "python/cpython#31910, #93222", "strict order of arrival",
			semaphore(func(n int) laws.Locker { return &rejoins{free: n} }),
		},
		{
			"3", "wakesNobody", "python/cpython#1031 (bpo-27585)", "work conservation",
			locker(func() laws.Locker { return &wakesNobody{} }),
		},
		{
			"4", "dropsHanded", "python/asyncio#201, #256 (bpo-23812)", "conservation",
			queues(func(n int) laws.Queuer { return newDropsHanded(n) }),
		},
		{
			"5", "putsOutOfOrder", "python/cpython#83055", "strict order of arrival",
			queues(func(n int) laws.Queuer { return &putsOutOfOrder{limit: n} }),
		},
		{
			"6", "forgetsWinner", "python/cpython#86296, python/asyncio#343", "conservation",
			queues(func(n int) laws.Queuer { return forgetsWinner{queue.New[int](n)} }),
		},
		{
			"7", "losesNotify", "python/cpython#112201, agronholm/anyio#1075", "deadlock",
			func(t proptest.TB) { notifies(t, func() notifier { return &losesNotify{} }) },
		},
		{
			"8", "swallowsCancel", "python/cpython#116720, #95289, #155433", "a cancel was swallowed",
			func(t proptest.TB) { endsCanceled(t, swallowsCancel) },
		},
		{
			"9", "dropsRead", "agronholm/anyio#146, #728", "conservation",
			func(t proptest.TB) {
				laws.Stream(t, func(n int) laws.Streamer { return dropsRead{stream.New[int](n)} })
			},
		},
		{
			"10", "queuesTheDead", "agronholm/anyio#1145, #947", "conservation",
			semaphore(func(n int) laws.Locker { return &queuesTheDead{free: n} }),
		},
		{
			"11a", "breaksChain", "agronholm/anyio#536", "fire",
			events(func() laws.Waiter { return &breaksChain{} }),
		},
		{
			"11b", "failsAfterDelivery", "agronholm/anyio#536", "conservation",
			queues(func(n int) laws.Queuer { return failsAfterDelivery{queue.New[int](n)} }),
		},
		{
			"12", "blocksBehind", "golang/go#37852, embassy#6964, shuttle#167", "work conservation",
			semaphore(func(n int) laws.Locker { return &blocksBehind{free: n} }),
		},
		{
			"13", "takesWhenDone", "golang/go#63615", "a done ctx",
			locker(func() laws.Locker { return &takesWhenDone{} }),
		},
		{
			"15", "coalesces", "async-rs/async-std#452", "work conservation",
			queues(func(n int) laws.Queuer { return newCoalesces(n) }),
		},
		{
			"16a", "dropsListener", "tokio-rs/tokio#4618", "deadlock",
			listens,
		},
		{
			"16b", "wakesLater", "tokio-rs/tokio#5396", "fire",
			events(func() laws.Waiter { return &wakesLater{} }),
		},
		{
			"17", "staysQueued", "tokio-rs/tokio#2134", "no lost wakeup|close",
			func(t proptest.TB) { laws.Broadcast(t, func(int) laws.Broadcaster { return &staysQueued{} }, nil) },
		},
		{
			"18", "forgottenWaiter", "tokio-rs/tokio#6450", "deadlock",
			forgottenWaiter,
		},
		{
			"19", "keepsWhenCanceled", "Kotlin/kotlinx.coroutines#2380", "conservation",
			locker(func() laws.Locker { return &keepsWhenCanceled{} }),
		},
		{
			"20", "failsAfterTaking", "tornadoweb/tornado#2826", "conservation",
			queues(func(n int) laws.Queuer { return failsAfterTaking{queue.New[int](n)} }),
		},
		{
			"21", "putsGhosts", "apple/swift-async-algorithms#131, #142", "conservation",
			queues(func(n int) laws.Queuer { return &putsGhosts{limit: n} }),
		},
		{
			"22a", "diesWoken", "true-async/php-async#240", "work conservation",
			queues(func(n int) laws.Queuer { return newDiesWoken(n) }),
		},
		{
			"22b", "takesPromised", "true-async/php-async#240", "strict order of arrival|conservation",
			queues(func(n int) laws.Queuer { return newTakesPromised(n) }),
		},
		{
			"23", "hangsOthers", "golang/go#33519, #41133", "deadlock",
			once,
		},
		{
			"24", "keepsLock", "python-trio/trio#3035", "deadlock|is held",
			keepsLock,
		},
		{
			"25a", "barging", "golang/go#13086, smol-rs/async-lock#23", "strict order of arrival",
			locker(func() laws.Locker { return &barging{} }),
		},
		{
			"25b", "readersFirst", "golang/go#76808", "strict order of arrival",
			func(t proptest.TB) { laws.RWLock(t, func() laws.RWLocker { return &readersFirst{} }) },
		},
	}
}

func locker(mk func() laws.Locker) func(proptest.TB) {
	return func(t proptest.TB) { laws.Lock(t, mk) }
}

func semaphore(mk func(n int) laws.Locker) func(proptest.TB) {
	return func(t proptest.TB) { laws.Semaphore(t, mk) }
}

func queues(mk func(n int) laws.Queuer) func(proptest.TB) {
	return func(t proptest.TB) { laws.Queue(t, mk) }
}

func events(mk func() laws.Waiter) func(proptest.TB) {
	return func(t proptest.TB) { laws.Event(t, mk) }
}
