//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package poll

var backends = []backend{{"kqueue", openKqueue}, {"poll", openPoll}}

// pollRDHUP is 0 because these systems tell a half-close only as readable.
const pollRDHUP = 0
