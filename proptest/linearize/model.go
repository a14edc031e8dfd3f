package linearize

import (
	"fmt"
	"reflect"

	"github.com/seed-1e54c410/turnstile/proptest"
)

// Model is the sequential type that the one under test should be like. S is its state. The functions must
// be pure: they are called often, for states of different branches of a search, on any goroutine. So Step
// copies a map or slice that it changes.
type Model[S any] struct {
	// Init gives the state at the beginning. Nil means the zero value.
	Init func() S

	// Step says whether the operation, done to this state all by itself, could have had its results, and what
	// state it leaves. One that has failed without effect, as one that was canceled should, leaves the
	// state as it was, and is possible in any.
	//
	// One that is Pending has no results: Step says what it does if it takes effect in this state. Where it
	// cannot, as getting from an empty queue, it answers false. That it may never take effect need not be
	// said.
	Step func(state S, op proptest.Operation) (next S, ok bool)

	// Equal says whether two states are the same. Nil means [reflect.DeepEqual].
	Equal func(a, b S) bool

	// Partition gives the part of the type that an operation concerns, such as its key in a map. Each part has a
	// state of its own, from Init, and is checked by itself. That is much faster: the time for a history
	// can grow exponentially with the number of operations that overlap. Nil means that there is one part.
	Partition func(op proptest.Operation) string

	// Describe writes a state for the page. Nil means fmt's %v.
	Describe func(state S) string
}

func (m *Model[S]) check() {
	if m.Step == nil {
		panic("linearize: model without Step")
	}
}

func (m *Model[S]) init() (state S) {
	if m.Init != nil {
		state = m.Init()
	}
	return state
}

// step is Step with pending operations that may never take effect. Whoever has not returned can be last, where no
// result depends on it any more; so one that cannot take effect there is one that never does.
func (m *Model[S]) step(state S, op proptest.Operation) (S, bool) {
	next, ok := m.Step(state, op)
	if op.Pending && !ok {
		return state, true
	}
	return next, ok
}

func (m *Model[S]) equal(a, b S) bool {
	if m.Equal == nil {
		return reflect.DeepEqual(a, b)
	}
	return m.Equal(a, b)
}

func (m *Model[S]) describe(state S) string {
	if m.Describe == nil {
		return fmt.Sprintf("%v", state)
	}
	return m.Describe(state)
}
