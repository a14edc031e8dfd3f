package core

import (
	"sync/atomic"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// AddCallback makes fn run on the loop of d when the future is finished, on a goroutine of its
// own if d is nil, and in neither case inside a call of this package. It is for code that has no
// task to wait in; [Future.Await] is simpler where there is one. To run it where Async would,
// pass DispatcherOf(ctx).
//
// The callbacks of one future on one dispatcher run in the order in which they were added, also
// those that are added when it is finished. They are posted, in one step with the end of the future,
// behind the tasks that await it: those go on first. Those that wait for it in [All], [Any] or [Race]
// come after the callbacks. On different dispatchers, and without
// one, there is no order between callbacks.
//
// A call of stop takes fn out and reports whether it was this call that did: then fn does not
// run, and the order of the others is as it was. It may be called from any goroutine, also
// when fn is posted but has not begun.
//
// While the future is pending the callback does not count as pending on d: it is not d that will
// finish it. So Poll may return ErrIdle, and Drain nil, with such callbacks left; a task or a
// Hold keeps them. Once posted it counts as any callback does. It runs during Close, too; on a
// dispatcher that is closed it never runs. A panic of fn leaves the call that turns d.
func (f *Future[T]) AddCallback(d *dispatch.Dispatcher, fn func(*Future[T])) (stop func() bool) {
	if fn == nil {
		panic("core: nil callback")
	}
	return f.addCallback(d, func() { fn(f) })
}

func (p *promise) addCallback(d *dispatch.Dispatcher, fn func()) (stop func() bool) {
	c := &callback{fn: fn}
	if d != nil {
		c.loop = seam.Of(d)
	}
	c.watcher.fn = c.post
	p.looked()
	p.post(&c.watcher, called)
	return func() bool {
		if c.begun.Swap(true) || !p.forget(&c.watcher) {
			return false
		}
		c.fn = nil
		return true
	}
}

// ClearCallbacks takes out the callbacks that AddCallback has added, whoever did, and returns how
// many: they do not run. Those that are posted do, since the future is finished, and of a finished future
// it takes out none. Nothing else that hears of the end is touched: those that wait, [Check],
// the functions of OnCancel. It is for the owner of the future; who has added a callback takes it out
// with stop.
func (f *promise) ClearCallbacks() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for w := f.watch; w != nil; {
		next := w.next
		if w.kind == called {
			f.unlink(w)
			w.cleared = true
			n++
		}
		w = next
	}
	return n
}

// post makes w run as a poster, or as what is called, when p is finished, or now if it is.
func (p *promise) post(w *watcher, kind watchKind) {
	w.kind = kind
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.Finished() {
		w.gone = true
		w.fn()
		return
	}
	p.link(w)
}

// callback is a function that AddCallback was given.
type callback struct {
	watcher
	loop  seam.Loop // nil: none
	fn    func()
	begun atomic.Bool // or stopped
}

// post hands c over. The mutex of the promise is held, and keeps the order.
func (c *callback) post() {
	if c.loop == nil {
		go c.RunReady()
		return
	}
	c.loop.Ready(c)
}

// RunReady comes on the loop.
func (c *callback) RunReady() {
	if c.begun.Swap(true) {
		return
	}
	fn := c.fn
	c.fn = nil
	fn()
}
