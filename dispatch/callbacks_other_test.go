//go:build !unix

package dispatch_test

func callbacksOfSystem() []callbackKind { return nil }
