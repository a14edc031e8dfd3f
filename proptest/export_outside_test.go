package proptest

// SetNoted sets what is called between the note of a call from outside and its effect, until undo.
func SetNoted(fn func()) (undo func()) {
	noted = fn
	return func() { noted = nil }
}
