package transport

import "golang.org/x/sys/unix"

const inheritsOptions = false

var keepAlive = []option{{unix.TCP_KEEPALIVE, 15}, {unix.TCP_KEEPINTVL, 15}, {unix.TCP_KEEPCNT, 9}}
