package transport

import "golang.org/x/sys/unix"

// inheritsOptions: a connection that is accepted has the options of the listener, so they
// are set once (Linux, tcp_create_openreq_child).
const inheritsOptions = true

var keepAlive = []option{{unix.TCP_KEEPIDLE, 15}, {unix.TCP_KEEPINTVL, 15}, {unix.TCP_KEEPCNT, 9}}

// abstractNames: a name of a Unix socket that begins with @ is that of no file.
const abstractNames = true
