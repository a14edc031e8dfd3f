package dispatch_test

import (
	"fmt"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

// A timer that repeats until its callback has had enough, and one that does not.
func ExampleDispatcher_AddTimer() {
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	start, n := d.Now(), 0
	_, err = d.AddTimer(time.Millisecond, false, func() (done bool) {
		n++
		early := d.Now().Sub(start) < time.Duration(n)*time.Millisecond
		fmt.Println("run", n, "early:", early)
		return n == 3
	})
	fmt.Println(err)
	_, err = d.AddTimer(time.Microsecond, true, func() (done bool) {
		fmt.Println("once")
		return false
	})
	fmt.Println(err)
	_, err = d.AddTimer(0, false, func() (done bool) { return true })
	fmt.Println(err)
	for d.Pending() > 0 {
		if _, err := d.Poll(-1); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// <nil>
	// <nil>
	// dispatch: timer duration not positive
	// once
	// run 1 early: false
	// run 2 early: false
	// run 3 early: false
}
