//go:build linux || freebsd || dragonfly

package transport

// sharesPort: among the sockets of one address the system shares connections and messages out (socket(7),
// SO_REUSEPORT; SO_REUSEPORT_LB on FreeBSD).
const sharesPort = true
