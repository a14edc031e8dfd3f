package check

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"
)

// Op is an operation on a primitive. ID is different for each one, and the
// value of an item it puts.
type Op struct {
	Name string
	Arg  int
	ID   int
}

// System is a primitive under test. What a call returned is a string, so that it compares
// and prints.
type System struct {
	Call  func(ctx context.Context, op Op) string // may wait
	Now   func(op Op) string                      // does not wait
	State func() string                           // what Stats says; nil: not compared
}

// Model is what a primitive ought to do, with waiters as numbers in a slice. It
// is told of one atomic step after the other.
type Model interface {
	Clone() Model
	// Call is the arrival of a call that may wait. Calls end by Ends.End, in this or
	// a later step.
	Call(op Op)
	// Cancel is the moment a waiting call gives up; other calls ignore it.
	Cancel(id int)
	Now(op Op) string
	// Allowed reports whether op makes sense now: releasing a free lock does not.
	Allowed(op Op) bool
	// Unblock is an operation that lets waiters go.
	Unblock() Op
	State() string
	ends() *Ends
}

// Ends is what calls have returned; models embed it.
type Ends struct{ of map[int]string }

// End says that the call id has returned result.
func (e *Ends) End(id int, result string) {
	of := maps.Clone(e.of) // clones of the model share it
	if of == nil {
		of = make(map[int]string)
	}
	of[id] = result
	e.of = of
}

func (e *Ends) ends() *Ends { return e }

const canceled = "context canceled"

// The kinds of ctx that a call is given.
const (
	ctxOwn        = iota // the participant's
	ctxUser              // of a type that package context does not know
	ctxDone              // ended before the call
	ctxBackground        // never ends; the last, so that it can be left out
	ctxKinds
)

// The kinds of action.
const (
	actCall = iota
	actNow
	actCancel
)

// Action is one step of a script.
type Action struct {
	Kind     int
	Op       Op
	Ctx      int
	Victim   int  // of a cancel: which of the calls that have not ended
	Together bool // the next action follows before anybody else has run
}

func (a Action) String() string {
	var s string
	switch a.Kind {
	case actCall:
		s = fmt.Sprintf("call %s(%d) ctx=%d", a.Op.Name, a.Op.Arg, a.Ctx)
	case actNow:
		s = fmt.Sprintf("%s(%d)", a.Op.Name, a.Op.Arg)
	default:
		s = fmt.Sprintf("cancel #%d", a.Victim)
	}
	return s + a.plus()
}

func (a Action) plus() string {
	if a.Together {
		return " +"
	}
	return ""
}

// Script is a sequence of actions on one primitive.
type Script []Action

// Law is a kind of primitive: its operations, and the model they are compared with.
type Law[T any] struct {
	Calls  []string // operations that may wait
	Nows   []string // operations that do not
	MaxArg int      // arguments are drawn from 1 to MaxArg
	Model  func(size int) Model
	System func(prim T) System
}

// scripts draws scripts of up to 40 actions.
func (l Law[T]) scripts(background bool) *rapid.Generator[Script] {
	kinds := ctxKinds
	if !background {
		kinds = ctxBackground
	}
	action := rapid.Custom(func(t *rapid.T) Action {
		// Calls are drawn as often as the rest together.
		a := Action{Kind: rapid.SampledFrom([]int{actCall, actCall, actCall, actNow, actNow, actCancel}).Draw(t, "kind")}
		switch a.Kind {
		case actCall:
			a.Op.Name = rapid.SampledFrom(l.Calls).Draw(t, "call")
			// One in sixteen is done before: it is the others that make states.
			if k := rapid.IntRange(0, 15).Draw(t, "ctx"); k < 15 {
				a.Ctx = []int{ctxOwn, ctxUser, ctxBackground}[k%(kinds-1)]
			} else {
				a.Ctx = ctxDone
			}
		case actNow:
			a.Op.Name = rapid.SampledFrom(l.Nows).Draw(t, "op")
		case actCancel:
			a.Victim = rapid.IntRange(0, 5).Draw(t, "victim")
		}
		if a.Kind != actCancel && l.MaxArg > 0 {
			a.Op.Arg = rapid.IntRange(1, l.MaxArg).Draw(t, "arg")
		}
		a.Together = rapid.Bool().Draw(t, "together")
		return a
	})
	return rapid.Map(rapid.SliceOfN(action, 10, 40), func(s []Action) Script { return s })
}

// Check checks primitives of one kind against the model: what every call returns, who
// waits, and that no call waits which need not, after every step of drawn scripts with
// cancels at drawn moments. A primitive of size n is made by mk, in a bubble.
func (l Law[T]) Check(t *testing.T, steppers func() Stepper, mk func(size int) T) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(0, 3).Draw(t, "size")
		s := l.scripts(true).Draw(t, "script")
		rapid.SyncTest(t, func(t *rapid.T) {
			if err := l.run(steppers(), mk(size), size, s); err != nil {
				t.Fatal(err)
			}
		})
	})
}

// Everywhere runs Check on each kind of participant there is below package core.
func (l Law[T]) Everywhere(t *testing.T, mk func(size int) T) {
	for name, steppers := range Steppers() {
		t.Run(name, func(t *testing.T) { l.Check(t, steppers, mk) })
	}
}

// Steppers returns the kinds of participants there are below package core.
func Steppers() map[string]func() Stepper {
	return map[string]func() Stepper{
		"goroutines": func() Stepper { return new(Goroutines) },
		"hosts":      func() Stepper { return &Hosts{Nag: true} },
		"mixed":      func() Stepper { return &Mixed{Of: []Stepper{new(Goroutines), new(Hosts)}} },
	}
}

// Find looks for a script that a primitive made by mk fails, and returns how many it took
// and the failure; nil if all of them passed. It draws no ctx without an end, since a
// broken primitive might never let go of it.
func (l Law[T]) Find(t *testing.T, cases int, steppers func() Stepper, mk func(size int) T) (int, error) {
	gen := l.scripts(false)
	for seed := range cases {
		s := gen.Example(seed)
		size := seed % 4
		var err error
		synctest.Test(t, func(*testing.T) { err = l.run(steppers(), mk(size), size, s) })
		if err != nil {
			return seed + 1, err
		}
	}
	return cases, nil
}

// run runs a script, in a bubble, and returns where prim and its model differ.
func (l Law[T]) run(r Stepper, prim T, size int, s Script) error {
	p := &play{r: r, sys: l.System(prim), worlds: []world{{m: l.Model(size)}}, got: make(map[int]string)}
	err := p.play(s)
	if err != nil {
		err = fmt.Errorf("%w\nsteps (size %d):\n  %s", err, size, strings.Join(p.log, "\n  "))
	}
	p.giveUp()
	r.Wait()
	return err
}

// play runs one script. Between two settlings, calls that were started and cancels that
// were made take effect at any moment and in any order, so there are several states in which
// the primitive may be: the worlds. What is observed rules worlds out; when none is
// left, the primitive has done what it must not.
type play struct {
	r      Stepper
	sys    System
	worlds []world
	open   []*call // not known to have ended
	log    []string

	mu  sync.Mutex
	got map[int]string // what calls returned since the last settling
}

type call struct {
	id     int
	cancel func() // nil: never ends
	gone   bool   // canceled
}

type world struct {
	m       Model
	pending []event
}

// event is a call's start or its cancel, on its way.
type event struct {
	cancel bool
	op     Op
}

// How many calls and cancels may be on their way, and how many calls among them,
// whose order may stay unknown for long.
const (
	maxPending = 3
	maxCalls   = 2
)

func (p *play) play(s Script) error {
	pending, calls := 0, 0
	for i, a := range s {
		a.Op.ID = i + 1
		did, async, err := p.act(a)
		if err != nil {
			return err
		}
		if !did {
			continue
		}
		if async {
			pending++
		}
		if a.Kind == actCall {
			calls++
		}
		if a.Together && pending < maxPending && calls < maxCalls {
			continue
		}
		pending, calls = 0, 0
		if err := p.settle(); err != nil {
			return err
		}
	}
	if err := p.settle(); err != nil {
		return err
	}
	return p.finish()
}

func (p *play) act(a Action) (did, async bool, err error) {
	switch a.Kind {
	case actCall:
		p.log = append(p.log, fmt.Sprintf("%d: %v", a.Op.ID, a))
		p.start(a)
		return true, true, nil
	case actCancel:
		var can []*call
		for _, c := range p.open {
			if c.cancel != nil && !c.gone {
				can = append(can, c)
			}
		}
		if len(can) == 0 {
			return false, false, nil
		}
		c := can[a.Victim%len(can)]
		p.log = append(p.log, fmt.Sprintf("%d: cancel of %d%s", a.Op.ID, c.id, a.plus()))
		p.cancel(c)
		return true, true, nil
	}
	did, err = p.now(a)
	return did, false, err
}

func (p *play) start(a Action) {
	c := &call{id: a.Op.ID}
	p.open = append(p.open, c)
	var ctx context.Context // nil: the participant's
	switch a.Ctx {
	case ctxUser:
		u := NewCtx()
		ctx, c.cancel = u, u.Cancel
	case ctxBackground:
		ctx = context.Background()
	case ctxDone:
		u := NewCtx()
		u.Cancel()
		ctx, c.cancel = u, u.Cancel
	}
	cancel := p.r.Go(fmt.Sprint(a.Op.Name, a.Op.ID), func(own context.Context) {
		ctx := ctx
		if ctx == nil {
			ctx = own
		}
		result := p.sys.Call(ctx, a.Op)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.got[a.Op.ID] = result
	})
	if a.Ctx == ctxOwn {
		c.cancel = cancel
	}
	for i := range p.worlds {
		w := &p.worlds[i]
		if a.Ctx == ctxDone {
			w.m.ends().End(a.Op.ID, canceled)
		} else {
			w.pending = append(slices.Clip(w.pending), event{op: a.Op})
		}
	}
}

func (p *play) cancel(c *call) {
	c.gone = true
	c.cancel()
	for i := range p.worlds {
		w := &p.worlds[i]
		w.pending = append(slices.Clip(w.pending), event{cancel: true, op: Op{ID: c.id}})
	}
}

// now makes an operation that does not wait, if it makes sense in all worlds.
func (p *play) now(a Action) (bool, error) {
	p.spread()
	for _, w := range p.worlds {
		if !w.m.Allowed(a.Op) {
			return false, nil
		}
	}
	result := p.sys.Now(a.Op)
	p.log = append(p.log, fmt.Sprintf("%d: %v = %s", a.Op.ID, a, result))
	var worlds []world
	var want []string
	for _, w := range p.worlds {
		if r := w.m.Now(a.Op); r == result {
			worlds = append(worlds, w)
		} else {
			want = append(want, r)
		}
	}
	if len(worlds) == 0 {
		slices.Sort(want)
		return true, fmt.Errorf("%s returned %q, want %q", a.Op.Name, result, slices.Compact(want))
	}
	p.worlds = worlds
	return true, nil
}

// spread adds the worlds in which some of what is on its way has taken effect.
func (p *play) spread() {
	seen := make(map[string]bool)
	var all []world
	var visit func(w world)
	visit = func(w world) {
		key := fmt.Sprintf("%+v%v", w.m, w.pending)
		if seen[key] {
			return
		}
		seen[key] = true
		all = append(all, w)
		for i, e := range w.pending {
			next := world{m: w.m.Clone(), pending: slices.Delete(slices.Clone(w.pending), i, i+1)}
			if !e.cancel {
				next.m.Call(e.op)
			} else if j := slices.IndexFunc(next.pending, func(o event) bool { return !o.cancel && o.op.ID == e.op.ID }); j >= 0 {
				// The call finds its ctx done.
				next.pending = slices.Delete(next.pending, j, j+1)
				next.m.ends().End(e.op.ID, canceled)
			} else {
				next.m.Cancel(e.op.ID)
			}
			visit(next)
		}
	}
	for _, w := range p.worlds {
		visit(w)
	}
	p.worlds = all
}

// settle lets everybody run and compares what has happened.
func (p *play) settle() error {
	p.r.Settle()
	p.spread()
	p.mu.Lock()
	got := p.got
	p.got = make(map[int]string)
	p.mu.Unlock()
	state := ""
	if p.sys.State != nil {
		state = p.sys.State()
	}
	var worlds []world
	var want []string
	for _, w := range p.worlds {
		if len(w.pending) > 0 {
			continue
		}
		ends := w.m.ends()
		if maps.Equal(ends.of, got) && (p.sys.State == nil || state == w.m.State()) {
			ends.of = nil
			worlds = append(worlds, w)
		} else {
			want = append(want, fmt.Sprint(ends.of, " ", w.m.State()))
		}
	}
	p.log = append(p.log, fmt.Sprintf("   -> %v %s", got, state))
	p.open = slices.DeleteFunc(p.open, func(c *call) bool { _, ended := got[c.id]; return ended })
	if len(worlds) == 0 {
		slices.Sort(want)
		return fmt.Errorf("it settled with %v %s, want one of\n  %s", got, state, strings.Join(slices.Compact(want), "\n  "))
	}
	p.worlds = worlds
	return nil
}

// finish ends all calls, the last canceled first, still comparing.
func (p *play) finish() error {
	for _, c := range slices.Backward(slices.Clone(p.open)) {
		if c.cancel == nil || c.gone {
			continue
		}
		p.log = append(p.log, fmt.Sprint("cancel of ", c.id))
		p.cancel(c)
		if err := p.settle(); err != nil {
			return err
		}
	}
	for i := 0; len(p.open) > 0; i++ {
		op := p.worlds[0].m.Unblock()
		op.ID = -1 - i
		did, err := p.now(Action{Kind: actNow, Op: op})
		if err == nil && !did {
			err = fmt.Errorf("%d calls wait, and nothing lets them go", len(p.open))
		}
		if err == nil {
			err = p.settle()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// giveUp gets rid of the participants that a failure has left, as well as it can, since a
// bubble with blocked goroutines panics.
func (p *play) giveUp() {
	for _, c := range p.open {
		if c.cancel != nil {
			c.cancel()
		}
	}
	p.r.Settle()
	for range p.open {
		func() {
			defer func() { _ = recover() }()
			p.sys.Now(p.worlds[0].m.Unblock())
		}()
		p.r.Settle()
	}
}
