//go:build unix

package poll

import "golang.org/x/sys/unix"

// CloseFD closes a descriptor. It has been closed even if an error is returned.
func CloseFD(fd int) error { return unix.Close(fd) }
