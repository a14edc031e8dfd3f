package core

import (
	"context"
	"iter"
	"sync"

	"github.com/seed-1e54c410/turnstile/internal/park"
)

// Pull turns a sequence into two functions, as iter.Pull2 does, with the difference that the
// sequence may wait: it runs as a task of its own, which [Start] would start with ctx, while a body
// of iter.Pull that waits stops the loop. It works on goroutines as well.
//
// The sequence begins with the first call of next, and goes on from a yield only when next
// asks for another value: nothing is read ahead. So between two calls of next it is suspended
// in yield.
//
// next waits for the next value. Its last result is false when the sequence has ended, and the
// others are zero then; a value comes with true, and with the error that was yielded with it.
// Where the last result is true and the error is not nil, one of these may have happened, too:
//
//   - The ctx given to next has ended: it is ctx.Err(). Nothing is lost: the value that was asked for
//     is that of the following call.
//   - The ctx given to Pull has ended: it is that ctx.Err(), once; then the sequence is at its
//     end, since its yield has returned false.
//   - The sequence has called runtime.Goexit: it is ErrGoexit, once.
//   - The sequence cannot run because its dispatcher is closed: it is dispatch.ErrClosed, once.
//   - The sequence itself calls next: it is ErrSelf.
//
// Calls of next that are made at the same time are served in order of arrival. A panic of the
// sequence goes on in the next that waits, or else in the next call of next or stop, as a
// *[PanicError]; then the sequence is at its end.
//
// stop ends the sequence: its yield returns false, its task is canceled, and stop returns when
// the task has ended, with all its clean-up; it need not be called once next has returned false.
// It takes no ctx and waits whatever becomes of that of the caller; only on a dispatcher that
// has closed, and whose time for tasks that do not end is over, does it return before. A value
// that was not taken is dropped. After stop, next returns false. Called by the sequence itself
// stop does not wait.
//
// Where a next was given up, stop may find the sequence in a wait of its own instead of in yield.
// That is ended by the cancel of the task only if it has no ctx, as net.Conn.Read, or the
// task's own; any other is waited for. Where that takes long, end the ctx that the sequence
// was made with before stop. Without stop the task stays until the ctx given to Pull ends.
//
// yield must be called by the sequence's own task, one call at a time.
func Pull[T any](ctx context.Context, seq iter.Seq2[T, error]) (next func(ctx context.Context) (T, error, bool), stop func()) {
	if seq == nil {
		panic("core: Pull of nil")
	}
	p := &pull[T]{ctx: ctx, seq: seq}
	return p.next, p.stop
}

// pull is a sequence and its task.
type pull[T any] struct {
	task
	ctx context.Context // to start it with
	seq iter.Seq2[T, error]

	mu       sync.Mutex // guards what follows
	stage    pullStage
	stopped  bool
	yielding bool      // in yield
	wanted   bool      // somebody has asked for a value since the last one was yielded
	offered  bool      // value has not been taken
	value    pulled[T] // what was yielded last
	why      error     // what ended it and nobody has seen; a *thrown for a panic
	nexts    park.Queue[pulled[T]]
	yields   park.Queue[struct{}] // the sequence, in yield
	stops    park.Queue[struct{}]
}

// pulled is what next returns.
type pulled[T any] struct {
	v    T
	err  error
	more bool
}

// pullStage is how far the sequence is.
type pullStage uint8

const (
	pullNew   pullStage = iota // next was not called yet
	pullBegun                  // the task was started
	pullRuns                   // and can be canceled
	pullEnded                  // and has ended, or never will begin
)

func (p *pull[T]) next(ctx context.Context) (T, error, bool) {
	var zero T
	if p.inside() {
		return zero, ErrSelf, true
	}
	if err := ctx.Err(); err != nil {
		return zero, park.Failed(err), true // and the sequence does not begin
	}
	p.mu.Lock()
	begin := p.stage == pullNew
	if begin {
		p.stage, p.wanted = pullBegun, true
	}
	p.mu.Unlock()
	if begin {
		p.begin()
	}
	got, err := p.nexts.Wait(ctx, &p.mu, pulled[T]{}, p.take)
	if err != nil {
		return zero, err, true
	}
	if t, ok := got.err.(*thrown); ok {
		panic(t.PanicError)
	}
	return got.v, got.err, got.more
}

// begin starts the task.
func (p *pull[T]) begin() {
	started := false
	defer func() {
		if !started { // the ctx given to Pull has panicked, or is nil
			p.finish(nil)
		}
	}()
	p.start(p.ctx, p)
	started = true
}

// take gives a next what there is. If that is nothing it asks for it.
func (p *pull[T]) take(into *pulled[T]) (bool, error) {
	switch {
	case p.offered:
		*into, p.value, p.offered = p.value, pulled[T]{}, false
		return true, nil
	case p.stage == pullEnded:
		why := p.why
		if _, panicked := why.(*thrown); p.stopped && !panicked {
			why = nil
		}
		p.why = nil
		*into = pulled[T]{err: why, more: why != nil}
		return true, nil
	case p.stopped:
		return false, nil
	}
	p.wanted = true
	p.yields.Settle(p.goOn)
	return false, nil
}

// goOn reports whether yield may return.
func (p *pull[T]) goOn(*struct{}) (bool, error) {
	return p.stopped || p.wanted && !p.offered, nil
}

// exec is the life of the sequence.
func (p *pull[T]) exec(ctx context.Context) {
	p.mu.Lock()
	p.stage = pullRuns
	stopped := p.stopped
	p.mu.Unlock()
	if stopped {
		return
	}
	if err := ctx.Err(); err != nil {
		p.mu.Lock()
		p.why = err // the sequence has not begun: there is nothing to clean up
		p.mu.Unlock()
		return
	}
	p.seq(p.yield) // itself, so that this is what a task is said to wait in
}

// yield hands a value to a next, and waits until another one is asked for.
func (p *pull[T]) yield(v T, err error) bool {
	p.mu.Lock()
	if p.yielding {
		p.mu.Unlock()
		panic("core: yield of a pulled sequence is called twice at the same time")
	}
	if p.stopped || p.why != nil {
		p.mu.Unlock()
		return false
	}
	p.value, p.offered, p.wanted, p.yielding = pulled[T]{v, err, true}, true, false, true
	p.nexts.Settle(p.take)
	p.mu.Unlock()
	_, failed := p.yields.Wait(&p.scope, &p.mu, struct{}{}, p.goOn)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.yielding = false
	if failed != nil && !p.stopped {
		p.why = failed
	}
	return failed == nil && !p.stopped
}

func (p *pull[T]) done() { p.finish(nil) }

func (p *pull[T]) fail(err error) {
	if e, ok := err.(*PanicError); ok {
		err = &thrown{e} // which the sequence may as well yield
	}
	p.finish(err)
}

// finish comes when the task has ended.
func (p *pull[T]) finish(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.why = err
	}
	p.stage, p.seq, p.ctx = pullEnded, nil, nil
	p.nexts.Settle(p.take)
	p.stops.Settle(p.ended)
}

func (p *pull[T]) ended(*struct{}) (bool, error) { return p.stage == pullEnded, nil }

func (p *pull[T]) place() string { return placeOf(p.seq) }

func (p *pull[T]) stop() {
	p.mu.Lock()
	p.stopped, p.offered, p.value = true, false, pulled[T]{}
	if p.stage == pullNew {
		p.stage, p.seq, p.ctx = pullEnded, nil, nil
	}
	runs := p.stage == pullRuns
	p.yields.Settle(p.goOn)
	p.mu.Unlock()
	if runs {
		p.task.end(&ending{context.Canceled, context.Canceled})
	}
	if p.inside() {
		return
	}
	_, _ = p.stops.Wait(context.Background(), &p.mu, struct{}{}, p.ended)
	p.mu.Lock()
	t, panicked := p.why.(*thrown)
	p.why = nil
	p.mu.Unlock()
	if panicked {
		panic(t.PanicError)
	}
}
