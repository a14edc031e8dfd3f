package transport

import (
	"bytes"
	"io"
)

// ReadUntil returns all up to and with the first sep, in at most limit bytes. ErrLimit comes as soon as it is certain
// that there is no sep within these. With an [*IncompleteError], and only then, it also returns
// what has come, which stays in the buffer. An empty sep panics.
//
// A sep is found wherever it is: one that comes in parts, and one that begins in
// the middle of what looked like another.
func (r *Reader) ReadUntil(sep string, limit int) ([]byte, error) {
	r.check()
	if sep == "" {
		panic("transport: empty separator")
	}
	most := limit - len(sep)
	if limit < 0 {
		most = -1
	} else if most < 0 {
		return nil, ErrLimit
	}
	n, err := r.find(sep, most)
	if err != nil {
		return r.part(err)
	}
	return r.take(n + len(sep)), nil
}

// ReadLine returns the next line without the separator that ends it, which it takes. The line may have at
// most limit bytes. With "\r\n" as sep the bytes \r and \n are part of a line where they
// stand alone, with "\n" so is \r. With "" a line ends with \n or \r\n; any other text is a separator too.
//
// ErrLimit comes as soon as it is certain that the line is too long. A last line that has no
// separator behind it comes with an [*IncompleteError], and stays in the buffer: who
// accepts it goes on with Consume(len(line)).
func (r *Reader) ReadLine(sep string, limit int) ([]byte, error) {
	r.check()
	if limit < 0 {
		limit = -1
	}
	if sep == "" {
		return r.anyLine(limit)
	}
	n, err := r.find(sep, limit)
	if err != nil {
		return r.part(err)
	}
	return r.take(n + len(sep))[:n:n], nil
}

// part returns what there is of something that is incomplete.
func (r *Reader) part(err error) ([]byte, error) {
	if _, ok := err.(*IncompleteError); ok {
		return r.buf[r.r:r.w:r.w], err
	}
	return nil, err
}

// find waits until sep is buffered, and returns how many bytes are before it: at most as many as most
// says, where -1 is any number.
func (r *Reader) find(sep string, most int) (int, error) {
	for seen := 0; ; {
		have := r.buf[r.r:r.w]
		// A sep may have begun in what was seen.
		from := max(0, seen-len(sep)+1)
		if i := bytes.Index(have[from:], []byte(sep)); i >= 0 {
			if i += from; most >= 0 && i > most {
				return 0, ErrLimit
			}
			return i, nil
		}
		if most >= 0 && !mayCome(have, sep, most) {
			return 0, ErrLimit
		}
		seen = len(have)
		if err := r.fill(seen + 1); err != nil {
			return 0, short(err, seen)
		}
	}
}

// mayCome reports whether a sep that is not complete yet can begin at most bytes into have, or
// before.
func mayCome(have []byte, sep string, most int) bool {
	if len(have) <= most {
		return true
	}
	for i := max(0, len(have)-len(sep)+1); i <= most; i++ {
		if string(have[i:]) == sep[:len(have)-i] {
			return true
		}
	}
	return false
}

// anyLine reads a line that ends with \n or \r\n.
func (r *Reader) anyLine(limit int) ([]byte, error) {
	for seen := 0; ; {
		have := r.buf[r.r:r.w]
		i := bytes.IndexByte(have[seen:], '\n')
		if i < 0 {
			seen = len(have)
			if limit >= 0 && seen > limit && (seen > limit+1 || have[limit] != '\r') {
				return nil, ErrLimit
			}
			if err := r.fill(seen + 1); err == io.EOF && seen > 0 {
				return r.part(&IncompleteError{N: seen})
			} else if err != nil {
				return nil, err
			}
			continue
		}
		n := seen + i
		end := n
		if n > 0 && have[n-1] == '\r' {
			end--
		}
		if limit >= 0 && end > limit {
			return nil, ErrLimit
		}
		return r.take(n + 1)[:end:end], nil
	}
}
