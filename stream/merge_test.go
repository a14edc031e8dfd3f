package stream_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/stream"
)

func both(_ context.Context, a, b string) (string, error) {
	switch {
	case a == "x":
		return "", errBoom
	case b == "y":
		return "", stream.ErrStop
	}
	return a + b, nil
}

func TestMerge(t *testing.T) {
	lines(t, func(in ...stream.Stream[string]) stream.Stream[string] { return stream.Merge(in...) },
		line{nil, 0, "|"},
		line{one("a-b|"), 0, "a-b|"},
		line{[]string{"a--b---|", "-c-----------|", "-----d|"}, 0, "ac-b-d-------|"},
		line{[]string{"a--b---#", "-c--------------d|"}, 0, "ac-b---#"},
		line{[]string{"#", "-a"}, 0, "#"},
		line{[]string{"a", "-bc|", "--d--#"}, 4 * ms, "a---b---d---c---#"}, // the failure comes behind c, which was there before
	)
	streams := []stream.Stream[string]{playing("a|")}
	s := stream.Merge(streams...)
	streams[0] = nil // it has a list of its own
	everywhere(t, func(t *testing.T, ctx context.Context) {
		if got := watch(ctx, s, 0).String(); got != "a|" {
			t.Error(got)
		}
	})
}

// When one has failed the others end as soon as they have a value that nobody takes any more, even if
// the sink is still busy with one that came before.
func TestMergeEndsOthers(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		var drawn atomic.Int32
		var ended atomic.Bool
		other := each(stream.From(func(yield func(stream.Stream[string]) bool) {
			defer ended.Store(true)
			yield(stream.Map(playing("a--bcdef"), func(_ context.Context, v string) (string, error) {
				drawn.Add(1)
				return v, nil
			}))
		}))
		err := stream.ForEach(ctx, stream.Merge(playing("-#"), other), func(ctx context.Context, v string) error {
			if err := core.Sleep(ctx, 9*ms); err != nil {
				return err
			}
			if n := drawn.Load(); v != "a" || n != 2 || !ended.Load() {
				t.Errorf("at %s %d values are drawn, it has ended: %t", v, n, ended.Load())
			}
			return nil
		})
		if err != errBoom {
			t.Errorf("ForEach() = %v", err)
		}
	})
}

func TestZip(t *testing.T) {
	lines(t, func(in ...stream.Stream[string]) stream.Stream[string] { return stream.Zip(in[0], in[1], both) },
		line{[]string{"|", "----|"}, 0, "|"},
		line{[]string{"|", "-"}, 0, "|"},
		line{[]string{"-", "--|"}, 0, "--|"},
		line{[]string{"a-b-----|", "--c-d-|"}, 0, "--(ac)-(bd)-|"},
		line{[]string{"ab|", "c----d-------"}, 0, "(ac)----(bd|)"}, // nothing waits for a third of b
		line{[]string{"ab#", "c----d|"}, 0, "(ac)----(bd#)"},
		line{[]string{"a", "--#"}, 0, "--#"},
		line{[]string{"abc|", "ABC|"}, 3 * ms, "(aA)--(bB)--(cC)--|"},
		line{[]string{"axc|", "bbb|"}, 0, "(ab)#"},
		line{[]string{"abc", "ay"}, 0, "(aa)|"},
		line{[]string{"a--|", "b-#"}, 4 * ms, "(ab)---#"}, // that of the first that has ended
		line{[]string{"a-#", "b--|"}, 4 * ms, "(ab)---#"},
		line{[]string{"a-|", "b--#"}, 4 * ms, "(ab)---|"},
		line{[]string{"a--#", "b-|"}, 4 * ms, "(ab)---|"},
		line{[]string{"ab|", "cd#"}, 4 * ms, "(ac)---(bd)---|"}, // neither has one for the next pair: a's
		line{[]string{"ab#", "cd|"}, 4 * ms, "(ac)---(bd)---#"},
	)
}

func TestCombineLatest(t *testing.T) {
	lines(t, func(in ...stream.Stream[string]) stream.Stream[string] {
		return stream.CombineLatest(in[0], in[1], both)
	},
		line{[]string{"|", "----|"}, 0, "|"},
		line{[]string{"----|", "a"}, 0, "----|"}, // nothing can come any more
		line{[]string{"a", "----|"}, 0, "----|"},
		line{[]string{"-#", "a"}, 0, "-#"}, // an error is not such an end
		line{[]string{"a", "-#"}, 0, "-#"},
		line{[]string{"a-b-----|", "-c-d-|"}, 0, "-(ac)(bc)(bd)----|"},
		line{[]string{"a|", "-c-d-#"}, 0, "-(ac)-(ad)-#"},
		line{[]string{"a-b|", "-c|"}, 4 * ms, "-(ac)---(bc)---|"},
		line{[]string{"a-x|", "-b"}, 0, "-(ab)#"},
		line{[]string{"a----", "-b-y"}, 0, "-(ab)-|"},
	)
}

// The operators that run several streams, with what they make of a and b.
var several = map[string]func(a, b stream.Stream[string]) stream.Stream[string]{
	"Merge":         func(a, b stream.Stream[string]) stream.Stream[string] { return stream.Merge(a, b) },
	"Zip":           func(a, b stream.Stream[string]) stream.Stream[string] { return stream.Zip(a, b, both) },
	"CombineLatest": func(a, b stream.Stream[string]) stream.Stream[string] { return stream.CombineLatest(a, b, both) },
	"MapN": func(a, b stream.Stream[string]) stream.Stream[string] {
		all := stream.Merge(a, b)
		return stream.MapN(all, 3, stream.Ordered, func(_ context.Context, v string) (string, error) { return v, nil })
	},
	"MapN inside": func(a, b stream.Stream[string]) stream.Stream[string] {
		either := []stream.Stream[string]{a, b}
		return stream.MapN(stream.From(numbers(2)), 2, stream.Unordered, func(ctx context.Context, n int) (string, error) {
			return stream.ReadAllString(ctx, either[n])
		})
	},
	"Buffer": func(a, b stream.Stream[string]) stream.Stream[string] {
		return stream.Buffer(stream.Merge(a, stream.Buffer(b, 2, stream.Suspend)), 2, stream.DropOldest)
	},
	"Debounce": func(a, b stream.Stream[string]) stream.Stream[string] { return stream.Debounce(stream.Merge(a, b), ms) },
	"Timeout": func(a, b stream.Stream[string]) stream.Stream[string] {
		return stream.Timeout(stream.Merge(a, b), 24*365*time.Hour)
	},
	"Until": func(a, b stream.Stream[string]) stream.Stream[string] {
		return stream.Until(stream.Merge(a, b), core.NewFuture[int]())
	},
	"Tee": func(a, b stream.Stream[string]) stream.Stream[string] {
		s := stream.Tee(stream.Merge(a, b), 2)
		return stream.Merge(s, s)
	},
	"Share": func(a, b stream.Stream[string]) stream.Stream[string] {
		s := stream.Share(stream.Merge(a, b))
		return stream.Merge(s, s)
	},
	"Retry": func(a, b stream.Stream[string]) stream.Stream[string] {
		return stream.Retry(stream.Merge(a, b), stream.RetryPolicy{If: func(err error) bool { return err == errBoom }})
	},
}

// A panic of one leaves the sink when the other has ended and cleaned up, with its own value and
// stack.
func TestPanicOfOneOfSeveral(t *testing.T) {
	for name, op := range several {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, ctx context.Context) {
				for _, swap := range []bool{false, true} {
					ended := false
					a := stream.Map(never(&ended), func(context.Context, int) (string, error) { return "a", nil })
					b := stream.Map(playing("--p"), func(context.Context, string) (string, error) { panicsHere(); return "", nil })
					s := op(a, b)
					if swap {
						s = op(b, a)
					}
					p := caught(func() { _, _ = stream.ReadAll(ctx, s) })
					if pe, ok := p.(*core.PanicError); !ok || pe.Value != "at the source" || !strings.Contains(string(pe.Stack), "panicsHere") {
						t.Errorf("panic(%v)", p)
					}
					if !ended {
						t.Error("the other one has not ended")
					}
				}
			})
		})
	}
}

// The same with a Goexit, which is an error.
func TestGoexitOfOneOfSeveral(t *testing.T) {
	for name, op := range several {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, ctx context.Context) {
				ended := false
				a := stream.Map(never(&ended), func(context.Context, int) (string, error) { return "a", nil })
				b := stream.Map(playing("--p"), func(context.Context, string) (string, error) { runtime.Goexit(); return "", nil })
				if _, err := stream.ReadAll(ctx, op(a, b)); err != core.ErrGoexit || !ended {
					t.Errorf("ReadAll() = %v, ended %t", err, ended)
				}
			})
		})
	}
}

// holding is a stream of one value and then nothing, which counts its runs that have not ended, and
// takes its time to end.
func holding(running *atomic.Int32) stream.Stream[string] {
	lets := stream.From(func(yield func(bool) bool) {
		running.Add(1)
		defer running.Add(-1)
		_ = yield(true) && yield(false)
	})
	return stream.Map(lets, func(ctx context.Context, now bool) (string, error) {
		if now {
			return "a", nil
		}
		err := core.Sleep(ctx, time.Hour)
		return "", errors.Join(core.Sleep(core.Shield(ctx), time.Second), err)
	})
}

// However the sink ends, what has begun has ended by then.
func TestSinkEndsSeveral(t *testing.T) {
	ends := map[string]func(ctx context.Context, cancel func()) error{
		"stop":  func(context.Context, func()) error { return stream.ErrStop },
		"error": func(context.Context, func()) error { return errBoom },
		"cancel": func(ctx context.Context, cancel func()) error {
			cancel()
			return core.Sleep(ctx, time.Hour)
		},
		"panic":  func(context.Context, func()) error { panic("at the sink") },
		"Goexit": func(context.Context, func()) error { runtime.Goexit(); return nil },
	}
	for name, op := range several {
		if name == "MapN inside" {
			continue // gives nothing before the end
		}
		for end, fn := range ends {
			t.Run(name+"/"+end, func(t *testing.T) {
				everywhere(t, func(t *testing.T, ctx context.Context) {
					var running atomic.Int32
					values := 0
					task := core.Start(ctx, func(ctx context.Context) error {
						ctx, cancel := core.WithCancel(ctx)
						defer cancel()
						defer func() {
							if n := running.Load(); n != 0 {
								t.Errorf("%d sources are left", n)
							}
						}()
						return stream.ForEach(ctx, op(holding(&running), holding(&running)), func(ctx context.Context, _ string) error {
							values++
							if err := core.Sleep(ctx, 2*ms); err != nil {
								return err
							}
							if n := running.Load(); n != 2 {
								t.Errorf("%d sources run", n)
							}
							return fn(ctx, cancel)
						})
					})
					err := task.Wait(ctx)
					var pe *core.PanicError
					switch {
					case end == "stop" && err == nil, end == "error" && err == errBoom, end == "Goexit" && err == core.ErrGoexit:
					case end == "cancel" && err == context.Canceled:
					case end == "panic" && errors.As(err, &pe) && pe.Value == "at the sink":
					default:
						t.Errorf("it ends with %v", err)
					}
					if values != 1 {
						t.Errorf("%d values", values)
					}
				})
			})
		}
	}
}

// On a dispatcher that closes while the sink runs elsewhere, nobody waits for ever.
func TestDispatcherClosesUnderSeveral(t *testing.T) {
	for name, op := range several {
		t.Run(name, func(t *testing.T) {
			closing(t, func(ctx context.Context) error {
				var a, b bool
				forever := func(ended *bool) stream.Stream[string] {
					return stream.Map(never(ended), func(ctx context.Context, _ int) (string, error) { return "a", nil })
				}
				_, err := stream.ReadAll(ctx, op(forever(&a), forever(&b)))
				return err
			})
		})
	}
}
