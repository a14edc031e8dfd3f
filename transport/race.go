package transport

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/park"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// The times of RFC 8305, sections 3 and 5.
const (
	resolutionDelay = 50 * time.Millisecond
	attemptDelay    = 250 * time.Millisecond
)

// race connects to one of several addresses, some of which may not be known yet: "happy eyeballs",
// RFC 8305. It is used once, by run.
//
// One call runs the race: it alone decides, and the fields it uses are its own. Lookups and attempts are
// tasks that tell it how they have ended.
type race[C io.Closer] struct {
	connect func(ctx context.Context, to netip.Addr) (C, error)
	delay   time.Duration // from one attempt to the next; < 0: each waits for the end of the one before
	lookups []lookup

	known   [2][]netip.Addr // by rank, those to which no attempt has been made
	turn    int             // the rank that is next
	asking  [2]int          // by rank, lookups under way
	begun   int             // attempts
	live    int             // attempts under way
	hurry   bool            // one has failed, and none has begun since
	pause   context.Context // ends when the next attempt may begin; nil: no pause
	resume  context.CancelFunc
	first   netip.Addr // of the first attempt
	failure error      // of the first attempt
	unknown error      // of a lookup
	winner  C

	mu    sync.Mutex // guards what follows
	news  []event[C]
	over  bool // nobody listens any more
	heard xsync.WaitQueue[struct{}]
}

// lookup asks for addresses of one family.
type lookup struct {
	rank int // 0: that of the family to prefer
	ask  func(ctx context.Context) ([]netip.Addr, error)
}

// event is the end of a lookup or of an attempt.
type event[C io.Closer] struct {
	attempt int // its number, from 1 on; 0: a lookup
	conn    C
	rank    int
	ips     []netip.Addr
	err     error
}

// run runs the race. Everything it has begun has ended when it returns, and is closed, but for the
// connection that is returned. With an error at is the address it belongs to, not valid if no
// attempt was made.
func (r *race[C]) run(ctx context.Context) (c C, at netip.Addr, err error) {
	won := false
	var lost error
	err = core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
		defer g.Cancel()
		won, lost = r.lead(ctx, g)
		return nil
	})
	late := r.leave()
	if err == nil {
		err = lost
	}
	if err != nil && won {
		late = append(late, r.winner)
	}
	for _, c := range late {
		_ = c.Close()
	}
	if p, ok := errors.AsType[*core.PanicError](err); ok {
		panic(p) // of a hook, which would have left the call had it not been in a task
	}
	if err != nil {
		return c, r.first, err
	}
	return r.winner, r.first, nil
}

// lead starts lookups and attempts until one has won, or there is nothing left to do.
func (r *race[C]) lead(ctx context.Context, g *core.Group) (won bool, err error) {
	defer r.rise()
	for _, l := range r.lookups {
		r.asking[l.rank]++
		_ = g.Go(ctx, func(ctx context.Context) error {
			ips, err := l.ask(ctx)
			r.tell(event[C]{rank: l.rank, ips: ips, err: err})
			return nil
		})
	}
	for {
		if r.look() {
			return true, nil
		}
		if err := ctx.Err(); err != nil {
			return false, park.Failed(err)
		}
		switch {
		case r.ready(ctx):
			r.begin(ctx, g)
		case r.live+r.asking[0]+r.asking[1] == 0:
			return false, r.lost()
		default:
			if err := r.listen(ctx); err != nil {
				return false, err
			}
		}
	}
}

// look takes in what has happened, and reports whether there is a winner.
func (r *race[C]) look() bool {
	for e, ok := r.next(); ok; e, ok = r.next() {
		switch {
		case e.attempt == 0:
			r.asking[e.rank]--
			if e.err != nil && (r.unknown == nil || notFound(r.unknown)) {
				r.unknown = e.err
			}
			r.known[e.rank] = append(r.known[e.rank], e.ips...)
		case e.err == nil:
			r.winner = e.conn
			return true
		default:
			r.live--
			r.hurry = true
			if e.attempt == 1 {
				r.failure = e.err
			}
		}
	}
	return false
}

// ready reports whether it is time for the next attempt.
func (r *race[C]) ready(ctx context.Context) bool {
	switch {
	case len(r.known[0])+len(r.known[1]) == 0:
		return false
	case r.begun == 0:
		if len(r.known[0]) > 0 || r.asking[0] == 0 {
			return true
		}
		if r.pause == nil {
			r.rest(core.WithTimeout(ctx, resolutionDelay))
		}
	case r.hurry:
		return true
	}
	return r.pause != nil && r.pause.Err() != nil
}

// begin makes the next attempt. The families take turns (section 4).
func (r *race[C]) begin(ctx context.Context, g *core.Group) {
	rank := r.turn
	if len(r.known[rank]) == 0 {
		rank = 1 - rank
	}
	to := r.known[rank][0]
	r.known[rank], r.turn = r.known[rank][1:], 1-rank
	r.begun++
	r.live++
	r.hurry = false
	if r.begun == 1 {
		r.first = to
	}
	r.rise()
	if r.delay >= 0 {
		r.rest(core.WithTimeout(ctx, r.delay))
	}
	n := r.begun
	_ = g.Go(ctx, func(ctx context.Context) error {
		c, err := r.connect(ctx, to)
		r.tell(event[C]{attempt: n, conn: c, err: err})
		return nil
	})
}

// rest sets a pause.
func (r *race[C]) rest(pause context.Context, resume context.CancelFunc) {
	r.pause, r.resume = pause, resume
}

// rise ends the pause.
func (r *race[C]) rise() {
	if r.pause != nil {
		r.resume()
		r.pause = nil
	}
}

// lost returns the error of a race without a winner.
func (r *race[C]) lost() error {
	switch {
	case r.begun > 0:
		return r.failure
	case r.unknown != nil:
		return r.unknown
	}
	return errNoAddress
}

// listen waits until something happens or the pause is over.
func (r *race[C]) listen(ctx context.Context) error {
	if r.pause != nil && r.pause.Err() == nil {
		ctx = r.pause
	}
	_, err := r.heard.Wait(ctx, &r.mu, struct{}{}, r.hears)
	if ctx.Err() != nil {
		return nil // which the caller looks at
	}
	return err
}

// hears is the take function of heard.
func (r *race[C]) hears(*struct{}) (bool, error) { return len(r.news) > 0, nil }

// tell is called by lookups and attempts.
func (r *race[C]) tell(e event[C]) {
	r.mu.Lock()
	over := r.over
	if !over {
		r.news = append(r.news, e)
		r.heard.Settle(r.hears)
	}
	r.mu.Unlock()
	// The dispatcher has closed, and the race has not waited for its attempts.
	if over && e.attempt > 0 && e.err == nil {
		_ = e.conn.Close()
	}
}

func (r *race[C]) next() (e event[C], ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.news) == 0 {
		return e, false
	}
	e = r.news[0]
	r.news = slices.Delete(r.news, 0, 1)
	return e, true
}

// leave ends the race, and returns the connections that have come too late to win.
func (r *race[C]) leave() (late []C) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	for _, e := range r.news {
		if e.attempt > 0 && e.err == nil {
			late = append(late, e.conn)
		}
	}
	return late
}

// notFound reports whether err says that there are no such addresses, rather than that nobody could
// be asked.
func notFound(err error) bool {
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return e.IsNotFound
	}
	_, ok := errors.AsType[*net.AddrError](err)
	return ok
}
