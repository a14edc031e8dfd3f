package gid

import "runtime"

// slow returns the id of the running goroutine, taken from the first line of
// its stack trace, "goroutine 123 [running]:". It is compiled and tested on
// every platform, and is Current where there is no stub.
func slow() uintptr {
	// "goroutine " and the 20 digits of the largest id fit. The runtime cuts the
	// trace off at the end of the buffer.
	var buf [32]byte
	id, ok := parse(buf[:runtime.Stack(buf[:], false)])
	if !ok {
		panic("gid: stack trace does not start with a goroutine id")
	}
	return id
}

// parse reads the id out of the start of a stack trace.
func parse(trace []byte) (id uintptr, ok bool) {
	const prefix = "goroutine "
	if len(trace) < len(prefix) || string(trace[:len(prefix)]) != prefix {
		return 0, false
	}
	for i, c := range trace[len(prefix):] {
		if c < '0' || c > '9' {
			return id, i > 0 && c == ' '
		}
		id = id*10 + uintptr(c-'0')
	}
	return 0, false // cut off before the end of the number
}

// Number returns the id of the running goroutine, as stack traces print it, which no other
// goroutine ever has. It costs a microsecond or two.
func Number() uintptr { return slow() }
