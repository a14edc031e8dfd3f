package transport

import "golang.org/x/sys/unix"

const inheritsOptions = false

var keepAlive = []option{{unix.TCP_KEEPALIVE, 15}, {unix.TCP_KEEPINTVL, 15}, {unix.TCP_KEEPCNT, 9}}

// abstractNames: a name of a Unix socket that begins with @ is that of no file.
const abstractNames = false
