package laws

import (
	"context"
	"maps"
	"slices"

	"github.com/seed-1e54c410/turnstile/proptest"
)

// Queuer is what [Queue] needs of a queue.
type Queuer interface {
	// Put waits for room, or returns an error, and does not put, when ctx ends.
	Put(ctx context.Context, v int) error
	// Get waits for an item, or returns an error, and takes none, when ctx ends.
	Get(ctx context.Context) (int, error)
}

// Queue puts queues to these laws, each made by mk with room for limit items, which is one at least: what was put is
// got or left, and nothing is got twice, or although its put has failed; strict order of arrival, of those that put
// and of those that get, so that items come out as they were put; nobody waits to get while there is an item, nor to put
// while there is room; a wait ends with its ctx, and leaves the queue as if it had never been; a done ctx
// neither puts nor gets.
//
// The methods TryPut(v int) error, TryGet() (int, error) and Shutdown() are put to the laws too, if the type
// has them: a try does not overtake; a shutdown ends all waits and lets nobody put, and what was put
// before is got before the error.
func Queue(t proptest.TB, mk func(limit int) Queuer, opts ...Option) {
	t.Helper()
	c := configOf(t, mk(1), opts)
	proptest.Check(t, func(p *proptest.P) {
		limit := p.IntRange(1, 2, "limit")
		q := mk(limit)
		r := newItems(p, c, limit)
		r.put, r.get = q.Put, q.Get
		puts := c.modes
		gets := puts
		if q, ok := q.(interface{ TryPut(v int) error }); ok {
			r.tryPut = q.TryPut
			puts = append(slices.Clone(puts), trying)
		}
		if q, ok := q.(interface{ TryGet() (int, error) }); ok {
			r.tryGet = q.TryGet
			gets = append(slices.Clone(gets), trying)
		}
		if q, ok := q.(interface{ Len() int }); ok {
			r.length = q.Len
		}
		var shutdown func()
		when := none
		if q, ok := q.(interface{ Shutdown() }); ok && p.Bool("shutdown") {
			shutdown = q.Shutdown
			when = p.IntRange(yield, twoTicks, "pause before the shutdown")
		}
		putters := scripts(p, "putters", 1, 3, 3, 0, 0, puts...)
		getters := scripts(p, "getters", 1, 2, 3, 0, 0, gets...)
		r.judge(putters, getters, shutdown, when)
	}, c.check...)
}

func sortedKeys[V any](m map[int]V) []int { return slices.Sorted(maps.Keys(m)) }
