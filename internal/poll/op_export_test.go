package poll

// SetRaw makes a what the system would: the first bytes of it, as many as there is room for.
func (a *SockAddr) SetRaw(p []byte) {
	*a = SockAddr{}
	a.n = int32(copy(a.raw[:], p))
}

// Raw returns the address in the system's form.
func (a *SockAddr) Raw() []byte { return a.raw[:a.n] }

// SockAddrRoom is the size of the largest address.
const SockAddrRoom = sockAddrRoom
