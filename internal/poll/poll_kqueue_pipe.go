//go:build netbsd || openbsd

package poll

import "golang.org/x/sys/unix"

// hasUserEvents tells that this system has no EVFILT_USER that can be relied on: NetBSD got it in
// version 10, and golang.org/x/sys does not know it on either.
const hasUserEvents = false

var filterNumbers = [...]int{
	filterRead: unix.EVFILT_READ, filterWrite: unix.EVFILT_WRITE, filterProc: unix.EVFILT_PROC,
}
