package stream

// TakeBuffered is what ReadAll does between two waits.
func TakeBuffered[T any](s *FutureStream[T]) []T { return s.take(nil) }
