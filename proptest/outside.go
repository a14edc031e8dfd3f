package proptest

import (
	"cmp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-1e54c410/turnstile/internal/gid"
	"github.com/seed-1e54c410/turnstile/internal/park"
)

// outside is what other goroutines have done to the loop.
type outside struct {
	home atomic.Uintptr // the goroutine of the property, which may do it while it does not run the loop
	mu   sync.Mutex
	site *site // of the first such call
}

// here reports whether the calling goroutine is one that is not simulated.
func (o *outside) here() bool { return gid.Current() != o.home.Load() && park.Current() == nil }

// note hears of a call that does not come from the loop.
func (o *outside) note() {
	if gid.Current() == o.home.Load() {
		return
	}
	var pcs [64]uintptr
	s, call := siteOf(pcs[:runtime.Callers(1, pcs[:])])
	if s == nil { // the goroutine runs a method of this module
		s = &site{call: strings.TrimSuffix(call, "-fm")}
		if g := ownStack(); g.isCoroutine() {
			s.call = "a task of another dispatcher"
		} else if by := g.made; !by.standard() {
			s.fn, s.file, s.line = by.fn, by.file, by.line
		}
	}
	o.mu.Lock()
	if o.site == nil {
		o.site = s
	}
	o.mu.Unlock()
	if noted != nil {
		noted()
	}
}

// noted is for tests: it is called when a call from outside has been noted, before it has its effect.
var noted func()

// take returns where such a call came from, nil if there was none.
func (o *outside) take() *site {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.site
	o.site = nil
	return s
}

// How long a case in which nothing can happen waits for what is not simulated.
const (
	outsidePause = time.Millisecond
	outsideLooks = 50
)

// natives are the goroutines that were there before the cases of a check.
type natives struct {
	root   uint64          // the goroutine of the property
	before map[uint64]bool // those started by it earlier
	waited bool            // a case was waited for in vain
	other  bool            // in a case before this one something else took part
}

// settle notes what there is before the first case, on the goroutine of the property.
func (n *natives) settle() {
	n.root = ownStack().id
	n.before = map[uint64]bool{}
	if runtime.NumGoroutine() <= 2 { // this one, and the main one
		return
	}
	for _, g := range goroutines() {
		n.before[g.id] = true
	}
}

// stuck finds out why nothing can happen in a case whose tasks all wait. It is a deadlock, unless a
// goroutine that is not simulated may still do something.
func (r *run) stuck() *failure {
	if !r.world.sim.Closed() {
		return &failure{kind: deadlock} // in a bubble there is nobody else
	}
	n := &r.check.natives
	var stranger *site
	for look := 0; ; look++ {
		if s := r.world.outside.take(); s != nil {
			n.other = true
			return &failure{kind: foreignCall, where: s}
		}
		if r.watches.poll() { // none of the tasks has brought that about
			n.other = true
			return &failure{kind: foreignGoroutine, where: stranger}
		}
		now := n.stranger()
		if now != nil {
			stranger = now
		}
		switch {
		case now == nil && n.waited && !n.other:
			return &failure{kind: deadlock}
		case look < outsideLooks:
		case now == nil:
			n.waited = true
			return &failure{kind: deadlock}
		default:
			n.other = true
			return &failure{kind: foreignGoroutine, where: now}
		}
		time.Sleep(outsidePause)
	}
}

// stranger returns where a goroutine was started that the cases have started and that is still there,
// nil if there is none.
func (n *natives) stranger() *site {
	all := goroutines()
	by := make(map[uint64]*goroutine, len(all))
	for i := range all {
		by[all[i].id] = &all[i]
	}
	var sites []*site
	for i := range all {
		if s := n.origin(by, &all[i]); s != nil {
			sites = append(sites, s)
		}
	}
	if len(sites) == 0 {
		return nil
	}
	return slices.MinFunc(sites, func(a, b *site) int { // whatever the order of the trace
		return cmp.Or(strings.Compare(a.file, b.file), a.line-b.line, strings.Compare(a.fn, b.fn))
	})
}

// origin returns the go statement of a case from which g comes, nil if it comes from none.
func (n *natives) origin(by map[uint64]*goroutine, g *goroutine) *site {
	var made *frame
	for at := g; at != nil; at = by[at.parent] {
		switch {
		case at.id == n.root:
			if made == nil {
				return nil
			}
			return made.site()
		case n.before[at.id]:
			return nil
		case at.isCoroutine():
			if at == g {
				return nil // it does nothing by itself
			}
		case at.system():
			return nil
		default:
			made = &at.made
		}
	}
	return nil
}

// system reports whether g is one of the runtime, or of this package.
func (g *goroutine) system() bool {
	for _, of := range []string{"runtime.", "os/signal.", module + "proptest."} {
		if strings.HasPrefix(g.made.fn, of) && !strings.HasSuffix(g.made.file, "_test.go") {
			return true
		}
	}
	return false
}
