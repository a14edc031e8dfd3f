package core_test

// firstStack is the size in bytes of the stack that a goroutine begins with. On Windows the system
// needs 4 KiB of it, since exceptions have no stack of their own there, and sizes are powers of 2.
const firstStack = 8 << 10
