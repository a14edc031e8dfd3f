package dispatch

import "sync"

// byDefault is the dispatcher of the process.
var byDefault struct {
	// mu comes before the locks of any Dispatcher.
	mu sync.Mutex
	d  *Dispatcher
}

// Default returns the dispatcher of the process, which the first call makes with the zero
// Config. One that is closed is replaced by a new one at the next call, once its Close has done
// its work: until then what it cleans up with finds it here. Nobody turns it unasked.
//
// Libraries had better take a *Dispatcher from their caller: two of them that each
// turn the default one meet ErrRunning.
func Default() *Dispatcher {
	byDefault.mu.Lock()
	defer byDefault.mu.Unlock()
	if byDefault.d == nil || byDefault.d.over() {
		d, err := New(Config{})
		if err != nil {
			panic(err) // New refuses names of backends alone
		}
		byDefault.d = d
	}
	return byDefault.d
}

// SetDefault makes d what Default returns; if d is nil, the next Default makes a new
// one. It returns ErrPending, and changes nothing, if the default dispatcher is another one, is not
// closed, and has something pending at that moment. It does not close that one: who
// used it does.
func SetDefault(d *Dispatcher) error {
	byDefault.mu.Lock()
	defer byDefault.mu.Unlock()
	if old := byDefault.d; old != nil && old != d && !old.over() && old.Pending() > 0 {
		return ErrPending
	}
	byDefault.d = d
	return nil
}

// over reports whether Close has done its work.
func (d *Dispatcher) over() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state == closed
}
