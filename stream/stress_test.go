package stream_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/stream"
)

// Every value that was written is read once or left, and in the order of its writer; all
// who wait end with the stream.
func TestStress(t *testing.T) {
	const scale = 1 << 20
	for _, buffer := range []int{0, 1, 3, stream.Rendezvous} {
		t.Run(fmt.Sprint("buffer=", buffer), func(t *testing.T) {
			s := stream.New[int](buffer)
			n, ops := 60, check.Times(100, 3000)
			var mu sync.Mutex
			var written, got []int
			var left atomic.Int32
			for i := range n {
				if i%8 < 4 {
					left.Add(1)
				}
			}
			wrong := func(err error, ctx context.Context) {
				if err != nil && err != ctx.Err() && err != stream.ErrEnded {
					t.Errorf("%v", err)
				}
			}
			r := &check.Mixed{Of: []check.Stepper{new(check.Goroutines), new(loops), &check.Hosts{Nag: true}, new(loops)}}
			var cancels []context.CancelFunc
			for i := range n {
				cancel := r.Go(fmt.Sprint("p", i), func(own context.Context) {
					rnd := rand.New(rand.NewPCG(uint64(i), 3))
					limited := func() (context.Context, context.CancelFunc) {
						switch rnd.IntN(4) {
						case 0:
							return core.WithTimeout(own, time.Duration(rnd.IntN(200))*time.Microsecond)
						case 1:
							ctx, cancel := context.WithCancel(own)
							go func() { runtime.Gosched(); cancel() }()
							return ctx, cancel
						}
						return own, func() {}
					}
					var mine []int
					defer func() {
						mu.Lock()
						defer mu.Unlock()
						if i%8 < 4 {
							written = append(written, mine...)
						} else {
							got = append(got, mine...)
						}
					}()
					if i%8 < 4 { // of each kind of participant there are writers and readers
						for k := range ops {
							ctx, cancel := limited()
							err := s.Write(ctx, i*scale+k)
							wrong(err, ctx)
							cancel()
							if err == nil {
								mine = append(mine, i*scale+k)
							}
						}
						if left.Add(-1) == 0 {
							s.Complete()
						}
						return
					}
					last := make(map[int]int)
					for own.Err() == nil {
						ctx, cancel := limited()
						v, err := s.Read(ctx)
						if err == io.EOF {
							cancel()
							return
						}
						wrong(err, ctx)
						cancel()
						if err != nil {
							continue
						}
						if k, ok := last[v/scale]; ok && k >= v%scale {
							t.Errorf("value %d of writer %d came after %d", v%scale, v/scale, k)
						}
						last[v/scale] = v % scale
						mine = append(mine, v)
					}
				})
				if i%5 == 4 {
					cancels = append(cancels, cancel)
				}
			}
			for _, cancel := range cancels {
				runtime.Gosched()
				cancel()
			}
			r.Wait()
			rest, err := stream.ReadAll(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			all := slices.Concat(got, rest)
			slices.Sort(all)
			slices.Sort(written)
			if !slices.Equal(all, written) {
				t.Errorf("%d values written, %d read and %d left: not the same", len(written), len(got), len(rest))
			}
		})
	}
}
