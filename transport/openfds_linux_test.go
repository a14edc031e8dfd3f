package transport_test

import "os"

// openFDs returns how many descriptors the process has; 0: nobody knows.
func openFDs() int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(list)
}
