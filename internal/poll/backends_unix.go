//go:build darwin || dragonfly || freebsd || netbsd || openbsd || solaris

package poll

var backends = []backend{{"poll", openPoll}}

// pollRDHUP is 0 because these systems tell a half-close only as readable.
const pollRDHUP = 0
