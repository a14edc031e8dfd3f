package park_test

import (
	"context"
	"sync"
	"testing"

	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/internal/park"
)

func TestMain(m *testing.M) { check.Main(m) }

func panics(fn func()) (r any) {
	defer func() { r = recover() }()
	fn()
	return nil
}

func TestOrdinaryGoroutine(t *testing.T) {
	if g := park.Current(); g != nil {
		t.Errorf("Current() = %v", g)
	}
	if h := park.Self(); h != nil {
		t.Errorf("Self() = %v", h)
	}
}

func TestEnterAndLeave(t *testing.T) {
	before := park.Entries()
	h := check.NewHost(context.Background())
	g := park.G{Host: h, Loop: 1}
	g.Enter()
	if park.Current() != &g || park.Self() != park.Host(h) || !g.Is() {
		t.Error("the entry is not found")
	}
	if n := park.Entries(); n != before+1 {
		t.Errorf("%d entries, want one more than %d", n, before)
	}
	other := make(chan bool)
	go func() { other <- park.Current() == nil && park.Self() == nil && !g.Is() }()
	if !<-other {
		t.Error("another goroutine is taken for this one")
	}
	g.Leave()
	if park.Current() != nil || park.Self() != nil || park.Entries() != before {
		t.Error("the entry is still there")
	}
}

func TestEnterTwicePanics(t *testing.T) {
	var g, second park.G
	g.Enter()
	if r := panics(second.Enter); r != "park: goroutine entered twice" {
		t.Errorf("panic %v", r)
	}
	if park.Current() != &g {
		t.Error("the second has taken the place of the first")
	}
	g.Leave()
	g.Enter()
	g.Leave()
	if n := park.Entries(); n != 0 {
		t.Errorf("%d entries", n)
	}
}

func TestSelfInCallbackPanics(t *testing.T) {
	var g park.G
	g.Enter()
	defer g.Leave()
	if r := panics(func() { park.Self() }); r != "core: wait inside a dispatcher callback" {
		t.Errorf("panic %v", r)
	}
}

// Goroutines start and end, so that the runtime gives the identity of one to the next.
func TestManyGoroutines(t *testing.T) {
	before := park.Entries()
	var wg sync.WaitGroup
	inside := sync.WaitGroup{}
	inside.Add(200)
	for range 200 {
		wg.Go(func() {
			g := park.G{Host: check.NewHost(context.Background())}
			g.Enter()
			inside.Done()
			inside.Wait()
			if park.Current() != &g || park.Self() != g.Host {
				t.Error("the entry of another")
			}
			g.Leave()
		})
	}
	wg.Wait()
	for range check.Times(5000, 500000) {
		wg.Go(func() {
			var g park.G
			if park.Current() != nil {
				t.Error("the entry of one that has ended")
			}
			g.Enter()
			if park.Current() != &g {
				t.Error("the entry of another")
			}
			g.Leave()
		})
	}
	wg.Wait()
	if n := park.Entries(); n != before {
		t.Errorf("%d entries, before there were %d", n, before)
	}
}

func BenchmarkCurrent(b *testing.B) {
	for b.Loop() {
		park.Current()
	}
}

func BenchmarkIs(b *testing.B) {
	var g park.G
	g.Enter()
	defer g.Leave()
	for b.Loop() {
		g.Is()
	}
}
