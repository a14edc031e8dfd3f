package laws

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/proptest"
)

// referee knows the calls of one case. It does not look into the type: a call that has not
// returned when its task is parked waits, and calls arrive in the order in which they are made.
type referee struct {
	p      *proptest.P
	config config

	mu      sync.Mutex
	seq     int     // of the last beginning or end of a call
	open    []*call // those that have not returned, in order of arrival
	workers int     // that have not ended
	quiet   func() bool
	sim     bool // calls arrive in the order in which they are noted, and not on goroutines, beside each other
	over    bool // the case has failed: what calls return from now on says nothing
}

// call is one call of the type's methods.
type call struct {
	who   string
	verb  string // what it is, as in "w1 waits to put"
	n     int    // the permits it asks for, or the item it brings or has got
	ctx   context.Context
	late  bool // ctx had ended before the call
	begun int
	ended int // 0: not yet
	// settled is when everything had come to rest while the call waited, 0 if it has not yet.
	settled int
	owed    string // why it must not wait any more
	// passed are the calls that came later and were granted before.
	passed []*call
}

func newReferee(p *proptest.P, c config) *referee {
	// On goroutines a claim is asked only when all of them are blocked.
	r := &referee{p: p, config: c, quiet: func() bool { return true }}
	if d := core.DispatcherOf(p.Context()); d != nil {
		r.sim = true
		// When nothing is ready, everybody to whom something was granted has returned.
		r.quiet = func() bool {
			s := d.Stats()
			return s.Ready == 0 && s.Idle == 0
		}
		return r
	}
	r.p.Always("the calls are known", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.seq++
		for _, c := range r.open {
			if c.settled == 0 {
				c.settled = r.seq
			}
		}
		return true
	})
	return r
}

// before reports whether a has surely arrived before b.
func (r *referee) before(a, b *call) bool {
	return r.sim && a.begun < b.begun || a.ended != 0 && a.ended < b.begun || a.settled != 0 && a.settled < b.begun
}

// always makes a claim that is asked while nothing is ready and somebody waits: broken says in which way it is
// not so, and "" if it is.
func (r *referee) always(name string, broken func() string) {
	r.atRest(name, func() string {
		if len(r.open) == 0 {
			return ""
		}
		return broken()
	})
}

// atRest is always for a claim that does not need anybody who waits.
func (r *referee) atRest(name string, broken func() string) {
	r.p.Always(name, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.over {
			return true
		}
		text := broken()
		if text == "" || !r.quiet() {
			return true
		}
		r.over = true
		r.p.Logf("%s", text)
		return false
	})
}

// begin notes that a call is made.
func (r *referee) begin(ctx context.Context, who, verb string, n int) *call {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seq++
	c := &call{who: who, verb: verb, n: n, ctx: ctx, late: ctx.Err() != nil, begun: r.seq}
	r.open = append(r.open, c)
	return c
}

// end notes that a call returns. The mutex is held.
func (r *referee) end(c *call) {
	r.seq++
	c.ended = r.seq
	r.open = slices.DeleteFunc(r.open, func(at *call) bool { return at == c })
}

// overtakes notes whom a call that was granted has overtaken. The mutex is held.
func (r *referee) overtakes(c *call, same func(*call) bool) {
	for _, w := range r.open {
		if r.before(w, c) && same(w) && w.ctx.Err() == nil {
			w.passed = append(w.passed, c)
		}
	}
}

// bypassed says that w, which surely still waits, was overtaken by too many, or "".
func (r *referee) bypassed(w *call) string {
	if len(w.passed) <= r.config.bypass || w.ctx.Err() != nil {
		return ""
	}
	if r.config.bypass == 0 {
		return fmt.Sprintf("strict order of arrival: %s came before %s and was granted after it", w.who, w.passed[0].who)
	}
	var who []string
	for _, c := range w.passed {
		who = append(who, c.who)
	}
	return fmt.Sprintf("bounded bypass: %s was overtaken by %s, and %d may overtake", w.who, strings.Join(who, ", "), r.config.bypass)
}

// order claims that nobody waits who was overtaken by more than may.
func (r *referee) order() {
	name := "strict order of arrival: nobody waits while one who came later was granted"
	if r.config.bypass > 0 {
		name = fmt.Sprintf("bounded bypass: nobody waits while more than %d who came later were granted", r.config.bypass)
	}
	r.always(name, func() string {
		for _, w := range r.open {
			if text := r.bypassed(w); text != "" {
				return text
			}
		}
		return ""
	})
}

// cancels claims that a wait ends with its ctx.
func (r *referee) cancels() {
	r.always("cancel: a wait ends when its ctx does", func() string {
		for _, w := range r.open {
			if w.ctx.Err() != nil {
				return fmt.Sprintf("the ctx of %s has ended, and %s still waits to %s", w.who, w.who, w.verb)
			}
		}
		return ""
	})
}

// refused judges a call that has returned an error. The mutex is held.
func (r *referee) refused(c *call, err error) string {
	if c.ctx.Err() == nil {
		return fmt.Sprintf("%s was to %s and got an error though its ctx has not ended: %v", c.who, c.verb, err)
	}
	return ""
}

// granted judges a call that has returned without an error.
func (r *referee) granted(c *call) string {
	if c.late {
		return fmt.Sprintf("a done ctx: %s could %s with a ctx that had ended before the call", c.who, c.verb)
	}
	return ""
}

// last reports whether the caller is the last worker that ends.
func (r *referee) last() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.workers--
	return r.workers == 0 && !r.over
}

// pause waits. Between two ticks nothing is ready for a moment.
func (r *referee) pause(ctx context.Context, how int) error {
	switch {
	case how == none:
		return ctx.Err()
	case how == yield, r.config.awake:
		return core.Yield(ctx)
	default:
		return core.Sleep(ctx, time.Duration(how-yield)*tick)
	}
}

// fails ends the judging, and reports whether there is something to say.
func (r *referee) fails(text string) bool {
	if text != "" {
		r.over = true
	}
	return text != ""
}
