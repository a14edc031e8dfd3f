package transport_test

import (
	"errors"
	"fmt"
	"strings"

	"github.com/seed-1e54c410/turnstile/transport"
)

// Lines, exact amounts and what comes behind a limit, from any io.Reader.
func ExampleReader() {
	r := transport.NewReader(strings.NewReader("LEN 5\r\nhellorest of the stream"), 0)
	line, err := r.ReadLine("\r\n", 80)
	fmt.Printf("%q %v\n", line, err)

	body := make([]byte, 5)
	fmt.Println(r.ReadExactly(body), string(body))

	_, err = r.ReadUntil(";", 10)
	fmt.Println(err)
	rest, err := r.ReadAll(100) // the call that failed has taken nothing
	fmt.Printf("%q %v\n", rest, err)
	// Output:
	// "LEN 5" <nil>
	// <nil> hello
	// transport: limit exceeded
	// "rest of the stream" <nil>
}

// A stream that ends too early says how much there was.
func ExampleIncompleteError() {
	r := transport.NewReader(strings.NewReader("half a me"), 0)
	_, err := r.ReadUntil("\n", 100)
	var short *transport.IncompleteError
	if errors.As(err, &short) {
		fmt.Println(short.N, err)
	}
	// Output:
	// 9 transport: unexpected end of the stream after 9 bytes
}
