package transport

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/seed-1e54c410/turnstile/core"
)

// Stopping returns a ctx below ctx, with its values, deadline and end, that also ends when the server stops
// that has given ctx, or what ctx is derived from, to a handler. It is for what a handler can leave at any time, as
// waiting for the next request with [Conn.With], or for a select with its Done: a connection that is idle ends at
// once then, and one that is busy within ServeConfig.Grace. It is canceled when the handler returns, at the
// latest, and needs no cancel of its own; for the very ctx of the handler it is always the same one. Where ctx is
// not one of a handler it is returned.
func Stopping(ctx context.Context) context.Context {
	if h, ok := ctx.Value(handlingKey{}).(*handling); ok {
		return h.stopping(ctx)
	}
	return ctx
}

// handlingKey is the key of the handling among the values of a handler's ctx.
type handlingKey struct{}

// handling is the ctx above that of a handler. It has what Stopping has made for the handler, since what is
// derived from the ctx of a task lives on when that ends, below the server.
type handling struct {
	context.Context // of all handlers
	s               *server
	used            atomic.Bool // there may be something in ends

	// Guarded by mu of s.stops.
	ctx  context.Context // of the handler
	own  context.Context // Stopping of that, or nil
	ends []stoppingEnd
	most int // how many may be there before those are dropped that are over
	over bool
}

// stoppingEnd ends a ctx that Stopping has made.
type stoppingEnd struct {
	ctx context.Context
	end context.CancelFunc
}

// stops are the handlers of a server that use Stopping.
type stops struct {
	mu      sync.Mutex
	stopped bool
	users   map[*handling]struct{}
}

// Value answers for the handling.
func (h *handling) Value(key any) any {
	if key == (handlingKey{}) {
		return h
	}
	return h.Context.Value(key)
}

func (h *handling) stopping(ctx context.Context) context.Context {
	stops := &h.s.stops
	stops.mu.Lock()
	own := h.own
	same := ctx == h.ctx // a scope, if the types are the same, and so comparable
	stops.mu.Unlock()
	if same && own != nil {
		return own
	}
	below, end := core.WithCancel(ctx) // without the lock: it may ask a ctx of somebody else's
	if !h.note(below, end, same) {
		end()
	}
	return below
}

// note keeps what Stopping has made, unless it is to end at once.
func (h *handling) note(below context.Context, end context.CancelFunc, own bool) bool {
	stops := &h.s.stops
	stops.mu.Lock()
	defer stops.mu.Unlock()
	if own {
		h.own = below
	}
	if stops.stopped || h.over {
		return false
	}
	if stops.users == nil {
		stops.users = make(map[*handling]struct{})
	}
	stops.users[h] = struct{}{}
	h.used.Store(true)
	if len(h.ends) >= max(h.most, 8) {
		live := h.ends[:0]
		for _, e := range h.ends {
			if e.ctx.Err() == nil {
				live = append(live, e)
			}
		}
		clear(h.ends[len(live):])
		h.ends, h.most = live, 2*len(live)
	}
	h.ends = append(h.ends, stoppingEnd{below, end})
	return true
}

// begin notes the ctx of the handler.
func (h *handling) begin(ctx context.Context) {
	h.s.stops.mu.Lock()
	h.ctx = ctx
	h.s.stops.mu.Unlock()
}

// end comes when the handler has returned, for the last time.
func (h *handling) end() { h.drop(true) }

// pause comes when the handler has returned.
func (h *handling) pause() {
	if h.used.Load() {
		h.drop(false)
	}
}

func (h *handling) drop(over bool) {
	stops := &h.s.stops
	stops.mu.Lock()
	ends := h.ends
	h.over, h.ends, h.own = over, nil, nil
	h.used.Store(false)
	delete(stops.users, h)
	stops.mu.Unlock()
	for _, e := range ends {
		e.end()
	}
}

// begin ends all that Stopping has made: the server stops.
func (s *stops) begin() {
	s.mu.Lock()
	s.stopped = true
	var ends []stoppingEnd
	for h := range s.users {
		ends = append(ends, h.ends...)
		h.ends = nil
	}
	s.users = nil
	s.mu.Unlock()
	for _, e := range ends {
		e.end()
	}
}
