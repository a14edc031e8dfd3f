package transport

// sharePort is SO_REUSEPORT_LB of FreeBSD 12, socket.h. With SO_REUSEPORT the last one that listens would get
// all connections.
const sharePort = 0x00010000
