//go:build openbsd || solaris

package transport

const inheritsOptions = false

// keepAlive is empty: the times are those of the whole system here.
var keepAlive []option
