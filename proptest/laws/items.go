package laws

import (
	"context"
	"fmt"
	"slices"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/proptest"
)

// items is the referee of what items go through: a queue, a stream.
type items struct {
	*referee
	max   int // how many are kept; negative: no bound
	puts  map[int]*put
	gets  []*call // those that have got an item, which is their n
	down  *call   // the call that has ended it all, nil if there was none
	sides [2]side

	put    func(ctx context.Context, v int) error
	get    func(ctx context.Context) (int, error)
	tryPut func(v int) error    // nil: there is none
	tryGet func() (int, error)  // nil: there is none
	length func() int           // nil: unknown
	ended  func(err error) bool // whether a get may fail so at the end
}

// put is what became of an item.
type put struct {
	*call
	ok     bool
	failed bool
	got    *call
}

// side is one end of a queue: those that put, or those that get.
type side struct {
	left int // tasks that have not ended
	over bool
	ends []context.CancelFunc
}

// The sides, and what their calls are called.
const (
	putting = iota
	getting
)

var verbs = [...]string{putting: "put", getting: "get"}

func newItems(p *proptest.P, c config, limit int) *items {
	return &items{
		referee: newReferee(p, c), max: limit, puts: map[int]*put{},
		ended: func(error) bool { return true },
	}
}

// judge makes the claims, and starts the tasks. The one that ends it all does so after a pause, if shutdown is
// not nil.
func (r *items) judge(putters, getters []script, shutdown func(), when int) {
	r.order()
	r.cancels()
	r.always("shutdown: nobody waits after it", func() string {
		if r.down == nil {
			return ""
		}
		w := r.open[0]
		return fmt.Sprintf("%s has ended it all, and %s still waits to %s", r.down.who, w.who, w.verb)
	})
	r.atRest("conservation: what was put and not got is there", r.lost)
	r.always("work conservation: nobody waits to get while there is an item", r.idleGet)
	r.always("work conservation: nobody waits to put while there is room", r.idlePut)
	r.workers = len(putters) + len(getters)
	r.sides[putting].left, r.sides[getting].left = len(putters), len(getters)
	if shutdown != nil {
		r.workers++
		r.p.Go("closer", func(ctx context.Context) error {
			if err := r.pause(ctx, when); err == nil {
				r.shuts(ctx, "closer", shutdown)
			}
			return r.leave(ctx, "closer", -1)
		})
	}
	sides := []int{putting, getting}
	if r.p.Bool("getters first") {
		slices.Reverse(sides)
	}
	for _, on := range sides {
		for i, s := range [...][]script{putters, getters}[on] {
			r.start(fmt.Sprintf("%c%d", "pg"[on], i), on, i, s)
		}
	}
}

// start starts a task.
func (r *items) start(who string, on, number int, s script) {
	r.p.Go(who, func(task context.Context) error {
		ctx, cancel := core.WithCancel(task)
		defer cancel()
		r.mu.Lock()
		if r.sides[on].ends = append(r.sides[on].ends, cancel); r.sides[on].over {
			cancel()
		}
		r.mu.Unlock()
		for i, at := range s {
			if r.pause(ctx, at.late) != nil && at.late != none {
				break
			}
			r.makes(ctx, who, on, 10*number+i+1, at.mode)
			if r.pause(ctx, at.after) != nil {
				break
			}
		}
		return r.leave(task, who, on)
	})
}

// makes makes a call.
func (r *items) makes(ctx context.Context, who string, on, v int, m mode) {
	switch {
	case m == trying && on == putting:
		r.tryPuts(ctx, who, v)
	case m == trying:
		r.tryGets(ctx, who)
	case on == putting:
		m.within(ctx, func(ctx context.Context) { r.doPut(ctx, who, v) })
	default:
		m.within(ctx, func(ctx context.Context) { r.doGet(ctx, who) })
	}
}

// leave ends a task. The last one of a side lets those go that wait for it for ever, and the last of all looks
// at what is left.
func (r *items) leave(task context.Context, who string, on int) error {
	ctx := core.Shield(task)
	r.mu.Lock()
	over := false
	if on >= 0 {
		r.sides[on].left--
		over = r.sides[on].left == 0
	}
	r.mu.Unlock()
	if over {
		if err := r.pause(ctx, oneTick); err != nil { // so that everything comes to rest first
			return err
		}
		r.mu.Lock()
		other := &r.sides[1-on]
		other.over = true
		ends := other.ends
		r.mu.Unlock()
		for _, end := range ends {
			end()
		}
	}
	if r.last() {
		r.audit(ctx, who+" (at the end)")
	}
	return task.Err()
}

// audit takes what is left.
func (r *items) audit(ctx context.Context, who string) {
	for got := true; got; {
		hurried.within(ctx, func(ctx context.Context) { got = r.doGet(ctx, who) })
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return
	}
	for _, v := range sortedKeys(r.puts) {
		if p := r.puts[v]; p.ok && p.got == nil {
			r.over = true
			r.p.Fatalf("conservation: %d, which %s has put, was not got by anybody, and is not left", v, p.who)
		}
	}
}

// shuts ends it all.
func (r *items) shuts(ctx context.Context, who string, shutdown func()) {
	c := r.begin(core.Shield(ctx), who, "shut down", 0)
	r.mu.Lock()
	r.down = c
	r.mu.Unlock()
	shutdown()
	r.mu.Lock()
	r.end(c)
	r.mu.Unlock()
}

// doPut makes a call that may wait.
func (r *items) doPut(ctx context.Context, who string, v int) {
	p := r.brings(ctx, who, v)
	err := r.put(ctx, v)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.end(p.call); r.over {
		return
	}
	if err != nil && r.down == nil {
		if text := r.refused(p.call, err); r.fails(text) {
			r.p.Fatalf("%s", text)
		}
	}
	if err == nil {
		if text := r.granted(p.call); r.fails(text) {
			r.p.Fatalf("%s", text)
		}
	}
	r.putEnds(p, err)
}

// tryPuts makes a call that does not wait.
func (r *items) tryPuts(ctx context.Context, who string, v int) {
	p := r.brings(core.Shield(ctx), who, v)
	err := r.tryPut(v)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.end(p.call); r.over {
		return
	}
	if r.sim && err != nil && r.down == nil && r.first(putting) == nil && (r.max < 0 || r.stored() < r.max) {
		r.over = true
		r.p.Fatalf("work conservation: a try of %s to put failed though there is room and nobody waits: %v", who, err)
	}
	r.putEnds(p, err)
}

// brings begins a put.
func (r *items) brings(ctx context.Context, who string, v int) *put {
	c := r.begin(ctx, who, verbs[putting], v)
	r.mu.Lock()
	defer r.mu.Unlock()
	p := &put{call: c}
	r.puts[v] = p
	return p
}

// putEnds judges the end of a put. The mutex is held.
func (r *items) putEnds(p *put, err error) {
	if err != nil {
		if p.failed = true; p.got != nil {
			r.over = true
			r.p.Fatalf("conservation: the put of %d by %s failed, and %s got it: %v", p.n, p.who, p.got.who, err)
		}
		return
	}
	p.ok = true
	if r.down != nil && r.down.ended != 0 && r.down.ended < p.begun {
		r.over = true
		r.p.Fatalf("shutdown: %s could put after it", p.who)
	}
	if n := r.stored() - r.waiting(getting); r.sim && r.max >= 0 && n > r.max {
		r.over = true
		if r.length != nil && r.length() <= r.max {
			r.p.Fatalf("conservation: %d items were put that nobody has got, and Len says %d", n, r.length())
		}
		r.p.Fatalf("bound: with the put of %d by %s there are %d items that nobody has got, and there is room for %d", p.n, p.who, n, r.max)
	}
	r.overtakes(p.call, func(w *call) bool { return w.verb == p.verb })
	if r.sim && r.max > 0 && r.stored() >= r.max { // so who waits to put has not got its room
		r.overtaken(putting)
	}
}

// doGet makes a call that may wait, and reports whether it has got something.
func (r *items) doGet(ctx context.Context, who string) bool {
	c := r.begin(ctx, who, verbs[getting], 0)
	v, err := r.get(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.end(c); r.over {
		return false
	}
	if err == nil {
		if text := r.granted(c); r.fails(text) {
			r.p.Fatalf("%s", text)
		}
		r.gains(c, v)
		return true
	}
	if r.down == nil || ctx.Err() != nil {
		if text := r.refused(c, err); r.fails(text) {
			r.p.Fatalf("%s", text)
		}
		return false
	}
	if !r.ended(err) {
		r.over = true
		r.p.Fatalf("the end: %s got %v", who, err)
	}
	if left := r.stored(); r.sim && left > r.waiting(getting) {
		r.over = true
		r.p.Fatalf("conservation: %s got the end while %d of what was put before are left: %v", who, left, err)
	}
	return false
}

// tryGets makes a call that does not wait.
func (r *items) tryGets(ctx context.Context, who string) {
	c := r.begin(core.Shield(ctx), who, verbs[getting], 0)
	v, err := r.tryGet()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.end(c); r.over {
		return
	}
	if err == nil {
		r.gains(c, v)
		return
	}
	if r.sim && r.first(getting) == nil && r.stored() > 0 {
		r.over = true
		r.p.Fatalf("work conservation: a try of %s to get failed though there is an item and nobody waits: %v", who, err)
	}
}

// gains judges that a call has got v. The mutex is held.
func (r *items) gains(c *call, v int) {
	c.n = v
	p := r.puts[v]
	if p == nil {
		r.over = true
		r.p.Fatalf("conservation: %s got %d, which nobody has put", c.who, v)
	}
	if p.failed {
		r.over = true
		r.p.Fatalf("conservation: the put of %d by %s failed, and %s got it", v, p.who, c.who)
	}
	if p.got != nil {
		r.over = true
		r.p.Fatalf("conservation: %s and %s both got %d, which was put once", p.got.who, c.who, v)
	}
	p.got = c
	r.gets = append(r.gets, c)
	for _, g := range r.gets {
		if text := r.swapped(g); r.fails(text) {
			r.p.Fatalf("%s", text)
		}
	}
	r.overtakes(c, func(w *call) bool { return w.verb == c.verb })
	if r.sim && r.stored() == 0 && r.first(putting) == nil { // so who waits to get has nothing
		r.overtaken(getting)
	}
}

// swapped says that the item of a get was overtaken by too many: by those that were put later and
// went to calls that came before.
func (r *items) swapped(g *call) string {
	n := 0
	other := 0
	for _, at := range r.gets {
		if r.before(at, g) && r.before(r.puts[g.n].call, r.puts[at.n].call) {
			n++
			other = at.n
		}
	}
	if n <= r.config.bypass {
		return ""
	}
	return fmt.Sprintf("strict order of arrival: %d was put before %d and was got after it (bypass %d)", g.n, other, r.config.bypass)
}

// overtaken judges the order of those that surely wait, which a put does not whose item was got.
func (r *items) overtaken(on int) {
	for _, w := range r.open {
		if w.verb == verbs[on] && (on == getting || r.puts[w.n].got == nil) {
			if text := r.bypassed(w); r.fails(text) {
				r.p.Fatalf("%s", text)
			}
		}
	}
}

// stored is how many items were put and not got: those that stand in the queue, and those that were
// handed to calls which have not returned. The mutex is held.
func (r *items) stored() int {
	n := 0
	for _, p := range r.puts {
		if p.ok && p.got == nil {
			n++
		}
	}
	return n
}

// first returns the first call of a side that has not returned, if there is one.
func (r *items) first(on int) *call {
	for _, c := range r.open {
		if c.verb == verbs[on] {
			return c
		}
	}
	return nil
}

// waiting is how many calls of a side have not returned.
func (r *items) waiting(on int) int {
	n := 0
	for _, c := range r.open {
		if c.verb == verbs[on] {
			n++
		}
	}
	return n
}

// lost says that an item is not there any more.
func (r *items) lost() string {
	n := r.stored()
	if r.length != nil && r.length() < n {
		return fmt.Sprintf("%d items were put and not got, and Len says %d", n, r.length())
	}
	if r.workers == 0 && n > 0 && r.waiting(getting) > 0 {
		return fmt.Sprintf("%d items were put and not got, and at the end there is none to get", n)
	}
	return ""
}

// idleGet says that somebody waits to get though there is something.
func (r *items) idleGet() string {
	w := r.first(getting)
	if w == nil {
		return ""
	}
	if n := r.stored(); n > 0 {
		return fmt.Sprintf("%s waits to get while %d items that were put are not got", w.who, n)
	}
	if p := r.first(putting); p != nil {
		return fmt.Sprintf("%s waits to get and %s to put", w.who, p.who)
	}
	return ""
}

// idlePut says that somebody waits to put though there is room.
func (r *items) idlePut() string {
	w := r.first(putting)
	if w == nil {
		return ""
	}
	if n := r.stored(); r.max < 0 || n < r.max {
		return fmt.Sprintf("%s waits to put while there are %d items where there is room for %d", w.who, n, r.max)
	}
	return ""
}
