package dispatch

import (
	"bytes"
	"log"
	"maps"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-1e54c410/turnstile/internal/gid"
)

// SlowCallback is what Config.OnSlow is told of a callback, or a step of a task, that holds the
// loop.
type SlowCallback struct {
	// Dispatcher is the one whose loop is held.
	Dispatcher *Dispatcher
	// Running is how long it has held the loop by now, at least.
	Running time.Duration
	// Stack is the stack trace of the goroutine that holds the loop, as the runtime prints it:
	// that of the loop itself, of the task that runs there, or of the body of an iter.Pull that
	// this drives. It is nil if the callback has ended in the last moment.
	Stack []byte
}

// watchdog looks now and then whether the loop is still in the same callback. It has no goroutine,
// but a timer that is armed only while callbacks run.
type watchdog struct {
	d     *Dispatcher
	limit time.Duration
	every time.Duration // between two looks
	tell  func(SlowCallback)
	// stacks is allStacks.
	stacks func() []byte

	last  uint64        // the step that began last; loop only
	step  atomic.Uint64 // the one that runs; 0: none
	armed atomic.Bool   // a look will come; written under mu

	mu     sync.Mutex // a leaf
	turned *turning   // nil: nobody turns the loop
	// coroutines are the goroutines, by their ids, that run tasks of this loop.
	coroutines map[uintptr]struct{}
}

// turning is one stay of a goroutine in Poll, Drain, Run or Close. The timer belongs to it: it must
// not pass from one synctest bubble to another. Guarded by watchdog.mu.
type turning struct {
	goroutine uintptr // by its id
	timer     *time.Timer
	seen      uint64    // the step that ran at the last look
	since     time.Time // it has been seen
	telling   bool
	told      sync.Cond // telling is false
}

// shortest is the shortest time between two looks: timers are no finer on every system.
const shortest = time.Millisecond

func newWatchdog(d *Dispatcher, cfg Config) *watchdog {
	w := &watchdog{
		d: d, limit: cfg.SlowCallback, every: max(cfg.SlowCallback/4, shortest), tell: cfg.OnSlow,
		stacks: allStacks, coroutines: map[uintptr]struct{}{},
	}
	if w.tell == nil {
		w.tell = func(s SlowCallback) {
			log.Printf("dispatch: a callback has held the loop for %v:\n%s", s.Running, s.Stack)
		}
	}
	return w
}

// enter makes the calling goroutine that of the loop.
func (w *watchdog) enter() {
	t := &turning{goroutine: gid.Number()}
	t.told.L = &w.mu
	w.mu.Lock()
	w.turned = t
	w.mu.Unlock()
}

// leave is the opposite of enter, and waits for a report that is under way.
func (w *watchdog) leave() {
	w.step.Store(0)
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.turned
	w.turned = nil
	w.armed.Store(false)
	if t.timer != nil {
		t.timer.Stop()
	}
	for t.telling {
		t.told.Wait()
	}
}

// join makes the calling goroutine known as a coroutine of this loop, until leave.
func (w *watchdog) join() (leave func()) {
	id := gid.Number()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.coroutines[id] = struct{}{}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.coroutines, id)
	}
}

// begin says that the loop is about to run a callback. The order of the two is that of look the
// other way round, so that one of them sees the other.
func (w *watchdog) begin() {
	w.last++
	w.step.Store(w.last)
	if !w.armed.Load() {
		w.arm()
	}
}

// end says that the loop runs no callback.
func (w *watchdog) end() { w.step.Store(0) }

// arm makes a look come.
func (w *watchdog) arm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.turned
	w.armed.Store(true)
	t.seen, t.since = w.last, time.Now()
	if t.timer == nil {
		t.timer = time.AfterFunc(w.every, func() { w.look(t) })
		return
	}
	t.timer.Reset(w.every)
}

// look comes on a goroutine of its own.
func (w *watchdog) look(t *turning) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.turned != t {
		return
	}
	if t.telling { // of the callback before
		t.timer.Reset(w.every)
		return
	}
	step := w.step.Load()
	if step == 0 {
		w.armed.Store(false)
		if step = w.step.Load(); step == 0 {
			return // the next callback arms it
		}
		w.armed.Store(true)
	}
	now := time.Now()
	switch running := now.Sub(t.since); {
	case step != t.seen:
		t.seen, t.since = step, now
	case running >= w.limit:
		w.armed.Store(false) // the next callback arms it: this one is reported once
		w.report(t, step, running)
		return
	}
	t.timer.Reset(w.every)
}

// report tells that a step is slow. The mutex is held, but not while it does.
func (w *watchdog) report(t *turning, step uint64, running time.Duration) {
	coroutines := maps.Clone(w.coroutines)
	t.telling = true
	w.mu.Unlock()
	defer func() { // also if the function panics
		w.mu.Lock()
		t.telling = false
		t.told.Broadcast()
	}()
	stack := stackOf(w.stacks(), t.goroutine, coroutines)
	if w.step.Load() != step {
		stack = nil
	}
	w.tell(SlowCallback{w.d, running, stack})
}

// runWatched runs the first n callbacks of the FIFO, as turn does.
func (d *Dispatcher) runWatched(n int) {
	w := d.slow
	defer w.end() // also if one panics
	for range n {
		r := d.ready[d.next]
		d.ready[d.next] = nil
		d.next++
		d.since++
		w.begin()
		r.RunReady()
	}
}

// askWatched is done, of runUntil, which begins the main function of a core.Run.
func (d *Dispatcher) askWatched(done func() bool) bool {
	if w := d.slow; w != nil {
		w.begin()
		defer w.end()
	}
	return done()
}

// maxStacks bounds the memory for the stacks of all goroutines.
const maxStacks = 64 << 20

// allStacks returns the stack traces of all goroutines.
func allStacks() []byte {
	for buf := make([]byte, 64<<10); ; buf = make([]byte, 2*len(buf)) {
		if n := runtime.Stack(buf, true); n < len(buf) || len(buf) >= maxStacks {
			return buf[:n]
		}
	}
}

// stackOf picks the trace of the goroutine that holds a loop. The loop's own goroutine does in a
// callback. It is in the state "coroutine" while a task runs, and so is that of the task while it
// drives an iter.Pull: what runs then is a coroutine in another state, of this loop, or made by
// one that is. If there is none, an iter.Pull was made elsewhere: then all are returned that it may
// be, behind the trace of the loop.
func stackOf(dump []byte, loop uintptr, coroutines map[uintptr]struct{}) []byte {
	type trace struct {
		text      []byte
		id, maker uintptr
		suspended bool
		pulled    bool // it is the body of an iter.Pull
	}
	var traces []trace
	for text := range bytes.SplitSeq(dump, []byte("\n\n")) {
		t := trace{text: text}
		head, _, _ := bytes.Cut(text, []byte("\n"))
		head, state, ok := bytes.Cut(head, []byte(" ["))
		if !ok {
			continue
		}
		t.id = number(bytes.TrimPrefix(head, []byte("goroutine ")))
		t.suspended = bytes.HasPrefix(state, []byte("coroutine"))
		if i := bytes.LastIndex(text, []byte("\ncreated by ")); i >= 0 {
			by, _, _ := bytes.Cut(text[i+len("\ncreated by "):], []byte("\n"))
			by, maker, _ := bytes.Cut(by, []byte(" in goroutine "))
			t.pulled = bytes.HasPrefix(by, []byte("iter.Pull"))
			t.maker = number(maker)
		}
		traces = append(traces, t)
	}
	ours := maps.Clone(coroutines)
	ours[loop] = struct{}{}
	for grown := true; grown; {
		grown = false
		for _, t := range traces {
			_, known := ours[t.id]
			if _, made := ours[t.maker]; t.pulled && made && !known {
				ours[t.id] = struct{}{}
				grown = true
			}
		}
	}
	var own, others []byte
	for _, t := range traces {
		_, known := ours[t.id]
		switch {
		case known && !t.suspended:
			return t.text
		case t.id == loop:
			own = t.text
		case t.pulled && !t.suspended:
			others = append(append(others, "\n\n"...), t.text...)
		}
	}
	return append(own[:len(own):len(own)], others...)
}

// number reads a decimal number, 0 for what is none.
func number(text []byte) uintptr {
	n, err := strconv.ParseUint(string(text), 10, strconv.IntSize)
	if err != nil {
		return 0
	}
	return uintptr(n)
}
