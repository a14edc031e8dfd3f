package dispatch_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

// noDefault makes the next Default a new one, and closes it at the end of the test.
func noDefault(t *testing.T) {
	must(t, dispatch.SetDefault(nil))
	t.Cleanup(func() {
		must(t, dispatch.Default().Close())
		must(t, dispatch.SetDefault(nil))
	})
}

func TestDefault(t *testing.T) {
	noDefault(t)
	var wg sync.WaitGroup
	var got [16]*dispatch.Dispatcher
	for i := range got {
		wg.Go(func() { got[i] = dispatch.Default() })
	}
	wg.Wait()
	for _, d := range got {
		if d == nil || d != got[0] {
			t.Fatalf("Default = %p and %p", d, got[0])
		}
	}
	ran := false
	dispatch.Default().CallSoon(func() {
		ran = true
		if dispatch.Default() != got[0] {
			t.Error("another one in a callback")
		}
	})
	must(t, got[0].Drain(-1))
	if !ran {
		t.Error("the default dispatcher is of no use")
	}
}

// TestDefaultClosed: what cleans up during Close finds the dispatcher that closes, who comes later
// a new one.
func TestDefaultClosed(t *testing.T) {
	noDefault(t)
	old := dispatch.Default()
	var during *dispatch.Dispatcher
	old.CallSoon(func() { during = dispatch.Default() })
	must(t, old.Close())
	if during != old {
		t.Error("Default is another one while the old one closes")
	}
	if d := dispatch.Default(); d == old || d != dispatch.Default() {
		t.Error("Default is the closed one, or another each time")
	}
	must(t, dispatch.Default().Post(func() {}))
	must(t, dispatch.Default().Drain(-1))
}

func TestSetDefault(t *testing.T) {
	noDefault(t)
	a, b := open(t, dispatch.Config{}), open(t, dispatch.Config{})
	must(t, dispatch.SetDefault(a))
	release := a.Hold()
	for _, d := range []*dispatch.Dispatcher{b, nil} {
		if err := dispatch.SetDefault(d); err != dispatch.ErrPending || dispatch.Default() != a {
			t.Errorf("SetDefault(%p) over a busy one = %v", d, err)
		}
	}
	must(t, dispatch.SetDefault(a)) // the same
	release()
	must(t, dispatch.SetDefault(b))
	if dispatch.Default() != b {
		t.Error("Default is not what was set")
	}
	must(t, dispatch.SetDefault(nil))
	c := dispatch.Default()
	if c == a || c == b || c == nil {
		t.Errorf("Default after SetDefault(nil) = %p", c)
	}
	must(t, b.Post(func() {})) // it was not closed

	// A closed one has nothing pending, whatever it was left with.
	defer c.Hold()()
	must(t, c.Close())
	must(t, dispatch.SetDefault(b))
	must(t, b.Drain(-1))
	must(t, dispatch.SetDefault(nil))
}

// TestDefaultConcurrently sets, closes and uses it from many goroutines.
func TestDefaultConcurrently(t *testing.T) {
	noDefault(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 200 {
				d := dispatch.Default()
				switch i % 4 {
				case 0:
					if err := d.Close(); err != nil {
						t.Errorf("Close = %v", err)
					}
				case 1:
					if err := d.Post(func() {}); err != nil && err != dispatch.ErrClosed {
						t.Errorf("Post = %v", err)
					}
				case 2:
					if err := d.Drain(-1); err != nil && err != dispatch.ErrRunning && err != dispatch.ErrClosed {
						t.Errorf("Drain = %v", err)
					}
				default:
					if err := dispatch.SetDefault(nil); err != nil && err != dispatch.ErrPending {
						t.Errorf("SetDefault = %v", err)
					}
				}
			}
		})
	}
	wg.Wait()
}

func ExampleDefault() {
	dispatch.Default().CallSoon(func() { fmt.Println("on the loop of the process") })
	fmt.Println(dispatch.SetDefault(nil)) // it is not to be lost with something in it
	fmt.Println(dispatch.Default().Drain(-1))
	fmt.Println(dispatch.Default().Close())
	fmt.Println(dispatch.Default().Pending()) // a new one
	// Output:
	// dispatch: default dispatcher has work pending
	// on the loop of the process
	// <nil>
	// <nil>
	// 0
}
