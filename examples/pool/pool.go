// Package pool lends connections to the tasks of an event loop. docs/proptest.md tells how its tests
// came about; the package below it is what they began with.
package pool

import (
	"context"
	"slices"

	"github.com/seed-1e54c410/turnstile/core"
)

// Conn is a connection.
type Conn struct{ ID int }

// Pool lends connections, several at a time if need be, in the order in which they are asked for. It belongs to the
// tasks of one event loop, so it needs no mutex: between two waits of a task no other one runs.
type Pool struct {
	free []*Conn
	line []*waiter
}

type waiter struct {
	n   int
	got *core.Future[[]*Conn]
}

// New makes a pool of n connections.
func New(n int) *Pool {
	p := &Pool{}
	for id := range n {
		p.free = append(p.free, &Conn{ID: id})
	}
	return p
}

// Get lends n connections, once they are free and all who came before have theirs. If ctx ends first,
// it takes none.
func (p *Pool) Get(ctx context.Context, n int) ([]*Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w := &waiter{n: n, got: core.NewFuture[[]*Conn]()}
	p.line = append(p.line, w)
	p.serve()
	conns, err := w.got.Await(ctx)
	if err != nil {
		p.line = slices.DeleteFunc(p.line, func(other *waiter) bool { return other == w })
		p.serve() // it may have kept others waiting
	}
	return conns, err
}

// Put gives connections back.
func (p *Pool) Put(conns ...*Conn) {
	p.free = append(p.free, conns...)
	p.serve()
}

// serve gives those who wait what they want, from the first one on, while there is enough.
func (p *Pool) serve() {
	for len(p.line) > 0 && p.line[0].n <= len(p.free) {
		w := p.line[0]
		p.line = p.line[1:]
		w.got.Complete(slices.Clone(p.free[:w.n]))
		p.free = p.free[w.n:]
	}
}
