package core

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/seed-1e54c410/turnstile/internal/park"
)

// WithGroup calls fn with a group, in which fn starts tasks, and returns when fn and all
// tasks of the group have ended. So nothing that was started in it goes on behind it, and the
// clean-up of all has run.
//
// The first error, of fn or of a task, is what WithGroup returns, and cancels the rest: the ctx
// that fn gets, which ends with ctx as well and when WithGroup returns, and every task, with
// that error as the cause. A panic of a task is such an error, a *[PanicError], and so is a
// Goexit, as ErrGoexit. Errors that come later are dropped, but for panics, such as those of
// clean-up, which are joined to the first one. If fn itself panics or calls Goexit, the tasks are canceled and waited
// for, and then it goes on.
//
// If ctx ends, fn and the tasks are canceled, and WithGroup waits for them all the same. Errors
// come back as fn and the tasks have returned them: with nil from all of them it returns nil.
// fn is called even if ctx is done.
//
// It runs where it is called, in a task or on a goroutine, and fn runs inside the call. In a
// callback of a dispatcher it panics. Only when the dispatcher has closed, and its time for
// tasks that do not end is over, does WithGroup return before its tasks, with
// dispatch.ErrClosed.
func WithGroup(ctx context.Context, fn func(ctx context.Context, g *Group) error) error {
	if fn == nil {
		panic("core: WithGroup of nil")
	}
	currentOf(ctx) // panics in a callback, while there are no tasks to wait for
	below, cancel := WithCancelCause(ctx)
	g := &Group{ctx: below, cancel: cancel, open: true}
	returned := false
	defer func() {
		if !returned { // a panic, or a Goexit, which go on behind this
			g.fail(errLeft)
			_ = g.wait()
		}
		cancel(nil)
	}()
	err := fn(below, g)
	returned = true
	g.fail(err)
	err = g.wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.err == nil:
		return err
	case err == nil && g.later == nil:
		return g.err
	}
	return errors.Join(append(append([]error{g.err}, g.later...), err)...)
}

// errLeft is the cause of the cancel when the function of a group does not return.
var errLeft = errors.New("core: the function of a group has panicked or called runtime.Goexit")

// Group is a set of tasks that end together, see [WithGroup]. All methods may be called from
// any goroutine, also from the tasks of the group. When WithGroup has returned, those that would
// start something panic; the zero value is like such a group. A task holds the group open until it
// has ended, so the tasks of a group may start others in it.
//
// Unlike one of package errgroup it tells its tasks by their ctx what has happened, survives
// their panics, and runs as tasks where it is in one; its limit is kept in order of arrival.
type Group struct {
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu     sync.Mutex // guards what follows
	open   bool       // WithGroup has not returned
	over   *ending    // every task is canceled so, also those that begin yet; nil: none
	called bool       // by Cancel: that tasks say so is no error
	err    error      // the first one
	later  []error    // others, of which each has a panic that none before it has
	panics []*PanicError
	n      int        // tasks that have a place
	limit  int        // places; 0: any number
	first  *groupTask // those that have begun and not ended
	places park.Queue[*groupTask]
	end    park.Queue[struct{}] // WithGroup, waiting for the tasks
}

// Go starts fn as a task of the group, as [Start] does: at once, inside the call, up to its
// first wait where that is so for Start. Where the group has as many tasks as its limit allows,
// Go waits first, in order of arrival, until one has ended. A task whose group has no place
// left but its own waits for itself: use [Group.TryGo] there.
//
// The task has a ctx of its own below ctx, which says where it runs, see [On], and is also canceled
// with the group, whatever ctx it was: by the first error at once, by the end of the ctx
// of the group when the function of WithGroup has returned at the latest.
//
// What Go has accepted runs, like any task: if the group is canceled before it begins, which is so on
// another loop or behind a limit of nesting, with a ctx that is done.
//
// If ctx ends before there is a place, or is done at the call, fn does not run, Go returns
// ctx.Err(), and the group fails with it as if fn had returned it: so nothing is
// left out unnoticed. If the group is canceled, fn does not run either, and Go returns the error of
// the group's ctx. The error serves to leave a loop of calls, and may be ignored.
func (g *Group) Go(ctx context.Context, fn func(ctx context.Context) error) error {
	if fn == nil {
		panic("core: Group.Go of nil")
	}
	done := ctx.Err() != nil
	g.lock()
	t := &groupTask{group: g, fn: fn}
	ok := !done && g.free()
	if ok {
		g.seat(t)
	}
	g.mu.Unlock()
	if !ok {
		if err := g.place(ctx, t); err != nil {
			if err == errUsed {
				panic(err.Error())
			}
			g.fail(err)
			return err
		}
	}
	t.begin(ctx)
	return nil
}

// TryGo is [Group.Go] that does not wait. It reports whether the task was started: false means
// that there is no place, that ctx is done, or that the group is canceled. The group is as it
// was then.
func (g *Group) TryGo(ctx context.Context, fn func(ctx context.Context) error) bool {
	if fn == nil {
		panic("core: Group.TryGo of nil")
	}
	done := ctx.Err() != nil
	g.lock()
	if done || !g.free() {
		g.mu.Unlock()
		return false
	}
	t := &groupTask{group: g, fn: fn}
	g.seat(t)
	g.mu.Unlock()
	t.begin(ctx)
	return true
}

// SetLimit allows n tasks at a time, any number for n ≤ 0, as it is at first; so 0 is no limit here,
// where that of package errgroup allows none. If there are
// more than that already, they go on, and there is a place again when fewer than n are left.
func (g *Group) SetLimit(n int) {
	g.lock()
	defer g.mu.Unlock()
	g.limit = max(n, 0)
	g.places.Settle(g.take)
}

// Cancel cancels the ctx of the group and all its tasks, which is no failure: errors
// that are context.Canceled, and not joined to others, do not count from then on, and if there is no other one WithGroup
// returns nil. It does not wait. When WithGroup has returned it does nothing.
func (g *Group) Cancel() {
	g.mu.Lock()
	g.called = true
	g.mu.Unlock()
	g.stop(&ending{context.Canceled, context.Canceled}, nil, nil)
}

// CancelCause does what an error of a task does: it cancels the ctx of the group and all its
// tasks with this cause, and WithGroup returns it if it is the first error. Of nil it is
// [Group.Cancel].
func (g *Group) CancelCause(cause error) {
	if cause == nil {
		g.Cancel()
		return
	}
	g.fail(cause)
}

// Len returns the number of tasks that have been started and have not ended.
func (g *Group) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.n
}

// lock locks the mutex for a call that starts something.
func (g *Group) lock() {
	g.mu.Lock()
	if !g.open {
		g.mu.Unlock()
		panic(errUsed.Error())
	}
}

// errUsed is what a call panics with that would start something too late.
var errUsed = errors.New("core: use of a group whose WithGroup has returned")

// free reports whether a newcomer may have a place. Nobody waits then: a place that gets free is
// given to those who wait in the same step. The mutex is held.
func (g *Group) free() bool { return g.over == nil && (g.limit == 0 || g.n < g.limit) }

// seat gives t a place. The mutex is held.
func (g *Group) seat(t *groupTask) {
	g.n++
	t.seated = true
}

// take takes a place for the one who waits first.
func (g *Group) take(t **groupTask) (bool, error) {
	switch {
	case !g.open: // WithGroup has returned between the call and the wait
		return true, errUsed
	case g.over != nil:
		return true, g.over.err
	case !g.free():
		return false, nil
	}
	g.seat(*t)
	return true, nil
}

// place waits for a place for t. The end of the ctx of the group ends that, too, whatever ctx is.
func (g *Group) place(ctx context.Context, t *groupTask) error {
	returned := false
	defer func() {
		if !returned { // a ctx of somebody else's has panicked, perhaps when t had its place
			t.goes()
		}
	}()
	if ctx != g.ctx {
		both, stop := either(ctx, g.ctx)
		defer stop()
		ctx = both
	}
	_, err := g.places.Wait(ctx, &g.mu, t, g.take)
	returned = true
	return err
}

// begin starts t, which has a place.
func (t *groupTask) begin(ctx context.Context) {
	started := false
	defer func() {
		if !started { // a ctx of somebody else's has panicked
			t.goes()
		}
	}()
	t.start(ctx, t)
	started = true
}

// fail ends the group with err if that is the first error, nil being none.
func (g *Group) fail(err error) {
	if err == nil {
		return
	}
	g.mu.Lock()
	called := g.called
	g.mu.Unlock()
	if called && isCanceled(err) {
		return
	}
	g.stop(&ending{context.Canceled, err}, err, panicIn(err))
}

// isCanceled reports whether err only says that its task was canceled. An error whose own methods
// panic says something else.
func isCanceled(err error) (yes bool) {
	defer func() {
		if recover() != nil {
			yes = false
		}
	}()
	return saysOnly(err, context.Canceled)
}

// stop cancels the group, if nobody has done so, and notes its first error, if any, and what has panicked. If its ctx has
// ended by itself, that is why, though a task may have seen it first, and returned it as an error.
func (g *Group) stop(e *ending, err error, panicked *PanicError) {
	if g.ctx == nil { // the zero value
		return
	}
	if before := endingOf(g.ctx); before != nil {
		e = before
	}
	g.mu.Lock()
	switch {
	case g.err == nil:
		g.err = err
	case panicked != nil && !slices.Contains(g.panics, panicked):
		g.later = append(g.later, err)
	}
	if panicked != nil {
		g.panics = append(g.panics, panicked)
	}
	if g.over != nil {
		g.mu.Unlock()
		return
	}
	g.over = e
	g.places.Settle(g.take)
	var tasks []*groupTask
	for t := g.first; t != nil; t = t.after {
		tasks = append(tasks, t)
	}
	g.mu.Unlock()
	g.cancel(e.cause)
	for _, t := range tasks { // not all have a ctx below that of the group
		t.task.end(e)
	}
}

// endingOf returns how the ctx of a group has ended, nil if it has not. It runs no code of others.
func endingOf(ctx context.Context) *ending {
	if s, ok := ctx.(*scope); ok {
		if std := s.std.Load(); std != nil {
			return std.why.Load() // which is there a moment before over
		}
		return s.over.Load()
	}
	if err := ctx.Err(); err != nil {
		return &ending{err, context.Cause(ctx)}
	}
	return nil
}

// none reports whether all tasks have ended, and closes the group if so. The mutex is held.
func (g *Group) none(*struct{}) (bool, error) {
	g.open = g.n > 0
	return !g.open, nil
}

// wait waits until all tasks have ended. An error says that this could not be waited for.
func (g *Group) wait() error {
	g.mu.Lock()
	none, _ := g.none(nil)
	over := g.over != nil
	g.mu.Unlock()
	if none {
		return nil
	}
	if !over {
		_, err := g.end.Wait(g.ctx, &g.mu, struct{}{}, g.none)
		if err == nil {
			return nil
		}
		g.stop(&ending{context.Canceled, err}, nil, nil)
	}
	_, err := g.end.Wait(context.Background(), &g.mu, struct{}{}, g.none)
	if err != nil {
		g.mu.Lock()
		g.open = false
		g.mu.Unlock()
	}
	return err
}

// groupTask is a task of a group.
type groupTask struct {
	task
	group *Group
	fn    func(ctx context.Context) error
	err   error

	// Guarded by the mutex of the group.
	seated        bool // it has a place, until it goes
	begun         bool
	after, before *groupTask // Group.first
}

func (t *groupTask) exec(ctx context.Context) {
	g := t.group
	g.mu.Lock()
	t.begun = true
	if t.after = g.first; t.after != nil {
		t.after.before = t
	}
	g.first = t
	over := g.over
	g.mu.Unlock()
	if over != nil {
		t.task.end(over)
	}
	t.err = t.fn(ctx)
}

func (t *groupTask) done() { t.fail(t.err) }

func (t *groupTask) fail(err error) {
	t.fn, t.err = nil, nil
	t.group.fail(err)
	t.goes()
}

func (t *groupTask) place() string { return placeOf(t.fn) }

// goes gives up the place of t.
func (t *groupTask) goes() {
	g := t.group
	g.mu.Lock()
	defer g.mu.Unlock()
	if !t.seated {
		return
	}
	t.seated = false
	if t.begun {
		if t.before == nil {
			g.first = t.after
		} else {
			t.before.after = t.after
		}
		if t.after != nil {
			t.after.before = t.before
		}
		t.after, t.before = nil, nil // whoever keeps the ctx of t must not keep others
	}
	g.n--
	g.places.Settle(g.take)
	g.end.Settle(g.none)
}
