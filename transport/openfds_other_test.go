//go:build !linux

package transport_test

// openFDs returns 0: nobody knows how many there are.
func openFDs() int { return 0 }
