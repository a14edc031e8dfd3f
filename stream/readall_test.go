package stream_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/stream"
)

// ReadAll takes many values at once, and lets in as many writers as there is room for, in
// their order.
func TestReadAllLetsWritersIn(t *testing.T) {
	for _, buffer := range []int{1, 2, 3, stream.Rendezvous} {
		synctest.Test(t, func(t *testing.T) {
			s := stream.New[int](buffer)
			var c calls
			for v := range 7 {
				c.write(t.Context(), s, v)
			}
			full := s.Stats()
			c.ended()
			canceled, cancel := context.WithCancel(t.Context())
			c.write(canceled, s, 100)
			cancel()
			equal(t, c.ended(), "write100 context canceled")
			var got []int
			var err error
			c.start("all", func() (int, error) {
				got, err = stream.ReadAll(t.Context(), s)
				return len(got), err
			})
			if st := s.Stats(); st != (stream.Stats{Readers: 1}) {
				t.Errorf("buffer %d: first %+v, then %+v", buffer, full, st)
			}
			if ended := c.ended(); len(ended) != full.Writers {
				t.Errorf("buffer %d: %v", buffer, ended)
			}
			write(t, s, 7).Fail(errBoom)
			equal(t, c.ended(), "all boom")
			if equal(t, got, 0, 1, 2, 3, 4, 5, 6, 7); err != errBoom {
				t.Error(err)
			}
		})
	}
}

// Between two waits the stream is as after so many calls of Read: nobody who comes later overtakes
// a writer who waits.
func TestReadAllKeepsRoomForWriters(t *testing.T) {
	for buffer, want := range map[int]stream.Stats{
		2:                 {Len: 2, Writers: 3},
		8:                 {},
		stream.Rendezvous: {Writers: 7},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := stream.New[int](buffer)
			var c calls
			for v := range 7 {
				c.write(t.Context(), s, v)
			}
			equal(t, stream.TakeBuffered(s), slices.Collect(numbers(min(max(buffer, 0), 7)))...)
			synctest.Wait()
			if st := s.Stats(); st != want {
				t.Errorf("buffer %d: %+v", buffer, st)
			}
			s.Complete()
			got, err := stream.ReadAll(t.Context(), s)
			if len(got) != want.Len || err != nil {
				t.Errorf("buffer %d: %v, %v left", buffer, got, err)
			}
		})
	}
}

// More than is taken at once, and few allocations for them.
func TestReadAllOfMany(t *testing.T) {
	const n = 10_000
	for _, failed := range []bool{false, true} {
		var want error
		var ready []*stream.FutureStream[int]
		for range 2 { // AllocsPerRun runs once more
			s := stream.New[int](0)
			for v := range n {
				write(t, s, v)
			}
			if failed {
				want = errBoom
				s.Fail(want)
			} else {
				s.Complete()
			}
			ready = append(ready, s)
		}
		allocs := testing.AllocsPerRun(1, func() {
			s := ready[0]
			ready = ready[1:]
			if got, err := stream.ReadAll(t.Context(), s); !slices.Equal(got, slices.Collect(numbers(n))) || err != want || !s.Finished() {
				t.Errorf("%d values, %v", len(got), err)
			}
		})
		if allocs > 60 {
			t.Errorf("%v allocations", allocs)
		}
	}
}

// Those who read all at the same time share the values out, and none of them overtakes a
// reader who waits.
func TestReadAllShares(t *testing.T) {
	const writers, each = 4, 2000
	for _, buffer := range []int{0, 3, stream.Rendezvous} {
		s := stream.New[int](buffer)
		var mu sync.Mutex
		var got []int
		reader := func(ctx context.Context) error {
			mine, err := stream.ReadAll(ctx, s)
			last := map[int]int{}
			for _, v := range mine {
				if before, ok := last[v/each]; ok && before >= v {
					t.Errorf("%d came after %d", v, before)
				}
				last[v/each] = v
			}
			mu.Lock()
			defer mu.Unlock()
			got = append(got, mine...)
			return err
		}
		err := core.Run(context.Background(), func(ctx context.Context) error {
			return core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
				g.Go(ctx, reader)
				var beside sync.WaitGroup
				beside.Go(func() {
					if err := reader(context.Background()); err != nil {
						t.Error(err)
					}
				})
				err := core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
					for w := range writers {
						g.Go(ctx, func(ctx context.Context) error {
							for k := range each {
								if err := s.Write(ctx, w*each+k); err != nil {
									return err
								}
								if n := s.Len(); buffer > 0 && n > buffer {
									t.Errorf("%d values in a buffer of %d", n, buffer)
								}
							}
							return nil
						})
					}
					return nil
				})
				s.Complete()
				_, werr := core.Blocking(ctx, func(context.Context) (int, error) { beside.Wait(); return 0, nil })
				if err == nil {
					err = werr
				}
				return err
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		if !slices.Equal(got, slices.Collect(numbers(writers*each))) {
			t.Errorf("buffer %d: %d values of %d", buffer, len(got), writers*each)
		}
	}
}

// A ctx that ends keeps what was read, and takes no more.
func TestReadAllCancel(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		s := write(t, stream.New[int](0), 1, 2)
		limited, cancel := core.WithTimeout(ctx, ms)
		defer cancel()
		got, err := stream.ReadAll(limited, s)
		if equal(t, got, 1, 2); err != context.DeadlineExceeded {
			t.Error(err)
		}
		if st := s.Stats(); st != (stream.Stats{}) {
			t.Errorf("it leaves %+v", st)
		}
		write(t, s, 3)
		if got, err := stream.ReadAll(limited, s); got != nil || err != context.DeadlineExceeded || s.Len() != 1 {
			t.Errorf("with a done ctx: %v, %v", got, err)
		}
	})
}
