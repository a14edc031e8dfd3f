package park

import (
	"fmt"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-1e54c410/turnstile/internal/gid"
)

// Caller is one who holds a primitive or waits for it. It is documented as xsync.Caller.
type Caller struct {
	Task  string    // "": none that is known
	Call  string    // of this module
	Place string    // where that is made
	Since time.Time // of the wait or the grant
	N     int       // how much it holds
	Ended bool      // the task is over
}

// epoch is the number of the present Track(true), 0 while tracking is off.
var epoch atomic.Int64

// book is what is known while tracking is on. Its mutex is a leaf, and guards every Holders, too.
var book struct {
	mu     sync.Mutex
	epochs int64
	owners map[uintptr]*owner // the tasks that run, by their goroutines
}

// owner is a task that was begun while tracking was on.
type owner struct {
	name string
	held *holding // linked through alsoNext
}

// holding is what one caller has taken of one thing in one call, and not given back.
type holding struct {
	Caller
	epoch int64
	gid   uintptr // of the goroutine that has taken it, whose next one may have it, too
	what  string  // is held; "" if nobody minds that a task ends with it
	next  *holding

	owner              *owner // nil: no task, or one that has ended
	alsoNext, alsoPrev *holding
}

// Track turns tracking on or off. To turn it off forgets everything; calls do not overlap.
func Track(on bool) {
	if on == Tracking() {
		return
	}
	book.mu.Lock()
	defer book.mu.Unlock()
	if !on {
		epoch.Store(0)
		book.owners = nil
		observers.Add(-1)
		return
	}
	book.epochs++
	book.owners = map[uintptr]*owner{}
	epoch.Store(book.epochs)
	observers.Add(1)
}

// Tracking reports whether tracking is on.
func Tracking() bool { return epoch.Load() != 0 }

// Begin says that the calling goroutine runs a task from now on, until End.
func Begin(name string) {
	g := gid.Current()
	book.mu.Lock()
	defer book.mu.Unlock()
	if book.owners != nil {
		book.owners[g] = &owner{name: name}
	}
}

// End says that the task of the calling goroutine is over. It returns what it holds and should not.
func End() (held []Held) {
	g := gid.Current()
	book.mu.Lock()
	defer book.mu.Unlock()
	o := book.owners[g]
	if o == nil {
		return nil
	}
	delete(book.owners, g)
	for h := o.held; h != nil; {
		next := h.alsoNext
		h.Ended = true
		h.owner, h.alsoNext, h.alsoPrev = nil, nil, nil
		if h.what != "" {
			held = append(held, Held{h.what, h.Caller})
		}
		h = next
	}
	return held
}

// Held is something that a task holds when it ends.
type Held struct {
	What string // its type
	Caller
}

// Holders is who holds a primitive, as far as that was acquired while tracking is on. The zero value is
// that nobody does. It takes no part in what the primitive does.
type Holders struct{ first *holding }

// Took says that the caller has taken n of obj, which h belongs to, or given back -n. A task
// that ends and has not given back what is owned is reported. It is called behind [Observed].
func (h *Holders) Took(obj any, n int64, owned bool) {
	Took(obj, n)
	now := epoch.Load()
	if now == 0 {
		return
	}
	g := gid.Current()
	if n < 0 {
		h.give(now, g, -n)
		return
	}
	at := &holding{epoch: now, gid: g}
	at.Call, at.Place = site()
	at.Since = time.Now()
	at.N = int(n)
	if owned {
		at.what = strings.TrimPrefix(fmt.Sprintf("%T", obj), "*")
	}
	book.mu.Lock()
	defer book.mu.Unlock()
	if o := book.owners[g]; o != nil {
		at.Task, at.owner = o.name, o
		if o.held != nil {
			o.held.alsoPrev = at
		}
		at.alsoNext, o.held = o.held, at
	}
	last := h.purge(now)
	*last = at
}

// give takes n away from the caller, and from the others, the oldest first, what that has not got: locks
// have no owner.
func (h *Holders) give(now int64, g uintptr, n int64) {
	book.mu.Lock()
	defer book.mu.Unlock()
	h.purge(now)
	for _, own := range []bool{true, false} {
		for link := &h.first; *link != nil && n > 0; {
			at := *link
			if own != (at.gid == g && !at.Ended) {
				link = &at.next
				continue
			}
			k := min(n, int64(at.N))
			n -= k
			if at.N -= int(k); at.N > 0 {
				continue
			}
			*link = at.next
			at.disown()
		}
	}
}

// purge drops what is left of an earlier epoch, and returns where the next one goes. The mutex is held.
func (h *Holders) purge(now int64) (last **holding) {
	if h.first != nil && h.first.epoch != now { // a later one would have purged it
		h.first = nil
	}
	for last = &h.first; *last != nil; {
		last = &(*last).next
	}
	return last
}

// disown takes at out of what its task holds. The mutex is held.
func (at *holding) disown() {
	if at.owner == nil {
		return
	}
	if at.alsoPrev == nil {
		at.owner.held = at.alsoNext
	} else {
		at.alsoPrev.alsoNext = at.alsoNext
	}
	if at.alsoNext != nil {
		at.alsoNext.alsoPrev = at.alsoPrev
	}
	at.owner = nil
}

// All returns who holds it, in the order in which they got it.
func (h *Holders) All() []Caller {
	book.mu.Lock()
	defer book.mu.Unlock()
	h.purge(epoch.Load())
	var all []Caller
	for at := h.first; at != nil; at = at.next {
		all = append(all, at.Caller)
	}
	return all
}

// waiting is what is to be known of the caller, who begins to wait; nil while tracking is off.
func waiting() *Caller {
	if !Tracking() {
		return nil
	}
	c := &Caller{Since: time.Now()}
	c.Call, c.Place = site()
	g := gid.Current()
	book.mu.Lock()
	defer book.mu.Unlock()
	if o := book.owners[g]; o != nil {
		c.Task = o.name
	}
	return c
}

// Waiters iterates over those who have come to wait since tracking is on, in order of arrival, and what
// they brought. The mutex is held.
func (q *Queue[V]) Waiters() iter.Seq2[Caller, V] {
	return func(yield func(Caller, V) bool) {
		for n := q.head; n != nil; n = n.next {
			if n.note != nil && !yield(*n.note, n.v) {
				return
			}
		}
	}
}
