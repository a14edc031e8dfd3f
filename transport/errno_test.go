package transport_test

import "syscall"

const (
	epipe      = syscall.EPIPE
	econnreset = syscall.ECONNRESET
	refused    = syscall.ECONNREFUSED
)
