package dispatch

// Unregister makes the dispatcher forget a registered descriptor, which stays open: it can be
// registered again, here or elsewhere. What the system has reported of it and has not run yet
// is dropped. Its watches run once more, with FDEvent.Err set to ErrNotRegistered, and its operations end with
// that error, so that who waits for them hears of it; a watch may unregister its own descriptor. Unregister returns
// ErrNotRegistered, or ErrMode if package transport uses fd.
//
// A descriptor that others close has to be unregistered before, since the system may give its
// number to another file at once.
func (d *Dispatcher) Unregister(fd FD) error {
	x := &d.io
	x.mu.Lock()
	defer x.mu.Unlock()
	i, ok := x.byFD[fd]
	if !ok {
		return ErrNotRegistered
	}
	if x.slots[i].foreign() {
		return ErrMode
	}
	d.drop(i, ErrNotRegistered)
	return nil
}

// Contains reports whether fd is registered, by Register or by a connection of package
// transport. On a closed dispatcher nothing is.
func (d *Dispatcher) Contains(fd FD) bool {
	d.io.mu.Lock()
	defer d.io.mu.Unlock()
	_, ok := d.io.byFD[fd]
	return ok
}
