// Command table looks for every bug of package broken, with several seeds, and prints what it takes to find it:
//
//	go run ./internal/broken/table -seeds 20
//
// It fails if a bug is not found on every seed by the promise that it breaks, or comes back too large.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/seed-1e54c410/turnstile/internal/broken"
)

func main() {
	testing.Init() // rapid asks for -short
	seeds := flag.Int("seeds", 20, "how often to look for each bug")
	only := flag.String("bug", "", "look only for bugs with this number or name")
	flag.Parse()
	fmt.Printf("| bug | variant | source issue | found by | cases until found (median, max) | steps (max) | perturbations (max) | seeds |\n")
	fmt.Printf("|---|---|---|---|---|---|---|---|\n")
	bad := 0
	for _, b := range broken.Bugs() {
		if *only == "" || *only == b.Number || *only == b.Name {
			bad += row(b, *seeds)
		}
	}
	if bad > 0 {
		fmt.Printf("\n%d searches did not come to what they should\n", bad)
		os.Exit(1)
	}
}

// row prints what becomes of one bug, and returns how many searches for it have gone wrong.
func row(b broken.Bug, seeds int) (bad int) {
	var cases []int
	steps, perturbations, found := 0, 0, 0
	laws := map[string]int{}
	by := regexp.MustCompile(b.By)
	for i := range seeds {
		f := b.Search(broken.Seed(i))
		if !f.Found {
			bad++
			continue
		}
		found++
		cases = append(cases, f.Cases)
		steps = max(steps, f.Steps)
		perturbations = max(perturbations, f.Perturbations)
		laws[f.Law()]++
		if !by.MatchString(f.Text) || f.Small() != nil {
			bad++
		}
	}
	slices.Sort(cases)
	median, most := "-", "-"
	if len(cases) > 0 {
		median, most = fmt.Sprint(cases[len(cases)/2]), fmt.Sprint(cases[len(cases)-1])
	}
	fmt.Printf("| %s | %s | %s | %s | %s, %s | %d | %d | %d of %d |\n",
		b.Number, b.Name, b.Source, names(laws), median, most, steps, perturbations, found, seeds)
	return bad
}

// names lists what the searches have named, the most frequent first.
func names(laws map[string]int) string {
	var all []string
	for name := range laws {
		all = append(all, name)
	}
	slices.SortFunc(all, func(a, b string) int {
		return cmp.Or(cmp.Compare(laws[b], laws[a]), cmp.Compare(a, b))
	})
	return strings.Join(all, "; ")
}
