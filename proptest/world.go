package proptest

import (
	"context"
	"sync"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// world is a simulated dispatcher. It serves one case after the other, for as long as they leave it clean.
type world struct {
	d       *dispatch.Dispatcher
	loop    seam.Loop
	sim     seam.Sim
	run     *run // the present case
	outside outside
}

// outside is what other goroutines have done to the loop.
type outside struct {
	mu   sync.Mutex
	site *site // of the first such call
}

func newWorld(c *check, t *rapid.T) *world {
	w := &world{}
	d, err := dispatch.New(dispatch.Config{
		CloseTimeout: -1, // there is nothing to wait for
		Unhandled:    func(err error) { w.run.fail(&failure{kind: unhandled, err: err}) },
	})
	if err != nil {
		t.Fatalf("proptest: %v", err)
	}
	w.d, w.loop = d, seam.Of(d)
	w.sim = seam.Sim{
		Choose: func(ready []seam.Runnable) int { return w.run.choose(ready) },
		Step:   func() bool { return w.run.stepped() },
		Epoch:  epoch,
		Now:    func() int64 { return w.run.now },
		Sleep:  func(next int64, armed bool) bool { return w.run.sleep(next, armed) },
		Panic:  func(task context.Context, value any) { w.run.panicked(task, value) },
		Context: func(ctx context.Context, timer bool, wake func()) func() bool {
			return w.run.watchContext(ctx, timer, wake)
		},
		Until:   func(cond func() bool, wake func()) func() bool { return w.run.watchUntil(cond, wake) },
		Foreign: w.outside.note,
		Held:    func(task context.Context, obj any, n int64) { w.run.held(task, obj, n) },
	}
	if c.recording {
		w.sim.Begin = func(r seam.Runnable) { w.run.rec.began(w.run, r) }
		w.sim.Started = func(task, parent context.Context) { w.run.rec.started(w.run, task, parent) }
		w.sim.Parked = func(task context.Context, reason any) { w.run.rec.parked(w.run, task, reason) }
		w.sim.Ended = func(task context.Context) { w.run.rec.ended(w.run, task) }
	}
	if c.recording || c.panics > 0 || c.replay != nil {
		w.sim.Resumed = func(task context.Context) { w.run.resumed(task) }
	}
	w.loop.Simulate(&w.sim)
	return w
}

// close ends the dispatcher.
func (w *world) close() {
	_ = w.d.Close() // what was left was reported with its case
}

// note hears of a call that comes from a goroutine which is not simulated.
func (o *outside) note() {
	s := callSite()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.site == nil {
		o.site = s
	}
}

// take returns where such a call came from, nil if there was none.
func (o *outside) take() *site {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.site
	o.site = nil
	return s
}
