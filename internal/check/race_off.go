//go:build !race

package check

// checks is how many cases of a property the long tests try.
const checks = 1000
