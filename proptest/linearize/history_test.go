package linearize_test

import (
	"context"
	"strings"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/proptest"
	"github.com/seed-1e54c410/turnstile/proptest/linearize"
)

func write(task string, begin, end, v int) proptest.Operation {
	return proptest.Operation{Task: task, Name: "Write", Args: []any{v}, Results: []any{nil}, Begin: begin, End: end}
}

func read(task string, begin, end, v int) proptest.Operation {
	return proptest.Operation{Task: task, Name: "Read", Results: []any{v, nil}, Begin: begin, End: end}
}

func pending(op proptest.Operation) proptest.Operation {
	op.Pending, op.Results, op.End = true, nil, 0
	return op
}

func TestLinearizes(t *testing.T) {
	for _, c := range []struct {
		name    string
		history []proptest.Operation
		want    bool
	}{
		{"nothing", nil, true},
		{"one after the other", []proptest.Operation{write("a", 1, 2, 7), read("b", 3, 4, 7)}, true},
		{"stale", []proptest.Operation{write("a", 1, 2, 7), read("b", 3, 4, 0)}, false},
		{"overlap, old value", []proptest.Operation{write("a", 1, 4, 7), read("b", 2, 3, 0)}, true},
		{"overlap, new value", []proptest.Operation{write("a", 1, 4, 7), read("b", 2, 3, 7)}, true},
		{"new, then old", []proptest.Operation{write("a", 1, 6, 7), read("b", 2, 3, 7), read("b", 4, 5, 0)}, false},
		{"either first", []proptest.Operation{write("a", 1, 4, 7), write("b", 2, 3, 8), read("b", 5, 6, 7)}, true},
		{"either last", []proptest.Operation{write("a", 1, 4, 7), write("b", 2, 3, 8), read("b", 5, 6, 8)}, true},
		{"neither", []proptest.Operation{write("a", 1, 4, 7), write("b", 2, 3, 8), read("b", 5, 6, 0)}, false},
		{"pending write not seen", []proptest.Operation{pending(write("a", 1, 0, 7)), read("b", 2, 3, 0)}, true},
		{"pending write seen", []proptest.Operation{pending(write("a", 1, 0, 7)), read("b", 2, 3, 7)}, true},
		{"pending write seen, then not", []proptest.Operation{pending(write("a", 1, 0, 7)), read("b", 2, 3, 7), read("b", 4, 5, 0)}, false},
		{"pending write seen before it", []proptest.Operation{read("b", 1, 2, 7), pending(write("a", 3, 0, 7))}, false},
		{"pending read", []proptest.Operation{pending(read("b", 1, 0, 0)), write("a", 2, 3, 7)}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := linearize.Linearizes(cell, c.history); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
			cell := cell
			cell.Equal = func(a, b int) bool { return a == b }
			if got := linearize.Linearizes(cell, c.history); got != c.want {
				t.Errorf("with Equal: got %v, want %v", got, c.want)
			}
		})
	}
}

func get(task string, begin, end, v int) proptest.Operation {
	return proptest.Operation{Task: task, Name: "Get", Results: []any{v, nil}, Begin: begin, End: end}
}

// A pending operation that is not possible in a state, as the model says, does not exclude what others have done.
func TestPendingThatCannot(t *testing.T) {
	put := func(v int) proptest.Operation {
		return proptest.Operation{Task: "a", Name: "Put", Args: []any{v}, Results: []any{nil}, Begin: 3, End: 4}
	}
	for _, c := range []struct {
		name    string
		history []proptest.Operation
		want    bool
	}{
		{"empty", []proptest.Operation{pending(get("b", 1, 0, 0))}, true},
		{"takes the item", []proptest.Operation{pending(get("b", 1, 0, 0)), put(1), {Task: "a", Name: "TryGet", Results: []any{0, errEmpty}, Begin: 5, End: 6}}, true},
		{"leaves the item", []proptest.Operation{pending(get("b", 1, 0, 0)), put(1), get("a", 5, 6, 1)}, true},
		{"takes one item only", []proptest.Operation{
			pending(get("b", 1, 0, 0)), put(1), put(2), {Task: "a", Name: "TryGet", Results: []any{0, errEmpty}, Begin: 5, End: 6},
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := linearize.Linearizes(line, c.history); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// A state may be a nil interface.
func TestNilState(t *testing.T) {
	model := linearize.Model[any]{Step: func(state any, op proptest.Operation) (any, bool) {
		if op.Name == "Write" {
			return op.Args[0], true
		}
		return state, op.Results[0] == state
	}}
	fresh := proptest.Operation{Task: "a", Name: "Read", Results: []any{nil}, Begin: 1, End: 2}
	if !linearize.Linearizes(model, []proptest.Operation{fresh, write("a", 3, 4, 7), read("b", 5, 6, 7)}) {
		t.Error("refused")
	}
}

// book is the model of a map with one register for each key.
var book = linearize.Model[int]{
	Init: func() int { return -1 },
	Step: func(state int, op proptest.Operation) (int, bool) {
		if op.Name == "Set" {
			return op.Args[1].(int), true
		}
		return state, op.Results[0] == state
	},
	Equal:     func(a, b int) bool { return a == b },
	Partition: func(op proptest.Operation) string { return op.Args[0].(string) },
	Describe:  func(state int) string { return strings.Repeat("*", max(state, 0)) },
}

func TestPartition(t *testing.T) {
	keys := []string{"x", "y", "z"}
	use := func(forget bool) func(p *proptest.P) {
		return func(p *proptest.P) {
			values := map[string]int{"x": -1, "y": -1, "z": -1}
			for i, task := range []string{"a", "b", "c"} {
				p.Go(task, func(ctx context.Context) error {
					for _, key := range keys {
						end := p.Op(ctx, "Get", key)
						end(values[key])
						end = p.Op(ctx, "Set", key, i)
						before := values[key]
						values[key] = i
						if forget && i == 1 && key == "y" {
							values[key] = before
						}
						end()
						if err := core.Yield(ctx); err != nil {
							return err
						}
						end = p.Op(ctx, "Get", key)
						end(values[key])
					}
					return nil
				})
			}
		}
	}
	linearize.Check(t, book, use(false))
	_, page := refuted(t, book, use(true))
	if n := strings.Count(page, `"History":`); n != len(keys) {
		t.Errorf("the page has %d parts", n)
	}
	for _, want := range []string{`"a: Set(x, 0)"`, `"b: Set(y, 1)"`, `c: Get(y) = `, `"**"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s", want)
		}
	}
}
