//go:build gc && (arm64 || ppc64 || ppc64le || s390x)

#include "textflag.h"

// func Current() uintptr
TEXT ·Current(SB), NOSPLIT, $0-8
	MOVD g, ret+0(FP)
	RET
