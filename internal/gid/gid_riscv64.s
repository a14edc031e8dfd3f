//go:build gc && riscv64

#include "textflag.h"

// func Current() uintptr
TEXT ·Current(SB), NOSPLIT, $0-8
	MOV g, ret+0(FP)
	RET
