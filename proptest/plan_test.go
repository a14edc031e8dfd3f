package proptest

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A plan and its text say the same.
func TestPlanText(t *testing.T) {
	list := func(t *rapid.T, label string) []disturbance {
		return new(config).list(4, 0, 9).Draw(t, label)
	}
	steps := func(t *rapid.T, label string) []int {
		return rapid.SliceOfN(rapid.IntRange(0, 1000), 0, 3).Draw(t, label)
	}
	rapid.Check(t, func(t *rapid.T) {
		p := &plan{
			deviations: list(t, "deviations"), cancels: list(t, "cancels"), panics: list(t, "panics"),
			timers: steps(t, "timers"), rushes: steps(t, "rushes"),
		}
		text := p.String()
		back, err := parsePlan(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if back.String() != text {
			t.Fatalf("%q became %q", text, back)
		}
		if got, want := size(back), size(p); got != want {
			t.Fatalf("%q: %d disturbances of %d", text, got, want)
		}
		for _, steps := range []int{0, 50, 2000} {
			cut := p.trim(steps)
			if got, want := size(cut), upTo(p, steps); got != want || upTo(cut, steps) != want {
				t.Fatalf("%q up to step %d: %q", text, steps, cut)
			}
		}
	})
}

// upTo counts what is planned for the steps up to one.
func upTo(p *plan, step int) int {
	n := 0
	for _, list := range [][]disturbance{p.deviations, p.cancels, p.panics} {
		for _, d := range list {
			if d.Step <= step {
				n++
			}
		}
	}
	for _, at := range append(slices.Clone(p.timers), p.rushes...) {
		if at <= step {
			n++
		}
	}
	return n
}

func size(p *plan) int {
	return len(p.deviations) + len(p.cancels) + len(p.panics) + len(p.timers) + len(p.rushes)
}

// What happens in a row of steps is one word, and the words that it stands for mean the same.
func TestPlanTextOfRows(t *testing.T) {
	for text, want := range map[string]string{
		"d1@3 d1@4 d1@5 d1@6":     "d1@3-6",
		"d1@3-6 d1@8":             "d1@3-6 d1@8",
		"d1@3 d1@4 d2@5":          "d1@3 d1@4 d2@5",
		"d1@3-5 d2@6-6 d2@7 d2@8": "d1@3-5 d2@6-8",
		"c0@1-3 p1@2-4":           "c0@1-3 p1@2-4",
	} {
		if p, err := parsePlan(text); err != nil || p.String() != want {
			t.Errorf("%q became %q, %v", text, p, err)
		}
	}
}

// Text of another form is refused, with the word in question.
func TestPlanTextRefused(t *testing.T) {
	for _, text := range []string{
		"d1", "d1@", "@3", "d@3", "1@3", "x1@3", "d-1@3", "d1@-3", "d1@3,c0@1", "d1@3 d", "t1@3", "r0@1", "d1@x", "d1@3@4", "d+1@3", "d01@3",
		"d99999999999999999999@1", "d1@5-4", "d1@5-", "d1@-5", "d1@1-2-3", "t@1-4", "r@1-4", "d1@0-999999999", "d1@0-x",
	} {
		if p, err := parsePlan(text); err == nil {
			t.Errorf("%q was read as %q", text, p)
		}
	}
	for _, text := range []string{"", "  ", "d1@3  c0@1\tt@2\nr@0"} {
		if _, err := parsePlan(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}
