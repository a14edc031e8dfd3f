//go:build !windows

package transport_test

import "syscall"

const (
	epipe      = syscall.EPIPE
	econnreset = syscall.ECONNRESET
	refused    = syscall.ECONNREFUSED
	inUse      = syscall.EADDRINUSE
	noFamily   = syscall.EAFNOSUPPORT

	brokenAgain = syscall.EPIPE // of a write, when it has been told of a reset before
)
