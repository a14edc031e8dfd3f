package stream_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/stream"
)

// However many values a source has, what is held while a slower sink is at work stays the same.
func TestMemoryIsBounded(t *testing.T) {
	n := check.Many(12_000, 1_000_000)
	same := func(_ context.Context, v *[256]byte) (*[256]byte, error) { return v, nil }
	type S = stream.Stream[*[256]byte]
	for name, stage := range map[string]func(s S) S{
		"Buffer":    func(s S) S { return stream.Buffer(s, 100, stream.Suspend) },
		"Drop":      func(s S) S { return stream.Buffer(s, 100, stream.DropOldest) },
		"MapN":      func(s S) S { return stream.MapN(s, 4, stream.Ordered, same) },
		"Unordered": func(s S) S { return stream.MapN(s, 4, stream.Unordered, same) },
		"Merge":     func(s S) S { return stream.Merge(s, s) },
		"Tee": func(s S) S {
			both := stream.Tee(s, 2)
			return stream.Merge(both, stream.Buffer(both, 10, stream.Suspend))
		},
		"Zip": func(s S) S {
			return stream.Zip(s, s, func(_ context.Context, a, _ *[256]byte) (*[256]byte, error) { return a, nil })
		},
		"Timeout":  func(s S) S { return stream.Timeout(s, time.Hour) },
		"Debounce": func(s S) S { return stream.Debounce(s, time.Nanosecond) },
	} {
		t.Run(name, func(t *testing.T) {
			run := func(ctx context.Context) error {
				values := 0
				var running sync.RWMutex // nothing is made while the sink looks
				first := uint64(0)
				src := stream.From(func(yield func(*[256]byte) bool) {
					for range n {
						running.RLock()
						v := new([256]byte)
						running.RUnlock()
						if !yield(v) {
							return
						}
					}
				})
				return stream.ForEach(ctx, stage(src), func(ctx context.Context, v *[256]byte) error {
					values++
					if values%(n/2) == 1 {
						var m runtime.MemStats
						running.Lock()
						runtime.GC()
						runtime.ReadMemStats(&m)
						running.Unlock()
						if first == 0 {
							first = m.HeapAlloc
						} else if m.HeapAlloc > first+(512<<10) {
							t.Errorf("%d bytes after %d values, %d at first", m.HeapAlloc, values, first)
						}
					}
					return core.Yield(ctx)
				})
			}
			if err := run(context.Background()); err != nil {
				t.Error(err)
			}
			if err := core.Run(context.Background(), run); err != nil {
				t.Error(err)
			}
		})
	}
}
