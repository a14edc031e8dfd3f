package poll

// Process is a watch of the end of a process. It never collects a child: who started it still has to wait
// for it.
type Process interface {
	// State tells how the process ended, after an event has been reported.
	State() ExitState
	// Close ends the watch. A Wait that begins afterwards does not report it.
	Close() error
}

// ExitState tells how a process ended.
type ExitState struct {
	Known  bool // the system tells: it does for children, and on Windows for others too
	Code   int  // the exit code; -1 if the process was killed by a signal or nothing is known
	Signal int  // the signal that killed it, or 0
}
