package poll

// opSys is what the poller keeps in an operation: nothing, since none is handed to it.
type opSys struct{}
