//go:build !(darwin || dragonfly || freebsd || netbsd || openbsd)

package poll

import "encoding/binary"

// sockAddrRoom is the size of the largest address, that of a Unix socket.
const sockAddrRoom = 110

// Here an address begins with its family in two bytes.

func (a *SockAddr) family() int {
	if a.n == 0 {
		return 0
	}
	return int(binary.NativeEndian.Uint16(a.raw[:]))
}

func (a *SockAddr) setFamily(family, length int) {
	a.n = int32(length)
	binary.NativeEndian.PutUint16(a.raw[:], uint16(family))
}
