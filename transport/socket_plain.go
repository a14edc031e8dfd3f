//go:build openbsd || solaris

package transport

const inheritsOptions = false

// keepAlive is empty: the times are those of the whole system here.
var keepAlive []option

// abstractNames: a name of a Unix socket that begins with @ is that of no file.
const abstractNames = false
