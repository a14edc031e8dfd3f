package check_test

import (
	"testing"

	"github.com/seed-1e54c410/turnstile/internal/check"
)

func TestMain(m *testing.M) { check.Main(m) }

// cases bounds the search. A fault takes some ten cases, one of them a hundred: one that is not
// found in so many is not seen by the law.
const cases = 2000

func goroutines() check.Stepper { return new(check.Goroutines) }

// try asserts that the law finds a fault in broken, and none in right.
func try[T any](t *testing.T, law check.Law[T], broken map[string]func(size int) T, right func(size int) T) {
	t.Helper()
	for name, mk := range broken {
		t.Run(name, func(t *testing.T) {
			n, err := law.Find(t, cases, goroutines, mk)
			if err == nil {
				t.Fatalf("not found in %d cases", n)
			}
			t.Logf("found in case %d: %v", n, err)
		})
	}
	t.Run("right", func(t *testing.T) {
		if n, err := law.Find(t, 200, goroutines, right); err != nil {
			t.Fatalf("a fault where there is none, in case %d: %v", n, err)
		}
	})
}

func TestLawOfLocksFindsFaults(t *testing.T) {
	mk := func(fault lockFault) func(int) check.Locker {
		return func(int) check.Locker { return &faultyLock{fault: fault} }
	}
	try(t, check.Locks[check.Locker](nil), map[string]func(int) check.Locker{
		"barging":               func(int) check.Locker { return new(barging) },
		"cancel swallows grant": mk(lockSwallows),
		"done ctx wins":         mk(lockDone),
		"last in, first out":    mk(lockLIFO),
		"canceled waiter stays": mk(lockStays),
	}, mk(lockRight))
}

func TestLawOfEventsFindsFaults(t *testing.T) {
	mk := func(fault eventFault) func(int) check.Eventer {
		return func(int) check.Eventer { return &faultyEvent{fault: fault} }
	}
	try(t, check.Events[check.Eventer](nil), map[string]func(int) check.Eventer{
		"canceled waiter forgotten": mk(eventForgets),
		"clear loses woken waiter":  mk(eventClears),
		"wakes one":                 mk(eventOne),
		"skips":                     mk(eventSkips),
	}, mk(eventRight))
}

func TestLawOfSemaphoresFindsFaults(t *testing.T) {
	mk := func(fault semFault) func(int) check.Semaphorer {
		return func(size int) check.Semaphorer { return &faultySem{fault: fault, free: 1 + size} }
	}
	try(t, check.Semaphores[check.Semaphorer](nil), map[string]func(int) check.Semaphorer{
		"canceled head lets nobody through": mk(semHead),
		"small overtakes":                   mk(semSmall),
		"try overtakes":                     mk(semTry),
		"release looks at one":              mk(semOne),
		"cancel swallows grant":             mk(semLoses),
		"cancel doubles grant":              mk(semDouble),
	}, mk(semRight))
}

func TestLawOfQueuesFindsFaults(t *testing.T) {
	mk := func(fault queueFault) func(int) check.Queuer {
		return func(size int) check.Queuer { return &faultyQueue{fault: fault, max: size} }
	}
	try(t, check.Queues[check.Queuer](nil), map[string]func(int) check.Queuer{
		"canceled getter drops":     mk(queueDrops),
		"canceled getter puts back": mk(queueReturns),
		"put barges":                mk(queueBarges),
		"canceled putter stays":     mk(queueStrands),
		"clear wakes nobody":        mk(queueClear),
		"first becomes last":        mk(queueFirst),
		"shutdown forgets getters":  mk(queueShutdown),
	}, mk(queueRight))
}
