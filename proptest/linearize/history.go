package linearize

import (
	"github.com/anishathalye/porcupine"

	"github.com/seed-1e54c410/turnstile/proptest"
)

// explains reports whether the model allows the history.
func (m *Model[S]) explains(history []proptest.Operation) bool {
	var g guard
	model := m.porcupine(&g)
	for _, part := range m.parts(operations(history)) {
		ok := porcupine.CheckOperations(model, part)
		g.release()
		if !ok {
			return false
		}
	}
	return true
}

// parts groups operations by what they concern, in order of first appearance.
func (m *Model[S]) parts(all []porcupine.Operation) (parts [][]porcupine.Operation) {
	if m.Partition == nil {
		return [][]porcupine.Operation{all}
	}
	at := map[string]int{}
	for _, op := range all {
		key := m.Partition(op.Input.(proptest.Operation))
		i, ok := at[key]
		if !ok {
			i = len(parts)
			at[key] = i
			parts = append(parts, nil)
		}
		parts[i] = append(parts[i], op)
	}
	return parts
}

// operations translates a history.
func operations(history []proptest.Operation) []porcupine.Operation {
	last := 0
	for _, op := range history {
		last = max(last, op.Begin, op.End)
	}
	var lanes lanes
	all := make([]porcupine.Operation, 0, len(history))
	for _, op := range history {
		end := op.End
		if op.Pending {
			end = last + 1
		}
		all = append(all, porcupine.Operation{
			ClientId: lanes.of(op.Task, op.Begin, end), Input: op, Call: int64(op.Begin), Return: int64(end),
		})
	}
	return all
}

// lanes are the lines of the page. A task has one, or as many as it has operations at a time.
type lanes []lane

type lane struct {
	task string
	end  int
}

func (l *lanes) of(task string, begin, end int) int {
	for i := range *l {
		if at := &(*l)[i]; at.task == task && at.end < begin {
			at.end = end
			return i
		}
	}
	*l = append(*l, lane{task, end})
	return len(*l) - 1
}

// box holds a state, which may be a nil interface.
type box[S any] struct{ state S }

// porcupine translates the model, without the parts: it would check them all at the same time, and not wait for
// the others once one is done. It calls the model on goroutines of its own, where a panic would end the program; the
// guard takes it to the caller.
func (m *Model[S]) porcupine(g *guard) porcupine.Model {
	return porcupine.Model{
		Init: func() any {
			var b box[S]
			g.call(func() { b.state = m.init() })
			return b
		},
		Step: func(state, input, _ any) (ok bool, _ any) {
			var next box[S]
			g.call(func() { next.state, ok = m.step(state.(box[S]).state, input.(proptest.Operation)) })
			return ok, next
		},
		Equal: func(a, b any) (ok bool) {
			g.call(func() { ok = m.equal(a.(box[S]).state, b.(box[S]).state) })
			return ok
		},
		DescribeState: func(state any) string { return m.describe(state.(box[S]).state) },
		DescribeOperation: func(input, _ any) string {
			op := input.(proptest.Operation)
			return op.Task + ": " + op.String()
		},
	}
}
