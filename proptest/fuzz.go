package proptest

import (
	"testing"

	"pgregory.net/rapid"
)

// MakeFuzz makes a fuzz target of a property, for [testing.F.Fuzz]:
//
//	func FuzzPool(f *testing.F) {
//		f.Fuzz(proptest.MakeFuzz(poolProperty, proptest.Cancels(3)))
//	}
//
// The fuzzer's bytes take the place of rapid's random bits, so the coverage it strives for is that of the drawn
// values, the schedule and the cancels together. Input that is too short for what is drawn is skipped. A case that fails
// is reported as by [Check] but not shrunk, and stored by go test. Tests run the stored inputs again.
func MakeFuzz(prop func(p *P), opts ...Option) func(*testing.T, []byte) {
	configOf(opts) // panics at once rather than in a worker
	return func(t *testing.T, input []byte) {
		t.Helper()
		c := newCheck(t, prop, opts)
		c.fuzzed = true
		c.within(t, func() {
			t.Helper()
			rapid.MakeFuzz(c.twice)(t, input)
		})
	}
}

// twice is property for a case that is run once only: if it fails it is run again for the report.
func (c *check) twice(t *rapid.T) {
	tape, err := tapeOf(t)
	r := c.try(t)
	if r == nil {
		return
	}
	if err == nil && r.fault != nil && r.fault.kind != skipped && r.rec == nil {
		tape.rewind()
		if again := c.try(t); again != nil && again.fault != nil {
			r = again
		}
	}
	r.raise()
}
