package dispatch

// HookOps makes operations on a readiness backend call brink before one that has to wait enters the
// queue, with the lock of that queue held, and edge before the loop takes in an edge. No loop
// must run.
func HookOps(brink, edge func()) { atBrink, atEdge = brink, edge }

// MaxCalls is how many system calls one event leads to on a readiness backend.
const MaxCalls = maxCalls
