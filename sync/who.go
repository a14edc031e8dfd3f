package xsync

import (
	"fmt"
	"strings"
	"time"

	"github.com/seed-1e54c410/turnstile/internal/park"
)

// Who tells who holds a primitive, and who waits for it. It is a part of the Stats of all primitives while
// core.Track is on. Those who came when it was off are missing, and so is, until it runs, who has
// been let go: it waits no more and does not hold anything yet.
type Who struct {
	Holders []Caller // in the order in which they got it
	Waiters []Caller // in the order in which they came
}

// Caller is one who holds a primitive, or waits for it. It is a snapshot.
type Caller struct {
	// Task is the function of the task, and where that is. It is "" for a goroutine without a task, and for
	// a task that began while core.Track was off.
	Task string
	// Call is the call it waits in, or by which it got what it holds: the outermost one of this module.
	Call string
	// Place is where it makes, or has made, that call. It is "" in a task that is nothing but the call.
	Place string
	// Since says when it began to wait, or got what it holds, by the system's clock.
	Since time.Time
	// N is how much it has and has not given back: the number of permits of a Semaphore, 1 of a lock. Of
	// those who wait it is the number of permits that they want, and 0 elsewhere.
	N int
	// Ended says that the task is over, and holds it all the same.
	Ended bool
}

// String returns all of it but N in one line.
func (c Caller) String() string {
	var text strings.Builder
	text.WriteString("goroutine")
	if c.Task != "" {
		text.Reset()
		text.WriteString("task " + c.Task)
	}
	if c.Ended {
		text.WriteString(", which has ended")
	}
	text.WriteString(", in " + c.Call)
	if c.Place != "" {
		text.WriteString(" at " + c.Place)
	}
	fmt.Fprintf(&text, ", since %s", c.Since.Format(time.StampMilli))
	return text.String()
}

// Who tells who waits, and is nil unless core.Track is on. The mutex is held.
func (q *WaitQueue[V]) Who() *Who {
	if !park.Tracking() {
		return nil
	}
	w := &Who{}
	for c := range q.q.Waiters() {
		w.Waiters = append(w.Waiters, Caller(c))
	}
	return w
}
