package linearize_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/proptest"
	"github.com/seed-1e54c410/turnstile/proptest/linearize"
)

// A register that holds a number. A write that overlaps a read may come before or after it.
func ExampleModel() {
	register := linearize.Model[int]{
		Step: func(state int, op proptest.Operation) (int, bool) {
			if op.Name == "Write" {
				return op.Args[0].(int), true
			}
			return state, op.Pending || op.Results[0] == state
		},
	}
	write := proptest.Operation{Task: "a", Name: "Write", Args: []any{7}, Begin: 1, End: 6}
	newer := proptest.Operation{Task: "b", Name: "Read", Results: []any{7}, Begin: 2, End: 3}
	older := proptest.Operation{Task: "b", Name: "Read", Results: []any{0}, Begin: 4, End: 5}
	fmt.Println(linearize.Linearizes(register, []proptest.Operation{write, newer}))
	fmt.Println(linearize.Linearizes(register, []proptest.Operation{write, older}))
	fmt.Println(linearize.Linearizes(register, []proptest.Operation{write, newer, older}))
	// Output:
	// true
	// true
	// false
}

// A counter whose Next waits between reading and writing gives the same number twice.
func ExampleCheck() {
	count := linearize.Model[int]{
		Step: func(state int, op proptest.Operation) (int, bool) {
			return state + 1, op.Pending || op.Results[0] == state+1
		},
	}
	test := func(t proptest.TB) { // in a test, t is the *testing.T
		linearize.Check(t, count, func(p *proptest.P) {
			n := 0
			for i := range 2 {
				p.Go(fmt.Sprint("w", i), func(ctx context.Context) error {
					done := p.Op(ctx, "Next")
					next := n + 1
					if err := core.Yield(ctx); err != nil {
						return err
					}
					n = next
					done(next)
					return nil
				})
			}
		})
	}
	fmt.Println(failure(test))
	// Output: proptest: not so in the end: "the history linearizes"
}

// failure returns how a test fails.
func failure(test func(t proptest.TB)) string {
	defer func(before string) { _ = os.Setenv("TURNSTILE_REPORTS", before) }(os.Getenv("TURNSTILE_REPORTS"))
	_ = os.Setenv("TURNSTILE_REPORTS", "off")
	r := check.Record("example", func(r *check.Recorder) { test(r) })
	line, _, _ := strings.Cut(r.Output(), "\n")
	_, why, _ := strings.Cut(line, " tests: ")
	return why
}

// The program in the README is the file of that name.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("readme_test.go")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "```go\n"+string(code)+"```\n") {
		t.Error("README.md does not show readme_test.go")
	}
}
