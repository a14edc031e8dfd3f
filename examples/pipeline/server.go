package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// The protocol: a client sends the name of a file, quoted as in Go, and a newline. The answer is
// a line "ok" with the length, followed by the file, or a line "error" with a quoted text.

// serve accepts connections until the listener is closed, each a task of its own.
func serve(ctx context.Context, l *transport.Listener, root *os.Root) error {
	for {
		conn, err := l.AcceptConn(ctx)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil && ctx.Err() == nil {
			// Too many descriptors, perhaps: the listener is as good as before.
			if err := core.Sleep(ctx, 10*time.Millisecond); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		core.Spawn(ctx, func(ctx context.Context) error {
			defer conn.Close()
			return serveConn(ctx, conn, root)
		})
	}
}

// serveConn answers one client. Nothing in it says that conn belongs to an event loop: each Read and
// Write suspends the task it runs in.
func serveConn(ctx context.Context, conn net.Conn, root *os.Root) error {
	r := bufio.NewReader(conn)
	w := bufio.NewWriterSize(conn, 64<<10)
	for {
		line, err := r.ReadString('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		name, err := strconv.Unquote(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return fmt.Errorf("request %q: %w", line, err)
		}
		// Files do block, so that is done beside the loop.
		src, err := core.Blocking(ctx, func(context.Context) ([]byte, error) { return root.ReadFile(name) })
		if err != nil {
			fmt.Fprintf(w, "error %q\n", err)
		} else {
			fmt.Fprintf(w, "ok %d\n", len(src))
			w.Write(src)
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
}

// remoteError is an error that the server has reported.
type remoteError string

func (e remoteError) Error() string { return string(e) }

// maxFile is how long a file may be, in bytes, for a client to take it.
const maxFile = 1 << 28

// client fetches files over one connection.
type client struct {
	conn net.Conn
	r    *bufio.Reader
}

func newClient(conn net.Conn) *client {
	return &client{conn: conn, r: bufio.NewReaderSize(conn, 64<<10)}
}

// fetch gets one file. After any error but a remoteError the connection is of no use.
func (c *client) fetch(name string) ([]byte, error) {
	if _, err := fmt.Fprintf(c.conn, "%q\n", name); err != nil {
		return nil, err
	}
	line, err := c.r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	status, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
	switch status {
	case "ok":
		n, err := strconv.ParseUint(rest, 10, 32)
		if err != nil || n > maxFile {
			return nil, fmt.Errorf("answer %q: no length, or too large", line)
		}
		src := make([]byte, n)
		_, err = io.ReadFull(c.r, src)
		return src, err
	case "error":
		text, err := strconv.Unquote(rest)
		if err != nil {
			return nil, fmt.Errorf("answer %q: %w", line, err)
		}
		return nil, remoteError(text)
	}
	return nil, fmt.Errorf("answer %q", line)
}
