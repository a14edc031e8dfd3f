//go:build dragonfly || freebsd || (linux && (386 || s390x || race || msan || asan))

package poll

import "golang.org/x/sys/unix"

// acceptPrepared accepts a connection that is non-blocking and not inherited.
func acceptPrepared(listener int) (int, unix.Sockaddr, error) {
	return unix.Accept4(listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
}
