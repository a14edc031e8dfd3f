package laws

import (
	"time"

	"github.com/seed-1e54c410/turnstile/proptest"
)

// Option changes what a suite asks for.
type Option func(*config)

type config struct {
	bypass int
	check  []proptest.Option
	modes  []mode
	awake  bool // nothing sleeps, because the clock would not go on
}

// configOf adds what is chosen to what every suite begins with.
func configOf(t proptest.TB, sample any, opts []Option) config {
	t.Helper()
	c := config{check: []proptest.Option{proptest.Cancels(2)}, modes: []mode{patient, hurried, dead}}
	for _, o := range opts {
		o(&c)
	}
	if s, ok := sample.(limited); ok {
		s.limit(t, &c)
	}
	return c
}

// limited is what cannot be put to all laws.
type limited interface {
	// limit changes the suite to what can be asked, and says in the log what cannot.
	limit(t proptest.TB, c *config)
}

// Bypass allows k others to overtake a waiter before its turn comes. The default is 0: strict order of
// arrival. A negative k panics.
func Bypass(k int) Option {
	if k < 0 {
		panic("laws: negative Bypass")
	}
	return func(c *config) { c.bypass = k }
}

// With hands options to the [proptest.Check] of the suite, behind its own, which are
// [proptest.Cancels] of 2.
func With(opts ...proptest.Option) Option {
	return func(c *config) { c.check = append(c.check, opts...) }
}

// Goroutines puts a type to the laws on ordinary goroutines, with [proptest.Goroutines], because its calls block
// the goroutine that makes them. The schedules are up to Go then, and laws are asked as far as it is
// sure what came first: when a call had blocked before the other one was made. The types that the adapters of this
// package make ask for it by themselves.
func Goroutines() Option {
	return func(c *config) { c.check = append(c.check, proptest.Goroutines()) }
}

// tick is the unit of time in a suite. It is virtual, and passes only when nothing is ready.
const tick = time.Millisecond
