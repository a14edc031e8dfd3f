package stream

// needStream panics if s is nil, in the call that was given it: later, in a run, nobody could tell whose it was.
func needStream[T any](call string, s Stream[T]) {
	f, ok := s.(*FutureStream[T])
	if s == nil || ok && f == nil {
		panic("stream: " + call + " of a nil stream")
	}
}

// need panics if the call was not given something else that it cannot do without.
func need(call, what string, given bool) {
	if !given {
		panic("stream: " + call + " with a nil " + what)
	}
}
