module github.com/seed-1e54c410/turnstile/proptest/linearize

go 1.26.0

require (
	github.com/anishathalye/porcupine v1.3.1
	github.com/seed-1e54c410/turnstile v0.0.0-20261122162053-2d61f2492fc5
)

require (
	go.uber.org/goleak v1.3.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	pgregory.net/rapid v1.3.0 // indirect
)

replace github.com/seed-1e54c410/turnstile => ../..
