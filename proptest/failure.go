package proptest

import (
	"fmt"
	"hash/fnv"
)

// failure is why a case has failed.
type failure struct {
	kind  kind
	who   string // the task
	what  string // the claim, or the thing
	index int    // of the claim
	err   error
	value any // of a panic
	where *site
	step  int
}

// kind is a kind of failure.
type kind uint8

const (
	none         kind = iota
	alwaysFalse       // a claim of Always is not so
	finallyFalse      // a claim of Finally is not so
	taskError         // a task has returned an error
	panicked          // a task has panicked
	goexit            // a task has called runtime.Goexit
	steered           // a task has called Fatalf, SkipNow or the like of P
	deadlock          // all tasks wait, and nothing can happen
	livelock          // too many steps
	unfinished        // a task that was canceled does not end
	leftTimers        // a timer is left at the end
	leftOthers        // something else is left
	heldLock          // a lock is held at the end
	unhandled         // nobody has looked at an error
	realTimer         // a wait needs a timer of package context
	foreignCall       // a goroutine that is not simulated has taken part
	blocked           // a task has blocked its thread
	broken            // the simulated dispatcher gives an error
)

// String says what has gone wrong. It has no step, time or address, so that it stays the same while
// rapid shrinks the case.
func (f *failure) String() string {
	switch f.kind {
	case alwaysFalse:
		return fmt.Sprintf("not always so: %q", f.what)
	case finallyFalse:
		return fmt.Sprintf("not so in the end: %q", f.what)
	case taskError:
		return fmt.Sprintf("task %s returned an error: %v", f.who, f.err)
	case panicked:
		return fmt.Sprintf("task %s panicked: %v", f.who, f.value)
	case goexit:
		return fmt.Sprintf("task %s called runtime.Goexit, as FailNow of a *testing.T does: use P instead", f.who)
	case steered:
		return fmt.Sprint(f.value)
	case deadlock:
		return "deadlock: every task waits, and nothing can happen any more"
	case livelock:
		return "livelock: the tasks do not come to an end"
	case unfinished:
		return "a task does not end though it was canceled"
	case leftTimers:
		return "a timer is left when all tasks have ended"
	case leftOthers:
		return "something pending is left when all tasks have ended"
	case heldLock:
		return fmt.Sprintf("a %s is held though all tasks have ended", f.what)
	case unhandled:
		return fmt.Sprintf("nobody has looked at an error: %v", f.err)
	case realTimer:
		return "a wait with a context of context.WithTimeout or WithDeadline, which ends in real time: derive it with core.WithTimeout, or use Bubble"
	case foreignCall:
		return fmt.Sprintf("a goroutine that is not simulated has taken part, with %v: start it as a task, or use Bubble", f.where)
	case blocked:
		return fmt.Sprintf("a task has blocked its thread, with %s: wait with a primitive of turnstile, or use Bubble", f.what)
	case broken:
		return fmt.Sprintf("the simulated dispatcher failed: %v", f.err)
	default:
		return "no failure"
	}
}

// raise fails the case on the goroutine of the property, if it has failed. While rapid shrinks it takes only those
// smaller cases that fail in the same place, so each kind of failure, each claim and each place where a
// task has panicked has a line of its own.
func (r *run) raise() {
	f := r.fault
	if f == nil {
		return
	}
	switch f.kind {
	case alwaysFalse:
		lane(f.index, func() { r.p.Fatalf("proptest: %v", f) })
	case finallyFalse:
		lane(f.index, func() { r.p.Fatalf("proptest: %v", f) })
	case taskError:
		r.p.Fatalf("proptest: %v", f)
	case panicked:
		lane(f.where.hash(), func() { r.p.Fatalf("proptest: %v", f) })
	case goexit:
		lane(f.where.hash(), func() { r.p.Fatalf("proptest: %v", f) })
	case steered:
		lane(f.where.hash(), func() { panic(f.value) })
	case deadlock:
		r.p.Fatalf("proptest: %v", f)
	case livelock:
		r.p.Fatalf("proptest: %v", f)
	case unfinished:
		r.p.Fatalf("proptest: %v", f)
	case leftTimers:
		r.p.Fatalf("proptest: %v", f)
	case leftOthers:
		r.p.Fatalf("proptest: %v", f)
	case heldLock:
		r.p.Fatalf("proptest: %v", f)
	case unhandled:
		r.p.Fatalf("proptest: %v", f)
	case realTimer:
		r.p.Fatalf("proptest: %v", f)
	case foreignCall:
		r.p.Fatalf("proptest: %v", f)
	case blocked:
		r.p.Fatalf("proptest: %v", f)
	default:
		r.p.Fatalf("proptest: %v", f)
	}
}

func (s *site) hash() int {
	if s == nil {
		return 0
	}
	h := fnv.New32a()
	_, _ = fmt.Fprint(h, s.file, s.line)
	return int(h.Sum32() & 0x7fff)
}

// lane calls fn on one of a few lines, by number.
func lane(n int, fn func()) {
	switch n % 8 {
	case 0:
		fn()
	case 1:
		fn()
	case 2:
		fn()
	case 3:
		fn()
	case 4:
		fn()
	case 5:
		fn()
	case 6:
		fn()
	default:
		fn()
	}
}
