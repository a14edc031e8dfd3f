//go:build gc && (amd64 || arm64 || 386 || arm || riscv64 || ppc64 || ppc64le || s390x || loong64 || mips || mipsle || mips64 || mips64le)

package gid

// Current returns the number of the running goroutine: the address of its g.
// It does not allocate.
func Current() uintptr
