//go:build race

package check

// checks is how many cases of a property the long tests try: fewer with the race detector, which makes each five
// to ten times as slow. It looks for what any of them shows, and the same properties are tried in full without it.
const checks = 100
