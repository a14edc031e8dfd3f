//go:build dragonfly || freebsd || linux

package transport

import "golang.org/x/sys/unix"

// rawSocket makes a socket.
func rawSocket(domain, typ, protocol int) (int, error) {
	return unix.Socket(domain, typ|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
}
