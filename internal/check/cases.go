package check

import (
	"flag"
	"os"
	"strconv"
	"testing"
)

// Many is [Times] for what shows more by its number than by the race detector, which gets a twentieth.
func Many(short, long int) int {
	if Race {
		long = max(short, long/20)
	}
	return Times(short, long)
}

// Cases sets how many cases rapid checks in this test: 100, or long where [Long] is true, as for [Many], and as many
// as the flag says if that was given on the command line, or the environment variable RAPID_CHECKS. No
// fail file is written.
func Cases(t *testing.T, long int) {
	t.Helper()
	n := strconv.Itoa(Many(100, long))
	if given, ok := os.LookupEnv("RAPID_CHECKS"); ok && !Long() {
		n = given
	}
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
