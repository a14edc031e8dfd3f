package check

import (
	"flag"
	"strconv"
	"testing"
)

// Cases sets how many cases rapid checks in this test: 100, or long where [Long] is true, and as many
// as the flag says if that was given on the command line. No fail file is written.
func Cases(t *testing.T, long int) {
	t.Helper()
	n := strconv.Itoa(Times(100, long))
	flag.Visit(func(f *flag.Flag) {
		if f.Name == "rapid.checks" && !Long() {
			n = f.Value.String()
		}
	})
	for name, value := range map[string]string{"rapid.checks": n, "rapid.nofailfile": "true"} {
		f := flag.Lookup(name)
		before := f.Value.String()
		if err := f.Value.Set(value); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Value.Set(before) })
	}
}
