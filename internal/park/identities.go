package park

import (
	"sync"
	"sync/atomic"

	"github.com/seed-1e54c410/turnstile/internal/gid"
)

const shards = 64

// table maps the identity of a goroutine to what is known of it. Looking somebody up takes no lock: each
// wake that a task makes asks it, and each wait whose ctx does not tell.
var table [shards]shard

type shard struct {
	mu  sync.Mutex // held by those who write
	now atomic.Pointer[slots]
	n   int      // slots with a G
	_   [40]byte // one shard, one cache line
}

// slots is a hash table of a power of two, probed one slot after the other. At least half of it is empty, so
// that each search ends. A slot keeps its id for good, without a G once that has left: the runtime is
// soon to give the id again.
type slots struct {
	at   []slot
	used int // slots with an id; guarded by mu of the shard
}

type slot struct {
	id atomic.Uintptr // 0: empty
	g  atomic.Pointer[G]
}

// spread makes a number of id whose low bits are worth something: the runtime allocates its goroutine descriptors
// some hundred bytes apart.
func spread(id uintptr) uintptr { return id>>6 ^ id>>12 }

func shardOf(id uintptr) *shard { return &table[spread(id)%shards] }

// find returns the slot of id, or the empty one where it would be.
func (s *slots) find(id uintptr) *slot {
	mask := uintptr(len(s.at) - 1)
	for i := spread(id) / shards; ; i++ {
		at := &s.at[i&mask]
		if is := at.id.Load(); is == id || is == 0 {
			return at
		}
	}
}

// Current returns the entry of the calling goroutine, nil for an ordinary one.
func Current() *G {
	id := gid.Current()
	s := shardOf(id).now.Load()
	if s == nil {
		return nil
	}
	at := s.find(id)
	if at.id.Load() != id {
		return nil // it was empty, and may have become that of somebody else
	}
	return at.g.Load()
}

// Enter adds g to the table for the goroutine that calls it. The caller takes
// it out again with [G.Leave], on the same goroutine and before that ends,
// since the runtime gives the identity to the next goroutine at once.
func (g *G) Enter() {
	id := gid.Current()
	g.id.Store(id)
	s := shardOf(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now.Load()
	if now == nil || 2*now.used >= len(now.at) {
		now = s.rebuild()
	}
	at := now.find(id)
	if at.g.Load() != nil {
		panic("park: goroutine entered twice")
	}
	at.g.Store(g)
	if at.id.Load() == 0 {
		at.id.Store(id)
		now.used++
	}
	s.n++
}

// rebuild makes room, and lets go of the slots that are only kept. The mutex is held.
func (s *shard) rebuild() *slots {
	size := 8
	for size < 4*s.n {
		size *= 2
	}
	next := &slots{at: make([]slot, size)}
	if now := s.now.Load(); now != nil {
		for i := range now.at {
			if g := now.at[i].g.Load(); g != nil {
				id := now.at[i].id.Load()
				at := next.find(id)
				at.g.Store(g)
				at.id.Store(id)
				next.used++
			}
		}
	}
	s.now.Store(next)
	return next
}

// Leave takes g out of the table.
func (g *G) Leave() {
	id := g.id.Swap(0) // another goroutine may have it next
	s := shardOf(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.Load().find(id).g.Store(nil)
	s.n--
}

// Entries counts the table, for tests that look for leaks.
func Entries() int {
	n := 0
	for i := range table {
		s := &table[i]
		s.mu.Lock()
		n += s.n
		s.mu.Unlock()
	}
	return n
}
