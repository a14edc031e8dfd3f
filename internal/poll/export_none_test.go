package poll

// OpenNone opens the backend none, on systems that have a better one too.
func OpenNone(style WaitStyle) (Poller, error) { return openNone(style) }
