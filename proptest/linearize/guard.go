package linearize

import "sync"

// guard keeps the first panic of the functions it calls. It calls no more after one.
type guard struct {
	mu     sync.Mutex
	caught bool
	value  any
}

func (g *guard) call(fn func()) {
	if g.stopped() {
		return
	}
	defer func() {
		if v := recover(); v != nil {
			g.mu.Lock()
			defer g.mu.Unlock()
			if !g.caught {
				g.caught, g.value = true, v
			}
		}
	}()
	fn()
}

func (g *guard) stopped() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.caught
}

// release panics with what was kept.
func (g *guard) release() {
	if g.stopped() {
		panic(g.value)
	}
}
