package laws

import (
	"context"
	"fmt"

	"github.com/seed-1e54c410/turnstile/proptest"
)

// Waiter is what [Event] needs of an event.
type Waiter interface {
	// Wait waits until the event is set, or returns an error when ctx ends.
	Wait(ctx context.Context) error
	// Fire sets the event and lets all go who wait.
	Fire()
	// Clear takes it back.
	Clear()
}

// Event puts events that mk makes, not set at first, to these laws: Fire lets everybody go who waits at that moment,
// also when Clear follows at once, and nobody who comes after Clear; while the event is set, nobody waits; a
// wait ends with its ctx; a done ctx is an error even if the event is set. The method IsSet() bool is put to its law
// too, if the type has it.
func Event(t proptest.TB, mk func() Waiter, opts ...Option) {
	t.Helper()
	c := configOf(t, mk(), opts)
	proptest.Check(t, func(p *proptest.P) {
		r := &flag{referee: newReferee(p, c), event: mk()}
		waiters := scripts(p, "waiters", 1, 3, 2, 0, 0, c.modes...)
		most := 2
		if !r.sim {
			most = 1 // whether a Fire of one comes before a Clear of the other is not known
		}
		firers := scripts(p, "firers: 1 fires, 2 clears, 3 does both", 1, most, 3, fire, pulse, patient)
		r.judge(waiters, firers)
	}, c.check...)
}

// flag is the referee of an event.
type flag struct {
	*referee
	event Waiter
	set   bool
	left  int // firers that have not ended
}

// What a task does with an event.
const (
	fire = 1 + iota
	clearing
	pulse // fire and clear at once
)

func (r *flag) judge(waiters, firers []script) {
	r.cancels()
	r.always("fire: it lets everybody go who waits", func() string {
		for _, w := range r.open {
			if r.set && w.owed == "" {
				w.owed = "though the event is set"
			}
			if w.owed != "" {
				return fmt.Sprintf("%s still waits, %s", w.who, w.owed)
			}
		}
		return ""
	})
	r.left = len(firers)
	for i, s := range waiters {
		who := fmt.Sprint("w", i)
		r.p.Go(who, func(ctx context.Context) error {
			for _, at := range s {
				if err := r.pause(ctx, at.late); err != nil && at.late != none {
					return err
				}
				at.mode.within(ctx, func(ctx context.Context) { r.wait(ctx, who) })
				if err := r.pause(ctx, at.after); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for i, s := range firers {
		who := fmt.Sprint("f", i)
		r.p.Go(who, func(ctx context.Context) error {
			defer r.leave(who)
			for _, at := range s {
				if err := r.pause(ctx, at.late); err != nil {
					return err
				}
				r.change(who, at.n)
				if err := r.pause(ctx, at.after); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// leave ends a task that fires; the last one lets all go that wait or will.
func (r *flag) leave(who string) {
	r.mu.Lock()
	r.left--
	last := r.left == 0
	r.mu.Unlock()
	if last {
		r.change(who, fire)
	}
}

func (r *flag) wait(ctx context.Context, who string) {
	c := r.begin(ctx, who, "wait", 0)
	r.mu.Lock()
	if r.set && r.sim {
		c.owed = "though the event is set"
	}
	r.mu.Unlock()
	err := r.event.Wait(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.end(c); r.over {
		return
	}
	if err != nil {
		if text := r.refused(c, err); r.fails(text) {
			r.p.Fatalf("%s", text)
		}
		return
	}
	if text := r.granted(c); r.fails(text) {
		r.p.Fatalf("%s", text)
	}
	if r.sim && c.owed == "" {
		r.over = true
		r.p.Fatalf("fire: %s was let go, and nobody has fired since it waits", who)
	}
}

// change fires or clears.
func (r *flag) change(who string, what int) {
	if what != clearing {
		r.mu.Lock()
		r.set = true
		for _, w := range r.open {
			if !r.sim && w.settled == 0 {
				continue // it may come too late
			}
			w.owed = "though " + who + " has fired since"
		}
		r.mu.Unlock()
		r.event.Fire()
	}
	if what != fire {
		r.mu.Lock()
		r.set = false
		r.mu.Unlock()
		r.event.Clear()
	}
	e, ok := r.event.(interface{ IsSet() bool })
	if !ok {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sim && !r.over && e.IsSet() != r.set {
		r.over = true
		r.p.Fatalf("the flag: IsSet says %t after %s has made it %t", !r.set, who, r.set)
	}
}
