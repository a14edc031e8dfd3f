package transport

import (
	"errors"
	"net"
	"slices"
	"syscall"
)

// plan says what socket to make.
type plan struct {
	medium                        // of one family of addresses
	bound     bool                // it is bound to an address, rather than connected
	dual      bool                // an IPv6 socket is for IPv4 too
	reuseAddr bool                // SO_REUSEADDR, which listeners of TCP have anyway
	reusePort bool                // SO_REUSEPORT
	keepAlive net.KeepAliveConfig // of TCP
}

// probing returns what a KeepAlive of a Dialer or a ListenConfig says.
func probing(config net.KeepAliveConfig) net.KeepAliveConfig {
	if config == (net.KeepAliveConfig{}) {
		config.Enable = true
	}
	return config
}

// isOneOf reports whether err is one of some errors of the system.
func isOneOf(err error, list ...syscall.Errno) bool {
	e, ok := errors.AsType[syscall.Errno](err)
	return ok && slices.Contains(list, e)
}
