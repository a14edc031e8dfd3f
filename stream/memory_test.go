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
	n := check.Mass(check.Many(12_000, 1_000_000))
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

// A stream with a limit holds no more than that however many values go through it: ten million of 256 bytes
// each, 2.5 GB in all, from a source that is faster than its reader.
func TestMemoryOfManyValues(t *testing.T) {
	const limit, most = 1000, 24 << 20
	n := check.Times(200_000, 10_000_000)
	if check.Race {
		n = 200_000
	}
	type value [256]byte
	run := func(ctx context.Context) error {
		s := stream.New[*value](limit)
		full := 0 // how often the source had to wait
		source := core.Start(ctx, func(ctx context.Context) error {
			defer s.Complete()
			for range n {
				if s.Len() == limit {
					full++
				}
				if err := s.Write(ctx, new(value)); err != nil {
					return err
				}
			}
			return nil
		})
		values, samples := 0, 0
		var alloc, inuse, live uint64 // the highest that were seen
		err := stream.ForEach(ctx, s, func(_ context.Context, v *value) error {
			for i := range v { // which takes longer than to make one
				v[i] += v[0] ^ byte(i)
			}
			if values++; values%(n/100) > 0 {
				return nil
			}
			samples++
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			alloc, inuse = max(alloc, m.HeapAlloc), max(inuse, m.HeapInuse)
			if samples%10 == 0 {
				runtime.GC()
				runtime.ReadMemStats(&m)
				live = max(live, m.HeapAlloc)
			}
			return nil
		})
		if err == nil {
			err = source.Wait(ctx)
		}
		t.Logf("%d values, of which %d found the stream full: HeapAlloc up to %d KiB, %d KiB behind a GC, HeapInuse up to %d KiB",
			values, full, alloc>>10, live>>10, inuse>>10)
		if values != n || alloc > most || inuse > most || live > most/4 {
			t.Errorf("%d values, HeapAlloc %d, %d behind a GC, HeapInuse %d", values, alloc, live, inuse)
		}
		if full < n/limit/20 {
			t.Errorf("the source had to wait %d times: the reader is not slower", full)
		}
		return err
	}
	if err := run(context.Background()); err != nil {
		t.Error(err)
	}
	if err := core.Run(context.Background(), run); err != nil {
		t.Error(err)
	}
}
