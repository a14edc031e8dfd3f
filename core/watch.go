package core

// watcher is a function that runs when something happens to a promise. The watchers of a
// promise form one list, in the order in which they came: the first one's prev is the last one.
// So a promise that nobody watches needs one word for it.
type watcher struct {
	fn         func()            // what onlookers and posters do
	told       func(cause error) // what cancelers and owners do
	next, prev *watcher
	kind       watchKind
	gone       bool // out of the list; guarded by the mutex of the promise, as the links are
	cleared    bool // by ClearCallbacks; guarded so, too
}

// watchKind says when a watcher's function runs.
type watchKind uint8

const (
	// onlooking: when the promise is finished, with no lock held.
	onlooking watchKind = iota
	// poster: when the promise is finished, with its mutex held, so that what is posted keeps
	// the order in which it came.
	poster
	// called: as poster, and ClearCallbacks takes it out.
	called
	// canceler: when a cancel is asked for, with no lock held.
	canceler
	// owner: as canceler, and the promise stays pending.
	owner
)

// look makes fn run when p is finished, on the goroutine that finishes it, with no
// lock held. It reports false, and does nothing, if p is finished already.
func (p *promise) look(w *watcher) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.Finished() {
		return false
	}
	p.link(w)
	return true
}

// forget takes back what look has done, or post. It reports false if ClearCallbacks has done that
// before.
func (p *promise) forget(w *watcher) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !w.gone {
		p.unlink(w)
	}
	return !w.cleared
}

// notify empties the list of a promise that is finished. It runs the posters, and returns the
// list of the onlookers. The mutex is held.
func (p *promise) notify() (first *watcher) {
	last := &first
	w := p.watch
	p.watch = nil
	for w != nil {
		next := w.next
		w.next, w.prev, w.gone = nil, nil, true
		switch w.kind {
		case onlooking:
			*last, last = w, &w.next
		case poster, called:
			w.fn()
		}
		w = next
	}
	return first
}

// link appends w. The mutex is held.
func (p *promise) link(w *watcher) {
	if p.watch == nil {
		p.watch, w.prev = w, w
		return
	}
	last := p.watch.prev
	last.next, w.prev, p.watch.prev = w, last, w
}

// unlink takes w out. The mutex is held.
func (p *promise) unlink(w *watcher) {
	w.gone = true
	switch {
	case w.next != nil:
		w.next.prev = w.prev
	default:
		p.watch.prev = w.prev
	}
	if p.watch == w {
		p.watch = w.next
	} else {
		w.prev.next = w.next
	}
	w.next, w.prev = nil, nil
}
