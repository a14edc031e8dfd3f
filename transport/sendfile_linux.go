package transport

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"reflect"
	"syscall"

	"golang.org/x/sys/unix"
)

// sendFile sends the file r. Handled is false if it is none, or the system cannot do that: then nothing has
// been read from it.
func (c *Conn) sendFile(ctx context.Context, r io.Reader) (n int64, handled bool, err error) {
	left := int64(1<<63 - 1)
	limited, isLimited := r.(*io.LimitedReader)
	if isLimited {
		if left, r = limited.N, limited.R; left <= 0 {
			return 0, true, nil
		}
	}
	// A section is sent from where it stands: the offset of the file is of no concern to it.
	var at *int64
	section, isSection := r.(*io.SectionReader)
	if isSection {
		of, base, _ := section.Outer()
		pos, err := section.Seek(0, io.SeekCurrent)
		f, ok := of.(io.Reader)
		if err != nil || !ok {
			return 0, false, nil
		}
		if left = min(left, section.Size()-pos); left <= 0 {
			return 0, true, nil
		}
		start := base + pos
		at, r = &start, f
	}
	f, ok := r.(interface {
		fs.File
		syscall.Conn
	})
	if !ok || !ofOS(r) {
		return 0, false, nil
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return 0, false, nil
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, false, nil
	}
	// The file stays open until all is sent.
	if e := raw.Control(func(fd uintptr) { n, handled, err = c.sendFD(ctx, int(fd), at, left) }); e != nil {
		return 0, false, nil
	}
	if isSection {
		_, _ = section.Seek(n, io.SeekCurrent) // within the section
	}
	if isLimited {
		limited.N -= n
	}
	return n, handled, err
}

// ofOS reports whether r is an *os.File, also in the shape in which its WriteTo gives it to io.Copy. What embeds one has
// the same methods, but its Read may be one of its own.
func ofOS(r any) bool {
	t := reflect.TypeOf(r)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.PkgPath() == "os"
}

// sendFD sends up to left bytes of the file in, from its offset on, or from at, which it moves.
func (c *Conn) sendFD(ctx context.Context, in int, at *int64, left int64) (n int64, handled bool, err error) {
	x := newExtra()
	defer x.free()
	handled = true
	x.ask = func(out int) (bool, error) {
		for budget := int64(maxChunk); budget > 0; {
			// Not the raw system call: this one may wait for the disk.
			m, err := unix.Sendfile(out, in, at, int(min(left, budget)))
			switch {
			case m > 0:
				n += int64(m)
				left -= int64(m)
				budget -= int64(m)
				if left == 0 {
					return true, nil
				}
			case err == unix.EAGAIN:
				return false, nil
			case err == unix.EINTR:
			case err != nil || n == 0:
				// Some files can be read only, and some of these say so by an end that is none.
				if n == 0 && (err == nil || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP)) {
					handled, err = false, nil
				}
				return true, os.NewSyscallError("sendfile", err)
			default:
				return true, nil
			}
		}
		x.more = true
		return false, nil
	}
	err = c.sock.wr.call(ctx, &op{verb: asking, x: x})
	return n, handled, err
}
