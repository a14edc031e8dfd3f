// A task that waits in a callback from C.
package main

/*
extern void called(void);

static void call(void) { called(); }
*/
import "C"

import (
	"context"
	"fmt"

	"github.com/seed-1e54c410/turnstile/core"
)

var wait func()

//export called
func called() { wait() }

func main() {
	err := core.Run(context.Background(), func(ctx context.Context) error {
		wait = func() { fmt.Println("in C:", core.Yield(ctx)) }
		C.call()
		return nil
	})
	fmt.Println("it went on:", err)
}
