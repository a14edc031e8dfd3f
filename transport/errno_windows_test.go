package transport_test

import "golang.org/x/sys/windows"

// The errors of the system: those of package syscall that have the names of Unix are made up.
const (
	epipe      = windows.WSAESHUTDOWN // this side has been shut down
	econnreset = windows.WSAECONNRESET
	refused    = windows.WSAECONNREFUSED
	inUse      = windows.WSAEADDRINUSE
	noFamily   = windows.WSAEAFNOSUPPORT

	brokenAgain = econnreset // of a write, when it has been told of a reset before
)
