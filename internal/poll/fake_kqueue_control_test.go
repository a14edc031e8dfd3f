//go:build linux

package poll

// This file is how a test plays the world of a FakeKernel.

func (k *FakeKernel) locked(f func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f()
	k.changed()
}

func filterOf(m Mode) kfilter {
	if m == Write {
		return filterWrite
	}
	return filterRead
}

// Open makes a descriptor, or replaces one, whose knotes go.
func (k *FakeKernel) Open(fd int) *FakeFile {
	f := &FakeFile{k: k}
	k.CloseFile(fd)
	k.locked(func() { k.files[fd] = f })
	return f
}

// CloseFile closes a descriptor, which takes its knotes out of the kqueue.
func (k *FakeKernel) CloseFile(fd int) {
	k.locked(func() {
		delete(k.files, fd)
		for i := len(k.knotes) - 1; i >= 0; i-- {
			if n := k.knotes[i]; n.filter <= filterWrite && n.ident == uint64(fd) {
				k.drop(i)
			}
		}
	})
}

// Set makes a direction ready or not.
func (f *FakeFile) Set(m Mode, ready bool) { f.k.locked(func() { f.become(filterOf(m), ready) }) }

// End makes the directions in m report an EOF, with an error of a socket or 0.
func (f *FakeFile) End(m Mode, errno uint32) {
	f.k.locked(func() {
		for _, d := range []Mode{Read, Write} {
			if m&d != 0 {
				f.eof[filterOf(d)] = true
				f.activity[filterOf(d)]++
			}
		}
		f.errno = errno
	})
}

// Lacks makes EV_ADD of a direction fail with EINVAL.
func (f *FakeFile) Lacks(m Mode) { f.k.locked(func() { f.noFilter[filterOf(m)] = true }) }

// Refuse makes EV_ADD of fd fail for m, which is one direction; nil ends that.
func (k *FakeKernel) Refuse(fd int, m Mode, err error) {
	k.locked(func() { k.refuse[fakeFilter{uint64(fd), filterOf(m)}] = err })
}

// Interrupt makes the next n calls answer EINTR.
func (k *FakeKernel) Interrupt(n int) { k.locked(func() { k.eintr = n }) }

// Changes is how many calls with changes there were.
func (k *FakeKernel) Changes() (n int) {
	k.locked(func() { n = k.calls })
	return n
}

// Knotes is how many entries the kqueue has.
func (k *FakeKernel) Knotes() (n int) {
	k.locked(func() { n = len(k.knotes) })
	return n
}

// Start makes a process.
func (k *FakeKernel) Start(pid int, child bool) *FakeProcess {
	p := &FakeProcess{k: k, Child: child}
	k.locked(func() { k.procs[pid] = p })
	return p
}

// End ends a process, with a status as wait(2) tells it.
func (p *FakeProcess) End(status int) { p.k.locked(func() { p.ended, p.status = true, status }) }

// Collect is what its parent does when it has ended.
func (p *FakeProcess) Collect() { p.k.locked(func() { p.collected = true }) }

// OnCollected has f called each time between the collection of events and their return.
func (k *FakeKernel) OnCollected(f func()) { k.locked(func() { k.collected = f }) }

// OnMissing has f called each time before an AddProcess looks for a process in another way.
func (k *FakeKernel) OnMissing(f func()) { k.locked(func() { k.missed = f }) }

// OnRefused has f called each time between the refusal of a change and its return.
func (k *FakeKernel) OnRefused(f func()) { k.locked(func() { k.refused = f }) }

// Kevent is the system call on its own, so that the fake can be tested: flags and filter as in
// kevent(2), one event at most.
func (k *FakeKernel) Kevent(fd int, m Mode, flags uint32) error {
	_, err := k.kevent([]kevent{{ident: uint64(fd), filter: filterOf(m), flags: flags}}, nil, 0)
	return err
}

// Next is an event that is pending: its descriptor, or -1, and flags.
func (k *FakeKernel) Next() (fd int, flags uint32) {
	var ev [1]kevent
	if n, _ := k.kevent(nil, ev[:], 0); n == 0 {
		return -1, 0
	}
	return int(ev[0].ident), ev[0].flags
}

// Flags of kevent(2).
const (
	EvAdd, EvDelete, EvEnable, EvDisable      = evAdd, evDelete, evEnable, fakeDisable
	EvOneshot, EvClear, EvDispatch, EvEOFFlag = evOneshot, evClear, fakeDispatch, evEOF
)
