package check

import (
	"context"
	"sync"
	"sync/atomic"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/internal/park"
)

// Host is a task by hand: a goroutine that counts as a coroutine while Run lasts, and that
// blocks where a task would be suspended.
type Host struct {
	ctx    context.Context
	wake   chan struct{}
	closed atomic.Pointer[error]
	nag    bool // Suspend returns for nothing every other time
	stop   func() bool

	// Panic is what Suspend panics with, as it may in a simulation; nil: it does not.
	Panic any

	armed     atomic.Int32
	suspended atomic.Int32
	suspends  atomic.Int32
	failed    atomic.Int32
}

// NewHost returns a task with this ctx.
func NewHost(ctx context.Context) *Host { return &Host{ctx: ctx, wake: make(chan struct{}, 1)} }

// Run runs fn as the task, on the calling goroutine.
func (h *Host) Run(fn func(ctx context.Context)) {
	g := park.G{Host: h}
	g.Enter()
	defer g.Leave()
	defer context.AfterFunc(h.ctx, h.Wake)()
	fn(h.ctx)
}

func (h *Host) Arm(ctx context.Context) {
	if h.armed.Add(1) != 1 {
		panic("check: armed twice")
	}
	h.stop = context.AfterFunc(ctx, h.Wake)
}

func (h *Host) Disarm() {
	if h.armed.Add(-1) != 0 {
		panic("check: disarmed twice")
	}
	h.stop()
}

func (h *Host) Suspend(any) {
	if h.Panic != nil {
		panic(h.Panic)
	}
	if n := h.suspends.Add(1); h.nag && n%2 == 1 {
		return
	}
	h.suspended.Add(1)
	<-h.wake
	h.suspended.Add(-1)
}

func (h *Host) Wake() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

func (h *Host) Err() error {
	if err := h.closed.Load(); err != nil {
		return *err
	}
	return nil
}

func (h *Host) Failed() { h.failed.Add(1) }

func (h *Host) Simulated() bool { return h.Panic != nil }

func (h *Host) Quiet() bool { return false }

func (h *Host) Context() context.Context { return h.ctx }

// Close makes Err return err, as the close of a dispatcher does, and wakes the task.
func (h *Host) Close(err error) {
	h.closed.Store(&err)
	h.Wake()
}

// Armed reports whether a ctx is armed, Suspended whether the task is suspended now;
// Suspends counts how often it was, and Refusals the waits that ended with Err.
func (h *Host) Armed() bool     { return h.armed.Load() != 0 }
func (h *Host) Suspended() bool { return h.suspended.Load() != 0 }
func (h *Host) Suspends() int   { return int(h.suspends.Load()) }
func (h *Host) Refusals() int   { return int(h.failed.Load()) }

// Hosts runs participants as tasks by hand. It can settle in a bubble only. The zero
// value is ready.
type Hosts struct {
	Nag bool // every other suspension ends for nothing
	wg  sync.WaitGroup
}

func (r *Hosts) Go(_ string, fn func(ctx context.Context)) context.CancelFunc {
	ctx, cancel := context.WithCancel(context.Background())
	h := NewHost(ctx)
	h.nag = r.Nag
	r.wg.Go(func() {
		defer cancel()
		h.Run(fn)
		if h.Armed() {
			panic("check: a ctx is still armed")
		}
	})
	return cancel
}

func (r *Hosts) Wait()   { r.wg.Wait() }
func (r *Hosts) Settle() { synctest.Wait() }
