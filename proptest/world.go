package proptest

import (
	"context"

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

func newWorld(c *check, t *rapid.T) *world {
	w := &world{}
	d, err := dispatch.New(dispatch.Config{
		CloseTimeout: -1, // there is nothing to wait for
		Unhandled:    func(err error) { w.run.unhandled(err) },
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
			if w.outside.here() {
				w.outside.note()
				return context.AfterFunc(ctx, wake)
			}
			return w.run.watchContext(ctx, timer, wake)
		},
		Until:   func(cond func() bool, wake func()) func() bool { return w.run.watchUntil(cond, wake) },
		Foreign: w.outside.note,
		Real:    func() { w.run.fail(&failure{kind: realClock, where: callSite()}) },
		Held:    func(task context.Context, obj any, n int64) { w.run.held(task, obj, n) },
	}
	if c.recording {
		w.sim.Begin = func(r seam.Runnable) { w.run.rec.began(w.run, r) }
		w.sim.Started = func(task, _ context.Context, piece any) {
			if !w.outside.here() {
				w.run.rec.started(w.run, task, piece)
			}
		}
		w.sim.Parked = func(task context.Context, reason any) { w.run.rec.parked(w.run, task, reason) }
		w.sim.Ended = func(task context.Context) { w.run.rec.ended(w.run, task) }
	}
	if c.recording {
		w.sim.Resumed = func(task context.Context) { w.run.rec.resumed(w.run, task) }
	}
	if c.panics > 0 || c.replay != nil {
		w.sim.Err = func(task context.Context) error { return w.run.sentence(task) }
		w.sim.Failed = func(task context.Context) { w.run.execute(task) }
	}
	if c.bubble {
		w.inBubble()
	}
	w.loop.Simulate(&w.sim)
	return w
}

// close ends the dispatcher.
func (w *world) close() {
	_ = w.d.Close() // what was left was reported with its case
}
