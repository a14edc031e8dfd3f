//go:build unix && !linux

package dispatch_test

func callbacksOfProcesses() []callbackKind { return nil }
