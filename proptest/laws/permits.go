package laws

import (
	"context"
	"fmt"
	"strings"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/proptest"
)

// permits is the referee of what can be held: a lock is one permit, and a lock for readers and writers as
// many as there are tasks, of which a writer takes all.
type permits struct {
	*referee
	what  string // such as "the lock"
	size  int
	held  int
	holds []*call

	acquire func(ctx context.Context, n int) error
	try     func(n int) bool // nil: there is none
	release func(n int)
}

func newPermits(p *proptest.P, c config, what string, size int) *permits {
	return &permits{referee: newReferee(p, c), what: what, size: size}
}

// judge makes the claims, and starts the tasks. Each asks for as many permits as weight says of the
// number drawn.
func (r *permits) judge(tasks []script, weight func(n int) int) {
	r.workers = len(tasks)
	r.order()
	r.cancels()
	r.always("work conservation: the first in line does not wait while there is enough for it", func() string {
		if w := r.open[0]; w.n <= r.size-r.held && w.ctx.Err() == nil && !r.audits(w) {
			return fmt.Sprintf("%s waits for %d of %s, of which the calls so far leave %d of %d free", w.who, w.n, r.what, r.size-r.held, r.size)
		}
		return ""
	})
	r.always("conservation: when all was given back, all can be taken", func() string {
		if w := r.open[0]; r.audits(w) && r.held == 0 {
			return fmt.Sprintf("all of %s was given back, and %s cannot take it", r.what, w.who)
		}
		return ""
	})
	for i, s := range tasks {
		who := fmt.Sprint("w", i)
		r.p.Go(who, func(ctx context.Context) error {
			err := r.work(ctx, who, s, weight)
			if r.last() {
				r.audit(core.Shield(ctx), who+" (when all was given back)")
			}
			return err
		})
	}
}

// audits reports whether a call is the one of the audit.
func (r *permits) audits(c *call) bool { return r.workers == 0 && c.n == r.size }

func (r *permits) work(ctx context.Context, who string, s script, weight func(n int) int) error {
	for _, at := range s {
		if err := r.pause(ctx, at.late); err != nil && at.late != none {
			return err
		}
		n := weight(at.n)
		got := false
		if at.mode == trying {
			got = r.tries(ctx, who, n)
		} else {
			at.mode.within(ctx, func(ctx context.Context) { got = r.takes(ctx, who, n) })
		}
		if got {
			err := r.pause(ctx, max(at.after, yield))
			r.gives(who, n)
			if err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// audit takes all that there is, when nobody has anything, and sees that there is no more.
func (r *permits) audit(ctx context.Context, who string) {
	if !r.takes(ctx, who, r.size) {
		return
	}
	if !r.config.awake { // a wait for more would never end
		hurried.within(ctx, func(ctx context.Context) { r.takes(ctx, who, 1) })
	}
	r.gives(who, r.size)
}

// takes makes a call that may wait.
func (r *permits) takes(ctx context.Context, who string, n int) bool {
	c := r.begin(ctx, who, "take "+r.what, n)
	err := r.acquire(ctx, n)
	r.mu.Lock()
	if r.end(c); r.over {
		r.mu.Unlock()
		return err == nil
	}
	var text string
	if err != nil {
		if text = r.refused(c, err); r.fails(text) {
			r.mu.Unlock()
			r.p.Fatalf("%s", text)
		}
		r.mu.Unlock()
		return false
	}
	if text = r.granted(c); r.fails(text) {
		r.mu.Unlock()
		r.p.Fatalf("%s", text)
	}
	if text = r.exclusion(c); r.fails(text) {
		r.mu.Unlock()
		r.p.Fatalf("%s", text)
	}
	if text = r.overtaken(c); r.fails(text) {
		r.mu.Unlock()
		r.p.Fatalf("%s", text)
	}
	r.mu.Unlock()
	return true
}

// tries makes a call that does not wait.
func (r *permits) tries(ctx context.Context, who string, n int) bool {
	c := r.begin(core.Shield(ctx), who, "take "+r.what, n)
	got := r.try(n)
	r.mu.Lock()
	if r.end(c); r.over {
		r.mu.Unlock()
		return got
	}
	var text string
	if !got {
		if r.sim && len(r.open) == 0 && n <= r.size-r.held {
			text = fmt.Sprintf("work conservation: a try of %s failed though the calls so far leave %d of %d free and nobody waits", who, r.size-r.held, r.size)
		}
		if r.fails(text) {
			r.mu.Unlock()
			r.p.Fatalf("%s", text)
		}
		r.mu.Unlock()
		return false
	}
	if text = r.exclusion(c); r.fails(text) {
		r.mu.Unlock()
		r.p.Fatalf("%s", text)
	}
	if text = r.overtaken(c); r.fails(text) {
		r.mu.Unlock()
		r.p.Fatalf("a try call overtakes: %s", text)
	}
	r.mu.Unlock()
	return true
}

// exclusion judges whether there was enough for a call that was granted, and notes what it holds.
func (r *permits) exclusion(c *call) string {
	var who []string
	for _, h := range r.holds {
		who = append(who, h.who)
	}
	r.held += c.n
	r.holds = append(r.holds, c)
	if r.held <= r.size {
		return ""
	}
	return fmt.Sprintf("mutual exclusion: %s was granted %s while %s had it", c.who, r.what, strings.Join(who, ", "))
}

// overtaken judges the order of a call that was granted: those who came before and want more than
// is free now surely wait.
func (r *permits) overtaken(c *call) string {
	r.overtakes(c, func(*call) bool { return true })
	for _, w := range r.open {
		if w.n > r.size-r.held {
			if text := r.bypassed(w); text != "" {
				return text
			}
		}
	}
	return ""
}

// gives gives back what who holds.
func (r *permits) gives(who string, n int) {
	r.mu.Lock()
	r.held -= n
	for i, h := range r.holds {
		if h.who == who && h.n == n {
			r.holds = append(r.holds[:i], r.holds[i+1:]...)
			break
		}
	}
	r.mu.Unlock()
	r.release(n)
}
