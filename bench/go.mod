module github.com/seed-1e54c410/turnstile/bench

go 1.26.0

require (
	github.com/puzpuzpuz/xsync/v4 v4.5.0
	github.com/seed-1e54c410/turnstile v0.0.0
	go.uber.org/goleak v1.3.0
	golang.org/x/sync v0.24.0
	golang.org/x/time v0.16.0
)

require golang.org/x/sys v0.49.0 // indirect

replace github.com/seed-1e54c410/turnstile => ..
