package check

import (
	"context"
	"sync"
	"testing/synctest"
)

// Runner says who runs the participants of a test: goroutines, or tasks.
type Runner interface {
	// Go starts a participant. The ctx of fn ends when cancel is called; fn runs
	// even if that is before its start.
	Go(name string, fn func(ctx context.Context)) (cancel context.CancelFunc)
	// Wait returns when all participants have ended.
	Wait()
}

// Stepper is a Runner whose participants can be brought to a halt.
type Stepper interface {
	Runner
	// Settle returns when every participant has ended or waits for something that
	// nobody but the caller can bring about.
	Settle()
}

// Goroutines runs participants on ordinary goroutines. It can settle in a bubble only.
// The zero value is ready.
type Goroutines struct{ wg sync.WaitGroup }

func (g *Goroutines) Go(_ string, fn func(ctx context.Context)) context.CancelFunc {
	ctx, cancel := context.WithCancel(context.Background())
	g.wg.Go(func() {
		defer cancel()
		fn(ctx)
	})
	return cancel
}

func (g *Goroutines) Wait()   { g.wg.Wait() }
func (g *Goroutines) Settle() { synctest.Wait() }

// Mixed deals its participants to several steppers in turn.
type Mixed struct {
	Of   []Stepper
	next int
}

func (m *Mixed) Go(name string, fn func(ctx context.Context)) context.CancelFunc {
	r := m.Of[m.next%len(m.Of)]
	m.next++
	return r.Go(name, fn)
}

func (m *Mixed) Wait() {
	for _, r := range m.Of {
		r.Wait()
	}
}

// Settle settles each as often as one can wake those of another.
func (m *Mixed) Settle() {
	for range len(m.Of) {
		for _, r := range m.Of {
			r.Settle()
		}
	}
}
