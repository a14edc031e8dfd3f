package proptest

import (
	"context"
	"fmt"
	"hash/fnv"
	"regexp"
	"slices"
	"strings"

	"github.com/seed-1e54c410/turnstile/core"
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
	none             kind = iota
	alwaysFalse           // a claim of Always is not so
	finallyFalse          // a claim of Finally is not so
	taskError             // a task has returned an error
	panicked              // a task has panicked
	goexit                // a task has called runtime.Goexit
	steered               // a task has called Fatalf, SkipNow or the like of P
	deadlock              // all tasks wait, and nothing can happen
	livelock              // too many steps
	unfinished            // a task that was canceled does not end
	leftTimers            // a timer is left at the end
	leftOthers            // something else is left
	heldLock              // a lock is held at the end
	unhandled             // nobody has looked at an error
	realClock             // a wait needs the clock of package time
	realTimer             // a wait needs a timer of package context
	foreignCall           // a goroutine that is not simulated has taken part
	foreignGoroutine      // a goroutine that is not simulated might take part
	blocked               // a task has blocked its thread
	broken                // the simulated dispatcher gives an error
	errored               // Errorf or the like of P was called: rapid itself fails the case
	skipped               // the case was thrown away: no failure
	leftGoroutines        // goroutines are left in the bubble
)

// isSkip reports whether the case was thrown away, as by SkipNow.
func (f *failure) isSkip() bool { return f != nil && f.kind == skipped }

// String says what has gone wrong. It has no step, time or address, so that it stays the same while
// rapid shrinks the case.
func (f *failure) String() string {
	switch f.kind {
	case alwaysFalse:
		return fmt.Sprintf("not always so: %q", f.what)
	case finallyFalse:
		return fmt.Sprintf("not so in the end: %q", f.what)
	case taskError:
		return fmt.Sprintf("%s returned an error: %s", f.who, plain(f.err))
	case panicked:
		return fmt.Sprintf("%s panicked at %v: %s", f.who, f.where, plain(f.value))
	case goexit:
		return fmt.Sprintf("%s called runtime.Goexit at %v, as FailNow of a *testing.T does: use P instead", f.who, f.where)
	case steered:
		return plain(f.value)
	case errored:
		return "the test has called Errorf, or the like"
	case deadlock:
		if f.who != "" {
			return fmt.Sprintf("deadlock: %s waits, and nothing can happen any more: tasks begin when it has returned", f.who)
		}
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
		return fmt.Sprintf("nobody has looked at an error: %s", plain(f.err))
	case realClock:
		return fmt.Sprintf("%v waits for real time: make the TokenBucket with xsync.NewTokenBucketOn and the dispatcher, or use Bubble", f.where)
	case realTimer:
		return fmt.Sprintf("%v has a context of context.WithTimeout or WithDeadline, which ends in real time: derive it with core.WithTimeout, or use Bubble", f.where)
	case foreignCall:
		return fmt.Sprintf("a goroutine that is not simulated has taken part, with %v: start it as a task, or use Bubble", f.where)
	case foreignGoroutine:
		if f.where == nil {
			return "something that is not simulated has taken part, such as a function of time.AfterFunc: use core and dispatch in its place, or Bubble"
		}
		return fmt.Sprintf("nothing can happen any more but by a goroutine that is not simulated, which %s started at %v: start it as a task, or use Bubble", f.where.fn, f.where)
	case blocked:
		mend := "wait with a primitive of turnstile, or use Bubble"
		if strings.Contains(f.what, "Mutex") { // for which a bubble would wait for ever
			mend = "use lock.AsyncLock, or do not hold it over a wait"
		}
		return fmt.Sprintf("a task has blocked its thread, with %s at %v: %s", f.what, f.where, mend)
	case broken:
		return fmt.Sprintf("the simulated dispatcher failed: %v", f.err)
	case leftGoroutines:
		return "goroutines are left when the tasks have ended and their context is canceled"
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
	case realClock:
		r.p.Fatalf("proptest: %v", f)
	case realTimer:
		r.p.Fatalf("proptest: %v", f)
	case foreignCall:
		r.p.Fatalf("proptest: %v", f)
	case foreignGoroutine:
		r.p.Fatalf("proptest: %v", f)
	case blocked:
		r.p.Fatalf("proptest: %v", f)
	case skipped:
		panic(f.value)
	case errored: // rapid does
	case leftGoroutines:
		r.p.Fatalf("proptest: %v", f)
	default:
		r.p.Fatalf("proptest: %v", f)
	}
}

// address is what differs from run to run in the text of a value.
var address = regexp.MustCompile(`\b0x[0-9a-f]{5,}\b`)

// plain is the text of a value that is the same in each run of a case: without addresses, and without the
// trace that a *core.PanicError has.
func plain(value any) string {
	text, _, _ := strings.Cut(fmt.Sprint(value), "\n\ngoroutine ")
	if text == "<nil>" { // such as a nil *os.PathError that was returned as an error, which is not nil then
		text = fmt.Sprintf("a nil %T", value)
	}
	return address.ReplaceAllString(text, "0x…")
}

// harmless reports whether an error of a task says nothing but that the task was canceled, or that a cancel or a
// panic was drawn for one it has waited for. An error that joins others to that says more.
func harmless(err error, hasEnded bool) bool {
	for err != nil {
		if err == errDrawn || err == (killed{}) || hasEnded && err == context.Canceled {
			return true
		}
		if _, panicked := err.(*core.PanicError); !panicked && hasEnded {
			if is, ok := err.(interface{ Is(target error) bool }); ok && is.Is(context.Canceled) {
				return true
			}
		}
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			err = e.Unwrap()
		case interface{ Unwrap() []error }:
			all := e.Unwrap()
			return len(all) > 0 && !slices.ContainsFunc(all, func(err error) bool { return !harmless(err, hasEnded) })
		default:
			return false
		}
	}
	return false
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
