package transport

import (
	"context"
	"io"

	"github.com/seed-1e54c410/turnstile/internal/park"
)

// ReadFrom writes what r has until its end, and returns how much that was. io.Copy calls it. From a
// regular file, an *os.File, an *io.SectionReader or an *io.LimitedReader of one, the system sends by itself (sendfile(2), on Linux),
// as one call of Write would: in line with the others, and with nothing between. Anything
// else is read into a buffer and written piece by piece.
//
// After an error what was written is counted, and a file stands behind it. The error is that of r as
// it is, or that of the connection. Reading from a file that is not in memory waits for the disk, which
// in a task stops its loop, as any read of a file does: core.Blocking is the way around that.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) { return c.readFrom(ownCtx, r) }

func (c *Conn) readFrom(ctx context.Context, r io.Reader) (int64, error) {
	var w io.Writer = c
	if ctx != ownCtx {
		if err := ctx.Err(); err != nil { // before anything is read from r, which would be lost
			return 0, c.wrap("readfrom", park.Failed(err))
		}
		w = &view{c, ctx}
	}
	if !c.sock.messages {
		if n, handled, err := c.sendFile(ctx, r); handled {
			return n, c.wrap("readfrom", err)
		}
	}
	return io.Copy(justWriter{w}, r)
}

// justWriter hides ReadFrom from io.Copy.
type justWriter struct{ io.Writer }
