package transport

import "context"

// StoppingKept returns how many results of Stopping the handler of ctx has to end.
func StoppingKept(ctx context.Context) int {
	h := ctx.Value(handlingKey{}).(*handling)
	h.s.stops.mu.Lock()
	defer h.s.stops.mu.Unlock()
	return len(h.ends)
}
