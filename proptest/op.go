package proptest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/seed-1e54c410/turnstile/internal/park"
)

// Operation is a call that was recorded with [P.Op], as checkers of linearizability want it.
type Operation struct {
	// Task is the name of the task of [P.Go] that has made it. Another task is called "task 1" and so on, in the
	// order of their first operations.
	Task string
	// Name, Args and Results are what Op and done were given.
	Name    string
	Args    []any
	Results []any // nil while the operation is pending
	// Begin and End are places in the order, from 1 on, in which the operations of the case
	// have begun and ended: one was over before another began if its End is less than the other's Begin. End is 0
	// while the operation is pending.
	Begin, End int
	// BeginStep and EndStep are the steps of the schedule, counted from 0 as in the report. Several
	// operations may begin and end in one step. Under [Goroutines] there are no steps, and they are 0.
	BeginStep, EndStep int
	// Pending is true while done has not been called: the operation may have taken effect
	// or not.
	Pending bool
}

// String returns the operation as a call, such as "Get(a) = 1", or "Get(a) pending".
func (o Operation) String() string {
	text := o.call()
	switch {
	case o.Pending:
		return text + " pending"
	case len(o.Results) > 0:
		return text + " = " + listed(o.Results)
	}
	return text
}

func (o Operation) call() string { return o.Name + "(" + listed(o.Args) + ")" }

func listed(values []any) string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = fmt.Sprint(v)
	}
	return strings.Join(all, ", ")
}

// Op records that the running task begins an operation on what is tested, and returns what records its end. The
// operations of a case are what [P.History] returns, and the report shows them in the
// schedule. The ctx is that of the task; it says who runs where that is an ordinary goroutine. The values are kept
// as they are: hand over copies of what changes later.
//
// An operation whose done is not called, since its task has died or waits for ever, stays pending. A
// second call of done panics.
func (p *P) Op(ctx context.Context, name string, args ...any) (done func(results ...any)) {
	who := p.running(ctx)
	h := &p.history
	h.mu.Lock()
	h.places++
	i := len(h.ops)
	h.ops = append(h.ops, Operation{
		Task: h.nameOf(p.run, who), Name: name, Args: args, Begin: h.places, BeginStep: p.stepNow(), Pending: true,
	})
	op := h.ops[i]
	h.mu.Unlock()
	p.noteOp(who, opBegins, op)
	return func(results ...any) {
		h.mu.Lock()
		at := &h.ops[i]
		if !at.Pending {
			h.mu.Unlock()
			panic("proptest: the end of an operation was recorded already")
		}
		h.places++
		at.Results, at.End, at.EndStep, at.Pending = results, h.places, p.stepNow(), false
		op := *at
		h.mu.Unlock()
		p.noteOp(who, opEnds, op)
	}
}

// History returns the operations of this case so far, in the order in which they have begun. It may be called
// at any time, as in a claim of [P.Finally].
func (p *P) History() []Operation {
	p.history.mu.Lock()
	defer p.history.mu.Unlock()
	return slices.Clone(p.history.ops)
}

// history is what P.Op has recorded. It has a mutex for tasks that run on goroutines.
type history struct {
	mu     sync.Mutex
	ops    []Operation
	places int
	others []context.Context // tasks without a name
}

// taskKey is the key under which the ctx of a task of P.Go has its *task where tasks run on goroutines.
type taskKey struct{}

// running returns the ctx of the running task.
func (p *P) running(ctx context.Context) context.Context {
	if host := park.Running(); host != nil {
		return host.Context()
	}
	return ctx
}

// nameOf names a task. It is the same whether the case is recorded or not, since the verdict may
// depend on it.
func (h *history) nameOf(r *run, ctx context.Context) string {
	if t, ok := ctx.Value(taskKey{}).(*task); ok {
		return t.name
	}
	if r.world != nil {
		for _, t := range r.tasks {
			if t.ctx == ctx {
				return t.name
			}
		}
	}
	i := slices.Index(h.others, ctx)
	if i < 0 {
		i = len(h.others)
		h.others = append(h.others, ctx)
	}
	return fmt.Sprintf("task %d", i+1)
}

// stepNow returns the present step.
func (p *P) stepNow() int {
	if p.run.world == nil {
		return 0 // on goroutines
	}
	return p.run.step
}

// noteOp records an operation for the report.
func (p *P) noteOp(who context.Context, kind eventKind, op Operation) {
	rec := p.run.rec
	if rec == nil || p.run.world == nil {
		return
	}
	text := op.call()
	if kind == opEnds {
		text = op.String()
	}
	rec.add(p.run, rec.of[who], kind, oneLine(strings.ReplaceAll(text, "\n", " "))).place = here()
}
