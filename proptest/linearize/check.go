package linearize

import "github.com/seed-1e54c410/turnstile/proptest"

// Check is proptest.Check with the claim that the history of p.Op linearizes with respect to the model. The
// claim is made when all tasks have ended, as one of Finally behind those of prop. Operations that have no end by
// then, because their task has died, are pending: each may have taken effect at any time from its
// begin on, or never.
//
// The page of the smallest case that fails is written to the folder that the environment variable TURNSTILE_REPORTS
// names, the one for temporary files if it is not set, and its path is logged. There is none if
// the variable is "off", or if the case fails for another reason.
//
// Check panics if the model has no Step, and with the value of a panic of the model's functions.
func Check[S any](t proptest.TB, model Model[S], prop func(p *proptest.P), opts ...proptest.Option) {
	t.Helper()
	model.check()
	var failed []proptest.Operation // of the last case that has failed
	defer func() {
		t.Helper()
		if failed != nil {
			report(t, model, failed)
		}
	}()
	proptest.Check(t, func(p *proptest.P) {
		prop(p)
		p.Finally("the history linearizes", func() bool {
			history := p.History()
			if model.explains(history) {
				return true
			}
			failed = history
			return false
		})
	}, opts...)
}

// Linearizes reports whether the history could be one of the model. It is for claims of one's own, and for
// histories from elsewhere; of Begin and End only the order matters.
//
// It panics as [Check] does.
func Linearizes[S any](model Model[S], history []proptest.Operation) bool {
	model.check()
	return model.explains(history)
}
