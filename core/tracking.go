package core

import (
	"bytes"
	"cmp"
	"fmt"
	"log"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/seed-1e54c410/turnstile/internal/park"
)

// tracker hears of futures and tasks; it is nil unless tracking is on.
var tracker atomic.Pointer[tracking]

// tracking is what is known from one Track(true) to the next Track(false). What is called by
// futures may come with the mutex of a promise held, so nothing here locks one.
type tracking struct {
	mu          sync.Mutex // a leaf; guards what follows, and every tracked
	off         bool
	futures     map[weak.Pointer[promise]]*tracked // those that can still be reached
	tasks       map[*task]*tracked                 // those that have not ended
	failed      map[*tracked]bool                  // those that nobody has looked at
	first, last *tracked                           // those that are pending, the oldest first
	made        uint64                             // all that were ever there
	places      map[uintptr]*Place                 // of program counters; nil: in package core or dispatch
	sites       map[Place]*site
}

// site counts what was made at one place.
type site = SiteInfo

// tracked is what is known of a future, a task, or a task and its future. It does not keep the
// future alive.
type tracked struct {
	in     *tracking
	number uint64
	site   *site // nil: only where it was finished is known
	since  time.Time
	key    weak.Pointer[promise] // zero: a task without a future
	sched  *sched                // nil: none
	task   string
	by     string

	pending    bool
	next, prev *tracked // tracking.first

	// Of a task that is suspended.
	waits  []uintptr // the stack; empty if it is not
	target *site     // of the future that it awaits, if any

	// Of a future that is finished.
	finisher uintptr // where
	looked   bool    // somebody has looked at it
	err      error   // why it is in tracking.failed
	over     *ending // of the ctx of its task at that time
	bubble   bool    // and it was in a bubble
}

func newTracking() *tracking {
	return &tracking{
		futures: map[weak.Pointer[promise]]*tracked{},
		tasks:   map[*task]*tracked{},
		failed:  map[*tracked]bool{},
		places:  map[uintptr]*Place{},
		sites:   map[Place]*site{},
	}
}

// stop forgets everything. Calls that are under way find nothing.
func (tr *tracking) stop() {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.off = true
	tr.first, tr.last = nil, nil
	tr.futures, tr.tasks, tr.failed, tr.places, tr.sites = nil, nil, nil, nil, nil
}

// maxDepth is how many functions of this package and of dispatch may be on top of the one that is
// of interest.
const maxDepth = 24

// enter makes what is to be known of something new, p, or t, or both. It is nil if tracking
// was turned off meanwhile.
func (tr *tracking) enter(p *promise, t *task) *tracked {
	var buf [maxDepth]uintptr
	stack := buf[:runtime.Callers(3, buf[:])]
	i := &tracked{in: tr, since: time.Now()}
	var by *task
	if g := park.Current(); g != nil {
		by, _ = g.Host.(*task)
	}
	if t != nil {
		i.task, i.sched = t.body.place(), t.sched
	} else if by != nil {
		i.sched = by.sched
	}
	if p != nil {
		i.key = weak.Make(p)
		p.state.Store(isTracked) // nobody else knows it
		runtime.AddCleanup(p, (*tracked).gone, i)
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if tr.off {
		return nil
	}
	if by != nil {
		if known := tr.tasks[by]; known != nil {
			i.by = known.task
		} else if by.body != nil {
			i.by = by.body.place()
		}
	}
	tr.made++
	i.number = tr.made
	place, _ := tr.outside(stack)
	if i.site = tr.sites[place]; i.site == nil {
		i.site = &site{Place: place}
		tr.sites[place] = i.site
	}
	i.site.Created++
	tr.link(i)
	if p != nil {
		tr.futures[i.key] = i
	}
	if t != nil {
		tr.tasks[t] = i
	}
	return i
}

// future hears of a new future that its owner will finish.
func (tr *tracking) future(p *promise) { tr.enter(p, nil) }

// started hears of a task that is about to begin. Its future, if it has one, is known from then on.
func (tr *tracking) started(t *task) {
	t.tracked = true
	if b, ok := t.body.(interface{ promised() *promise }); ok {
		tr.enter(b.promised(), t)
		return
	}
	tr.enter(nil, t)
}

// left hears that a task has ended, which its future will be in a moment, if there is one.
func (tr *tracking) left(t *task) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	i := tr.tasks[t]
	if i == nil {
		return
	}
	delete(tr.tasks, t)
	i.waits, i.target = nil, nil
	if i.key == (weak.Pointer[promise]{}) {
		tr.finish(i)
	}
}

// ended hears that p is finished, and whether somebody waits for that, who gets the outcome, if
// perhaps much later. The mutex of p is held, and its finisher on the stack.
func (tr *tracking) ended(p *promise, heard bool) {
	key := weak.Make(p)
	var buf [maxDepth]uintptr
	var stack []uintptr
	if p.task == nil { // else nobody else can have finished it
		stack = buf[:runtime.Callers(2, buf[:])]
	}
	failed := p.State() == StateFailed // Failed would look at it
	bubble := failed && inBubble()
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if tr.off {
		return
	}
	i := tr.futures[key]
	if i == nil {
		if p.task != nil {
			return
		}
		// Nobody knows where it was made, but it may be finished a second time.
		i = &tracked{in: tr, key: key, looked: true}
		runtime.AddCleanup(p, (*tracked).gone, i)
		tr.futures[key] = i
	}
	if len(stack) > 0 {
		_, i.finisher = tr.outside(stack)
	}
	if i.pending {
		tr.finish(i)
	}
	i.looked = i.looked || heard
	if failed && !i.looked {
		i.err, i.bubble = p.err, bubble
		if p.task != nil {
			i.over = p.task.over.Load()
		}
		tr.failed[i] = true
	}
}

// finish takes i out of those that are pending. The mutex is held.
func (tr *tracking) finish(i *tracked) {
	i.site.Finished++
	tr.unlink(i)
}

// lookedAt hears that somebody looks at p.
func lookedAt(p *promise) {
	tr := tracker.Load()
	if tr == nil {
		return
	}
	key := weak.Make(p)
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if i := tr.futures[key]; i != nil {
		i.looked, i.err = true, nil
		delete(tr.failed, i)
	}
}

// parked hears that t is about to be suspended, on its coroutine.
func (tr *tracking) parked(t *task) {
	var buf [maxDepth]uintptr
	stack := buf[:runtime.Callers(4, buf[:])]
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if i := tr.tasks[t]; i != nil {
		i.waits = append(i.waits[:0], stack...)
	}
}

// resumed hears that t goes on.
func (tr *tracking) resumed(t *task) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if i := tr.tasks[t]; i != nil {
		i.waits = i.waits[:0]
	}
}

// aim notes that the task that calls is about to await p, nil for nothing.
func aim(p *promise) {
	tr, g := tracker.Load(), park.Current()
	if tr == nil || g == nil {
		return
	}
	t, _ := g.Host.(*task)
	tr.mu.Lock()
	defer tr.mu.Unlock()
	i := tr.tasks[t]
	if i == nil {
		return
	}
	i.target = nil
	if p != nil {
		if f := tr.futures[weak.Make(p)]; f != nil {
			i.target = f.site
		}
	}
}

// finishedAt tells where p was finished, "" if that is not known.
func (tr *tracking) finishedAt(p *promise) string {
	key := weak.Make(p)
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if i := tr.futures[key]; i != nil && i.finisher != 0 {
		return placeAt(i.finisher).String()
	}
	return ""
}

// gone comes when the future of i cannot be reached any more, on a goroutine of the runtime.
func (i *tracked) gone() {
	tr := i.in
	tr.mu.Lock()
	delete(tr.futures, i.key)
	if i.pending && !tr.off {
		i.site.Dropped++
		tr.unlink(i)
	}
	// In a bubble the loop cannot be woken from here, and in a simulation it must not be: what has
	// failed waits until it closes.
	report := tr.failed[i] && !i.bubble && (i.sched == nil || !i.sched.sim.Closed())
	if report {
		delete(tr.failed, i)
	}
	tr.mu.Unlock()
	if !report {
		return
	}
	u := &unlooked{i}
	if i.sched == nil || !i.sched.loop.Post(u) {
		u.report(nil)
	}
}

// closing hears that the dispatcher of s closes, on its loop, and reports what has failed there.
func (tr *tracking) closing(s *sched) {
	tr.mu.Lock()
	var failed []*tracked
	for i := range tr.failed {
		if i.sched == s {
			failed = append(failed, i)
			delete(tr.failed, i)
		}
	}
	tr.mu.Unlock()
	slices.SortFunc(failed, func(a, b *tracked) int { return cmp.Compare(a.number, b.number) })
	for _, i := range failed {
		s.loop.Ready(&unlooked{i})
	}
}

// unlooked is the report of a failure that nobody has looked at.
type unlooked struct{ i *tracked }

// RunReady comes on the loop.
func (u *unlooked) RunReady() { u.report(u.i.sched.loop.Settings().Unhandled) }

func (u *unlooked) report(to func(error)) {
	i := u.i
	i.in.mu.Lock()
	looked, failure, over := i.looked, i.err, i.over
	i.in.mu.Unlock()
	if looked { // since the report was on its way
		return
	}
	if over != nil && over != errEnded && saysCanceled(failure) {
		return
	}
	err := fmt.Errorf("core: nobody has looked at the future made at %s, which has failed: %w", i.site.Place, failure)
	if to == nil {
		log.Print(err)
		return
	}
	to(err)
}

// list returns what is pending.
func (tr *tracking) list() []FutureInfo {
	type wait struct {
		stack  []uintptr
		target *site
	}
	now := time.Now()
	tr.mu.Lock()
	var infos []FutureInfo
	var waits []wait
	for i := tr.first; i != nil; i = i.next {
		infos = append(infos, FutureInfo{Made: i.site.Place, Task: i.task, By: i.by, Since: i.since, Age: now.Sub(i.since)})
		waits = append(waits, wait{slices.Clone(i.waits), i.target})
	}
	tr.mu.Unlock()
	for i, w := range waits {
		if len(w.stack) > 0 {
			infos[i].Waits = describeWait(w.stack, w.target)
		}
	}
	return infos
}

// sums returns what was counted.
func (tr *tracking) sums() []SiteInfo {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	sums := make([]SiteInfo, 0, len(tr.sites))
	for _, s := range tr.sites {
		sums = append(sums, *s)
	}
	return sums
}

// link appends i to those that are pending. The mutex is held.
func (tr *tracking) link(i *tracked) {
	i.site.Pending++
	i.pending, i.prev = true, tr.last
	if tr.last == nil {
		tr.first = i
	} else {
		tr.last.next = i
	}
	tr.last = i
}

// unlink is the opposite of link. The mutex is held.
func (tr *tracking) unlink(i *tracked) {
	i.site.Pending--
	if i.prev == nil {
		tr.first = i.next
	} else {
		i.prev.next = i.next
	}
	if i.next == nil {
		tr.last = i.prev
	} else {
		i.next.prev = i.prev
	}
	i.pending, i.next, i.prev = false, nil, nil
}

// inCore and inDispatch are what the names of the functions of this package begin with, and those
// of package dispatch, which calls it for Run.
const (
	inCore     = "github.com/seed-1e54c410/turnstile/core."
	inDispatch = "github.com/seed-1e54c410/turnstile/dispatch."
)

// outside returns the innermost place of a stack that is not in these packages, or the outermost
// one, and its program counter. Each counter is looked up once. The mutex is held.
func (tr *tracking) outside(stack []uintptr) (p Place, pc uintptr) {
	for _, pc = range stack {
		known, ok := tr.places[pc]
		if !ok {
			if p = placeAt(pc); !strings.HasPrefix(p.Function, inCore) && !strings.HasPrefix(p.Function, inDispatch) {
				known = &p
			}
			tr.places[pc] = known
		}
		if known != nil {
			return *known, pc
		}
	}
	return placeAt(pc), pc
}

// placeAt tells where a program counter is that runtime.Callers has returned.
func placeAt(pc uintptr) Place {
	f, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	return Place{f.Function, f.File, f.Line}
}

// describeWait tells in which call a task waits, where that is made, and for which future.
func describeWait(stack []uintptr, target *site) string {
	text, place := park.Site(stack)
	if place != "" {
		text += " at " + place
	}
	if target != nil {
		text += ", for the future made at " + target.Place.String()
	}
	return text
}

// inBubble reports whether the calling goroutine is in a bubble of testing/synctest, which the
// runtime tells in the first line of a stack trace alone.
func inBubble() bool {
	buf := make([]byte, 128)
	buf = buf[:runtime.Stack(buf, false)]
	line, _, _ := bytes.Cut(buf, []byte("\n"))
	return bytes.Contains(line, []byte("synctest bubble"))
}
