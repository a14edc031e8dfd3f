//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package poll

// sockAddrRoom is the size of the largest address, that of a Unix socket.
const sockAddrRoom = 106

// Here an address begins with its length in one byte, and the family has one.

func (a *SockAddr) family() int {
	if a.n == 0 {
		return 0
	}
	return int(a.raw[1])
}

func (a *SockAddr) setFamily(family, length int) {
	a.n = int32(length)
	a.raw[0], a.raw[1] = byte(length), byte(family)
}
