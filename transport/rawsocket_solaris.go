package transport

// reusePort is none: no constant for it is within reach.
var reusePort optionNumber
