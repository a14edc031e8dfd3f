package laws

import (
	"context"
	"fmt"
	"slices"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/proptest"
)

// Broadcaster is what [Broadcast] needs of a queue of which every reader gets every item.
type Broadcaster interface {
	// Emit does not wait. An error fails the suite.
	Emit(v int) error
	// Subscribe makes a reader of what is emitted from now on.
	Subscribe() Subscriber
	// Close ends it: readers get what is left, and then an error.
	Close()
}

// Subscriber is a reader of a [Broadcaster]. The method Close() is called at its end, if the type has it.
type Subscriber interface {
	// Read waits for an item, and returns what there is, at most so many if most is not 0; or an error, with nothing
	// read, when ctx ends. After Close of the queue it returns what is left, and then an error.
	Read(ctx context.Context, most int) ([]int, error)
}

// Broadcast puts queues of which every reader gets every item to these laws: each reader gets what is emitted after
// Subscribe, once and in order; nobody waits while there is an item that it has not seen, nor after Close; what was
// emitted before Close is read before the error; a wait ends with its ctx, and loses nothing; a done ctx
// reads nothing.
//
// Queues are made by mk, for so many items that are kept for a reader which is slow. With a limit of 0 they keep all. Behind more
// than the limit a reader gets one error, of which lagged says how many items it has missed. A lagged of nil
// is for queues that always keep all; then the limit is always 0.
func Broadcast(t proptest.TB, mk func(limit int) Broadcaster, lagged func(err error) (missed int, ok bool), opts ...Option) {
	t.Helper()
	c := configOf(t, mk(0), opts)
	proptest.Check(t, func(p *proptest.P) {
		limit := 0
		if lagged != nil {
			limit = p.IntRange(0, 2, "limit")
		}
		r := &audience{referee: newReferee(p, c), queue: mk(limit), limit: limit, lagged: lagged}
		r.judge(scripts(p, "emitter", 1, 1, 5, 0, 0, patient)[0], scripts(p, "readers", 1, 3, 2, 0, 1, c.modes...))
	}, c.check...)
}

// audience is the referee of a broadcast.
type audience struct {
	*referee
	queue   Broadcaster
	limit   int
	lagged  func(err error) (missed int, ok bool)
	emitted int // items 1, 2, 3, and so on
	closed  bool
}

// reader is one that reads.
type reader struct {
	who  string
	sub  Subscriber
	seen int // the last item it has seen or was told to have missed
}

func (r *audience) judge(emitter script, readers []script) {
	r.cancels()
	r.always("close: nobody waits after it", func() string {
		if !r.closed {
			return ""
		}
		return r.open[0].who + " still waits to read, and all is closed"
	})
	r.always("no lost wakeup: nobody waits while there is an item to read", func() string {
		for _, w := range r.open {
			if n := r.emitted - w.n; n > 0 {
				return fmt.Sprintf("%s waits while there are %d items that it has not seen", w.who, n)
			}
		}
		return ""
	})
	r.p.Go("emitter", func(ctx context.Context) error {
		defer r.close()
		for _, at := range emitter {
			if err := r.pause(ctx, at.late); err != nil {
				return err
			}
			r.emit()
			if err := r.pause(ctx, at.after); err != nil {
				return err
			}
		}
		return nil
	})
	for i, s := range readers {
		who := fmt.Sprint("r", i)
		r.p.Go(who, func(ctx context.Context) error { return r.read(ctx, who, s) })
	}
}

func (r *audience) emit() {
	r.mu.Lock()
	r.emitted++
	v := r.emitted
	r.mu.Unlock()
	if err := r.queue.Emit(v); err != nil {
		r.p.Fatalf("emit: %d cannot be emitted before Close: %v", v, err)
	}
}

func (r *audience) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.queue.Close()
}

// read reads as the script says, and then to the end.
func (r *audience) read(ctx context.Context, who string, s script) error {
	at := &reader{who: who}
	r.mu.Lock()
	at.seen = r.emitted
	r.mu.Unlock()
	if at.sub = r.queue.Subscribe(); !r.sim {
		at.seen = -1 // what was emitted meanwhile is not known
	}
	if c, ok := at.sub.(interface{ Close() }); ok {
		defer c.Close()
	}
	for _, step := range s {
		if err := r.pause(ctx, step.late); err != nil && step.late != none {
			return err
		}
		step.mode.within(ctx, func(ctx context.Context) { r.reads(ctx, at, step.n) })
		if err := r.pause(ctx, step.after); err != nil {
			return err
		}
	}
	for r.reads(core.Shield(ctx), at, 0) {
	}
	return nil
}

// reads makes one call, and reports whether there may be more.
func (r *audience) reads(ctx context.Context, at *reader, most int) bool {
	c := r.begin(ctx, at.who, "read", max(at.seen, 0))
	items, err := at.sub.Read(ctx, most)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.end(c); r.over {
		return false
	}
	if err == nil {
		if text := r.granted(c); r.fails(text) {
			r.p.Fatalf("%s", text)
		}
		r.sees(at, items, most)
		return true
	}
	if r.lagged != nil {
		if missed, ok := r.lagged(err); ok {
			r.lags(at, missed)
			return true
		}
	}
	if !r.closed || ctx.Err() != nil {
		if text := r.refused(c, err); r.fails(text) {
			r.p.Fatalf("%s", text)
		}
		return false
	}
	if at.seen >= 0 && at.seen < r.emitted {
		r.over = true
		r.p.Fatalf("close: %s got the end while there are %d items that it has not seen", at.who, r.emitted-at.seen)
	}
	return false
}

// sees judges what a read has returned.
func (r *audience) sees(at *reader, items []int, most int) {
	if at.seen < 0 && len(items) > 0 {
		at.seen = items[0] - 1
	}
	want := make([]int, len(items))
	for i := range want {
		want[i] = at.seen + 1 + i
	}
	last := at.seen + len(items)
	if !slices.Equal(items, want) || last > r.emitted {
		r.over = true
		r.p.Fatalf("every item once and in order: %s got %v after %d, and %d is the last one", at.who, items, at.seen, r.emitted)
	}
	if len(items) == 0 || most > 0 && len(items) > most {
		r.over = true
		r.p.Fatalf("%s wanted %d items (0: all there are) and got %v", at.who, most, items)
	}
	at.seen = last
}

// lags judges what a reader has missed.
func (r *audience) lags(at *reader, missed int) {
	if at.seen < 0 {
		return
	}
	behind := r.emitted - at.seen
	if r.limit == 0 || missed < 1 || behind-missed < 0 || behind <= r.limit {
		r.over = true
		r.p.Fatalf("lag: %s is told that it has missed %d items, is %d behind, and %d are kept (0: all)", at.who, missed, behind, r.limit)
	}
	at.seen += missed
}
