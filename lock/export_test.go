package lock

// AddReaders makes n more callers hold the lock for reading.
func (l *AsyncRWLock) AddReaders(n uint64) { l.state.Add(n * reader) }
