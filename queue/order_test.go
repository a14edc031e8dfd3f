package queue_test

import (
	"cmp"
	"context"
	"math/rand/v2"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/internal/check/tasks"
	"github.com/seed-1e54c410/turnstile/queue"
)

// Putters are served by arrival, whatever they put, and getters too; however many come and
// give up: golang/go#13086.
func TestBugGo13086(t *testing.T) {
	for name, q := range map[string]both{
		"fifo": queue.New[int](3), "priority": queue.NewPriority(3, cmp.Compare[int]),
	} {
		t.Run(name, func(t *testing.T) {
			var puts, gets tasks.Order
			rounds := check.Many(100, 10000)
			side, alive := 0, 100
			if err := puts.Contend(100, func(ctx context.Context, rnd *rand.Rand) error {
				side++
				put := side%2 == 0
				for range rounds {
					if rnd.IntN(3) == 0 {
						_ = core.Yield(ctx)
					}
					switch s := q.Stats(); {
					case s.Getters+s.Putters == alive-1: // everybody else waits
						if s.Getters > 0 {
							_ = q.TryPut(6)
						} else {
							_, _ = q.TryGet()
						}
					case !put:
						_ = gets.Call(ctx, q.Stats().Getters, func(ctx context.Context) (err error) {
							if rnd.IntN(3) == 0 {
								_, err = q.GetBatch(ctx, 2)
							} else {
								_, err = q.Get(ctx)
							}
							return err
						})
					default:
						_ = puts.Call(ctx, q.Stats().Putters, func(ctx context.Context) (err error) {
							switch rnd.IntN(3) {
							case 0:
								_, err = q.PutBatch(ctx, []int{1, 2})
							case 1:
								var slot *queue.Slot[int]
								if slot, err = q.Reserve(ctx); err == nil {
									err = slot.Put(3)
								}
							default:
								err = q.Put(ctx, 4)
							}
							return err
						})
						if q.Stats().Putters > 0 && q.TryPut(5) == nil {
							t.Error("TryPut overtook those who wait")
						}
					}
					puts.Turn()
					if s := q.Stats(); s.Getters > 0 && s.Len > 0 || s.Putters > 0 && s.Len+s.Reserved < 3 {
						t.Fatalf("somebody waits who need not: %+v", s)
					}
				}
				alive--
				if s := q.Stats(); s.Getters+s.Putters == alive {
					q.Shutdown()
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			for what, o := range map[string]*tasks.Order{"puts": &puts, "gets": &gets} {
				if o.Overtaken != 0 {
					t.Errorf("%s: %d overtakings", what, o.Overtaken)
				}
				if o.Waited < rounds {
					t.Errorf("%s: %d waited and %d were canceled: that shows little", what, o.Waited, o.Canceled)
				}
			}
		})
	}
}

// Items that are equal are got in the order in which they were put, by whomever, also where those who put them
// had to wait and others give up.
func TestEqualsInOrder(t *testing.T) {
	type item struct{ urgency, number int }
	q := queue.NewPriority(20, func(a, b item) int { return cmp.Compare(a.urgency, b.urgency) })
	var o tasks.Order
	rounds := check.Many(100, 10000)
	var last [2][4]int // of those who had to wait, who go on later than others who come meanwhile, and of the others
	number, got, overtaken, side, alive := 0, 0, 0, 0, 100
	check := func(ctx context.Context, waited int, v item) {
		if ctx.Err() != nil {
			return // the cancel may have woken it before the grant, and so earlier than others
		}
		got++
		if v.number < last[waited][v.urgency] {
			overtaken++
		}
		last[waited][v.urgency] = v.number
	}
	if err := o.Contend(100, func(ctx context.Context, rnd *rand.Rand) error {
		side++
		put := side%3 != 0 // so that most of the time the queue is full
		for range rounds {
			s := q.Stats()
			switch {
			case s.Getters+s.Putters == alive-1: // everybody else waits
				if s.Getters > 0 {
					number++
					_ = q.TryPut(item{rnd.IntN(4), number})
				} else if v, err := q.TryGet(); err == nil {
					check(ctx, 0, v)
				}
			case put:
				_ = o.Call(ctx, s.Putters, func(ctx context.Context) error {
					number++
					return q.Put(ctx, item{rnd.IntN(4), number})
				})
			default:
				_ = o.Call(ctx, 0, func(ctx context.Context) error {
					waits := 0
					if q.Empty() {
						waits = 1
					}
					v, err := q.Get(ctx)
					if err == nil {
						check(ctx, waits, v)
					}
					return err
				})
			}
			o.Turn()
			if rnd.IntN(3) == 0 {
				_ = core.Yield(ctx)
			}
		}
		alive--
		if s := q.Stats(); s.Getters+s.Putters == alive {
			q.Shutdown()
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if overtaken != 0 || got < 20*rounds || o.Canceled < rounds/10 {
		t.Errorf("of %d items %d were overtaken; %d calls gave up", got, overtaken, o.Canceled)
	}
	t.Logf("of %d items %d were overtaken; %d calls waited, %d gave up", got, overtaken, o.Waited, o.Canceled)
}
