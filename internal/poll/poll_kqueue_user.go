//go:build darwin || dragonfly || freebsd

package poll

import "golang.org/x/sys/unix"

// hasUserEvents tells that this system has EVFILT_USER.
const hasUserEvents = true

var filterNumbers = [...]int{
	filterRead: unix.EVFILT_READ, filterWrite: unix.EVFILT_WRITE,
	filterProc: unix.EVFILT_PROC, filterUser: unix.EVFILT_USER,
}

var _ = [1]struct{}{noteTrigger ^ unix.NOTE_TRIGGER: {}}
