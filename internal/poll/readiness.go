//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris || windows

package poll

import (
	"os"
	"syscall"
	"time"
)

// This file holds what the readiness backends share.

// reservedTag marks the pollers' own descriptors.
const reservedTag = ^Tag(0)

// checkRegistration is what Add and Modify refuse on every backend.
func checkRegistration(tag Tag, interest Mode, trigger Trigger) error {
	if tag == reservedTag || interest == 0 || interest&^(Read|Write) != 0 || trigger > Edge {
		return os.NewSyscallError("register", syscall.EINVAL)
	}
	return nil
}

// deadline turns a timeout of Wait into a point in time, the zero Time if
// there is none.
func deadline(timeout time.Duration) time.Time {
	if timeout < 0 {
		return time.Time{}
	}
	return time.Now().Add(timeout)
}

// over reports whether the deadline t has come.
func over(t time.Time) bool {
	return !t.IsZero() && time.Until(t) <= 0
}

// millis is the time until t for a system call that takes milliseconds as a C
// int: rounded up, so that it does not end early, and -1 for no deadline.
func millis(t time.Time) int {
	const most = 1<<31 - 1
	if t.IsZero() {
		return -1
	}
	d := max(time.Until(t), 0)
	return int(min(int64((d+time.Millisecond-1)/time.Millisecond), most))
}
