package core

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-1e54c410/turnstile/internal/park"
)

// Track turns tracking on or off for the whole process, as futureLogging does in Nim's
// asyncdispatch: with it on, [PendingFutures], [DumpPending] and [Sites] tell of every future that
// [NewFuture], [NewOwned] or this package has made since, and of every task. It may be called at any
// time and from any goroutine; a call that changes nothing does nothing. What was made while it
// was off stays unknown, and turning it off forgets everything. The zero value of Future, and what
// [Completed] and [Failed] return, is not known either.
//
// With tracking on, more is reported:
//
//   - A second completion of a future names the place of the first one, too.
//
//   - A future that has failed, and that nobody has looked at, is reported once: when the garbage
//     collector finds that nobody can look at it any more, or when its dispatcher closes, as that of
//     [Run] does at the end. The report goes to dispatch.Config.Unhandled of the dispatcher of
//     its task, or of the task that made it, on the loop, with an error that wraps the failure
//     and names the place. Where there is no such function, no such dispatcher, or that is
//     closed, it is logged. What [Spawn] would not report is not reported here.
//
//   - A task that ends and holds a lock of package lock is reported as a *[HeldError], in the same way,
//     but at once: with the task, and with the place where it has acquired it. Locks have no owner, and another
//     may release it later; where that is meant, the report is for nothing.
//
// The Stats of locks, semaphores and all that callers wait for then show who holds what and who waits,
// since when and where, as an xsync.Who.
//
// To look at a future is to get its outcome from Await, AwaitOrCancel, Read, Err or Failed, to
// wait for its end with CancelAndWait, to give it to [Check], [Join] or another function of this
// package that waits for futures, or to add a callback. State, Finished and Done alone are not,
// nor is a wait that was given up before the end.
//
// In a bubble of testing/synctest reports come only when the dispatcher closes: the garbage
// collector runs outside of it.
//
// Tracking costs some microseconds and 500 bytes for each future, and a stack trace for
// each wait of a task and each lock that is taken. While it is off it costs one atomic load.
func Track(on bool) {
	trackMu.Lock()
	defer trackMu.Unlock()
	defer park.Track(on)
	if !on {
		if t := tracker.Swap(nil); t != nil {
			t.stop()
		}
		return
	}
	if tracker.Load() == nil {
		tracker.Store(newTracking())
	}
}

// trackMu keeps calls of Track apart.
var trackMu sync.Mutex

// Place is a place in a program.
type Place struct {
	Function string // with its package, as runtime.Frame names it
	File     string // as the compiler was given it
	Line     int    // from 1 on
}

// String returns the function, and the file and line in brackets.
func (p Place) String() string { return fmt.Sprintf("%s (%s:%d)", p.Function, p.File, p.Line) }

// FutureInfo tells of a future, or of a task, that has not ended. It is a snapshot.
type FutureInfo struct {
	// Made is where it was made: the innermost function outside packages core and dispatch.
	Made Place
	// Task is the function of the task, and where that is, also if the task has a future. It is
	// "" for a future that its owner completes.
	Task string
	// By is the function of the task that has made it, and where that is. It is "" if that was
	// no task.
	By string
	// Since says when it was made, and Age how long ago that is, by the system's clock, which
	// in a bubble of testing/synctest is that of the bubble.
	Since time.Time
	Age   time.Duration
	// Waits is the call in which the task waits, where that is, and which future that is for if
	// it is for one. It is "" if the task does not wait, or on a goroutine, or if this is no task.
	Waits string
}

// String returns all of it in one line.
func (i FutureInfo) String() string {
	return fmt.Sprintf("%s, made at %s, %v ago", i.what(), i.Made, i.Age)
}

// what is String without what those that were made at one place have in common.
func (i FutureInfo) what() string {
	var text strings.Builder
	text.WriteString("future")
	if i.Task != "" {
		text.Reset()
		text.WriteString("task " + i.Task)
	}
	if i.By != "" {
		text.WriteString(", started by task " + i.By)
	}
	if i.Waits != "" {
		text.WriteString(", waits in " + i.Waits)
	}
	return text.String()
}

// PendingFutures returns the futures and tasks that have not ended, the oldest first. Each is there
// once: a task and its future are one. It is nil while tracking is off. A future leaves the
// list when it is finished, or when it can be reached by nobody any more, who could finish it.
func PendingFutures() []FutureInfo {
	t := tracker.Load()
	if t == nil {
		return nil
	}
	return t.list()
}

// SiteInfo counts the futures and tasks that were made at one place, since tracking was turned
// on. Created is the sum of the others.
type SiteInfo struct {
	Place
	Created  uint64 // at this place
	Finished uint64 // in whatever way
	Dropped  uint64 // can be reached by nobody any more, and were never finished
	Pending  int    // the rest
}

// Sites returns the places at which futures and tasks were made, those with the most pending ones
// first, and otherwise in the order of files and lines. It is nil while tracking is off. A
// place stays even if nothing is pending there any more: sums must not go back.
func Sites() []SiteInfo {
	t := tracker.Load()
	if t == nil {
		return nil
	}
	sites := t.sums()
	slices.SortFunc(sites, func(a, b SiteInfo) int {
		return cmp.Or(-cmp.Compare(a.Pending, b.Pending), cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line), cmp.Compare(a.Function, b.Function))
	})
	return sites
}

// DumpPending writes what [PendingFutures] returns as text for people: by the place they were made
// at, that of the oldest one first, with their number, and below it those that are alike in one line
// each. It returns the error of w.
func DumpPending(w io.Writer) error {
	out := bufio.NewWriter(w)
	if tracker.Load() == nil {
		fmt.Fprintln(out, "tracking is off: core.Track turns it on")
		return out.Flush()
	}
	all := PendingFutures()
	groups := groupBy(all, func(i FutureInfo) Place { return i.Made })
	fmt.Fprintf(out, "%d pending, made at %d places\n", len(all), len(groups))
	for _, g := range groups {
		fmt.Fprintf(out, "%d made at %s, the oldest %v ago\n", len(g), g[0].Made, g[0].Age)
		for _, alike := range groupBy(g, FutureInfo.what) {
			fmt.Fprintf(out, "\t%d × %s, %v\n", len(alike), alike[0].what(), alike[0].Age)
		}
	}
	return out.Flush()
}

// groupBy returns the elements with equal keys together, in the order of the first of each.
func groupBy[T any, K comparable](list []T, key func(T) K) (groups [][]T) {
	index := map[K]int{}
	for _, v := range list {
		k := key(v)
		i, ok := index[k]
		if !ok {
			i = len(groups)
			index[k] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], v)
	}
	return groups
}
