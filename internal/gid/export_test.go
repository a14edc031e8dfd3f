package gid

var (
	Slow  = slow
	Parse = parse
)
