package transport

import (
	"errors"
	"fmt"
	"io"
)

// ErrLimit is the error of a call of a [Reader] that may take no more bytes than it was told, and has
// not found what it looks for among them.
var ErrLimit = errors.New("transport: limit exceeded")

// IncompleteError is the error of a call of a [Reader] when the stream has ended in the middle of
// what the call waits for. It is io.ErrUnexpectedEOF.
type IncompleteError struct {
	// N is how many bytes have come that belong to it.
	N int
}

// Error implements error.
func (e *IncompleteError) Error() string {
	return fmt.Sprintf("transport: unexpected end of the stream after %d bytes", e.N)
}

// Unwrap returns io.ErrUnexpectedEOF.
func (e *IncompleteError) Unwrap() error { return io.ErrUnexpectedEOF }

// Reader reads lines, messages and exact amounts from any io.Reader through a buffer. It is made by
// [NewReader]. Beside bufio.Reader, its calls have limits in place of a fixed buffer, separators of any
// length, and can be made again after they have failed; bufio has runes.
//
// # Failure
//
// ReadExactly, ReadUntil, ReadLine, ReadOnce, ReadAll, ReadByte and Peek take what they return, or nothing: after
// an error, that of a deadline or a ctx too, all that had come is in the buffer, and the same
// call goes on where it was. Read, Consume, WriteTo and ReadMessage say how far they came or
// let the caller know otherwise. An error of the io.Reader comes back as it is, from the call that needs more
// than there is in the buffer, and then the io.Reader is asked again. So to end a call by a ctx,
// give [NewReader] a connection that does: [Conn.With].
//
// The end of the stream is io.EOF if nothing has come that belongs to what the call wants,
// else an [*IncompleteError]. Where a limit is taken, a negative one is none.
//
// # Views
//
// ReadUntil, ReadLine, ReadOnce and Peek return a part of the buffer, good until the next call,
// and allocate nothing as long as the buffer need not grow. It grows for what a call wants as a
// whole, to at most twice that, and is given back when it is empty if it has grown beyond 64 KiB.
//
// # Concurrent use
//
// A Reader is for one caller at a time, as a view would be of no use with
// others. A call of one task while another waits in one panics; among goroutines the race detector says so.
type Reader struct {
	from io.Reader
	buf  []byte
	r, w int   // what is buffered: buf[r:w]
	err  error // of from, behind that
	size int
	end  bool // the last that from said is its end
	busy bool // a call is inside from
}

const (
	defaultReaderSize = 4 << 10
	minReaderSize     = 16
	// keptSize is how large a buffer that has grown may be to be kept.
	keptSize = 64 << 10
	// emptyReads is how often from may return nothing, and no error either.
	emptyReads = 100
)

// NewReader returns a Reader of what r has. The buffer has size bytes at first, at least 16; 4096 if size is not
// positive. It is made when it is needed.
func NewReader(r io.Reader, size int) *Reader {
	if size <= 0 {
		size = defaultReaderSize
	}
	return &Reader{from: r, size: max(size, minReaderSize)}
}

// Buffered returns how many bytes can be read without asking the io.Reader.
func (r *Reader) Buffered() int { return r.w - r.r }

// AtEOF reports whether the buffer is empty and the io.Reader has said that this was all.
func (r *Reader) AtEOF() bool { return r.r == r.w && r.end }

// Read implements io.Reader. It returns what is buffered, and only if that is nothing it asks the
// io.Reader, once.
func (r *Reader) Read(p []byte) (int, error) {
	r.check()
	if len(p) == 0 {
		return 0, nil
	}
	if r.r == r.w {
		if r.err == nil && len(p) >= r.size {
			n, err := r.ask(p)
			if n > 0 {
				r.err = err
				return n, nil
			}
			return 0, err
		}
		if err := r.fill(1); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.buf[r.r:r.w])
	r.r += n
	return n, nil
}

// ReadByte implements io.ByteReader.
func (r *Reader) ReadByte() (byte, error) {
	r.check()
	if r.r == r.w {
		if err := r.fill(1); err != nil {
			return 0, err
		}
	}
	b := r.buf[r.r]
	r.r++
	return b, nil
}

// ReadOnce waits until there is something, and returns up to limit bytes of it, at least one. It returns what
// is buffered, and only if that is nothing it asks the io.Reader. At the end of the stream the error
// is io.EOF, with a limit of 0 it is ErrLimit.
func (r *Reader) ReadOnce(limit int) ([]byte, error) {
	r.check()
	if limit == 0 {
		return nil, ErrLimit
	}
	if r.r == r.w {
		if err := r.fill(1); err != nil {
			return nil, err
		}
	}
	n := r.w - r.r
	if limit > 0 {
		n = min(n, limit)
	}
	return r.take(n), nil
}

// ReadExactly fills p. After an error nothing is taken, and what is in p means nothing. The end of the stream
// is io.EOF if it comes first, and an [*IncompleteError] in the middle.
//
// What does not fit into the buffer is read into p without a detour.
func (r *Reader) ReadExactly(p []byte) error {
	r.check()
	if len(p) <= max(len(r.buf), r.size) {
		if err := r.need(len(p)); err != nil {
			return err
		}
		copy(p, r.take(len(p)))
		return nil
	}
	n := copy(p, r.buf[r.r:r.w])
	for n < len(p) {
		k, err := 0, r.err
		if r.err = nil; err == nil {
			k, err = r.ask(p[n:])
		}
		n += k
		switch {
		case n == len(p):
			r.err = err
		case err != nil:
			r.keep(p[:n])
			return short(err, n)
		}
	}
	r.r, r.w = 0, 0
	return nil
}

// Peek returns the next n bytes and does not take them. With an error it returns those that have come.
func (r *Reader) Peek(n int) ([]byte, error) {
	r.check()
	if n < 0 {
		panic("transport: negative count")
	}
	err := r.need(n)
	return r.buf[r.r : r.r+min(n, r.w-r.r)], err
}

// Consume throws away the next n bytes, and returns how many it did. At the end of the stream before that the
// error is io.EOF or an [*IncompleteError]. A negative n is all up to the end, which is no error.
func (r *Reader) Consume(n int) (int, error) {
	r.check()
	for done := 0; ; {
		k := r.w - r.r
		if n >= 0 {
			k = min(k, n-done)
		}
		r.r += k
		done += k
		if done == n {
			return done, nil
		}
		if err := r.fill(1); err != nil {
			if err == io.EOF && n < 0 {
				return done, nil
			}
			return done, short(err, done)
		}
	}
}

// ReadAll returns all up to the end of the stream, in a slice of its own. If that is more than limit bytes
// the error is ErrLimit, as soon as they have come.
func (r *Reader) ReadAll(limit int) ([]byte, error) {
	r.check()
	for {
		n := r.w - r.r
		if limit >= 0 && n > limit {
			return nil, ErrLimit
		}
		switch err := r.fill(n + 1); {
		case err == io.EOF:
			all := make([]byte, n)
			copy(all, r.take(n))
			return all, nil
		case err != nil:
			return nil, err
		}
	}
}

// WriteTo implements io.WriterTo: it writes all up to the end of the stream to w. It returns how many
// bytes w has taken; after an error the others are in the buffer.
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	r.check()
	for done := int64(0); ; {
		if r.r < r.w {
			n, err := r.hand(w)
			done += int64(n)
			if err != nil {
				return done, err
			}
		}
		if err := r.fill(1); err == io.EOF {
			return done, nil
		} else if err != nil {
			return done, err
		}
	}
}

// hand writes what is buffered.
func (r *Reader) hand(w io.Writer) (int, error) {
	r.busy = true
	defer r.idle()
	n, err := w.Write(r.buf[r.r:r.w])
	if n < 0 || n > r.w-r.r {
		panic("transport: io.Writer has returned an impossible count")
	}
	r.r += n
	if err == nil && r.r < r.w {
		err = io.ErrShortWrite
	}
	return n, err
}

// ReadMessage shows what has come to fn, again and again with what has come since, until fn is done. fn returns
// how many bytes of it are used up, and whether the message is complete; what is not used up is
// shown again, in front of what comes next. At the end of the stream fn is
// called with nothing, if nothing is left, and may be done then.
//
// The error is ErrLimit when limit bytes have come of which fn wants to use up none, and io.EOF
// or an [*IncompleteError] at the end of the stream, which counts what fn has used up too.
// After any error that remains used up, and the rest is in the buffer. fn must not
// use the Reader, and data is good until it returns.
func (r *Reader) ReadMessage(limit int, fn func(data []byte) (consumed int, done bool)) error {
	r.check()
	used := 0
	show := func() bool {
		r.busy = true
		defer r.idle()
		n, done := fn(r.buf[r.r:r.w])
		if n < 0 || n > r.w-r.r {
			panic("transport: ReadMessage: impossible count of bytes used up")
		}
		r.r += n
		used += n
		return done
	}
	for {
		before := r.r
		if r.r < r.w {
			if show() {
				return nil
			}
			if r.r > before && r.r < r.w {
				continue // it may be able to go on
			}
		}
		n := r.w - r.r
		if limit >= 0 && n >= limit {
			return ErrLimit
		}
		if err := r.fill(n + 1); err != nil {
			if err == io.EOF && n == 0 && show() {
				return nil
			}
			return short(err, used+n)
		}
	}
}

// check refuses a second caller.
func (r *Reader) check() {
	if r.busy {
		panic("transport: second call of a Reader while one waits")
	}
}

func (r *Reader) idle() { r.busy = false }

// take returns the next n bytes, which are buffered, and takes them.
func (r *Reader) take(n int) []byte {
	r.r += n
	return r.buf[r.r-n : r.r : r.r]
}

// need waits until n bytes are buffered.
func (r *Reader) need(n int) error {
	for r.w-r.r < n {
		if err := r.fill(n); err != nil {
			return short(err, r.w-r.r)
		}
	}
	return nil
}

// short returns err, or what an end means after n bytes.
func short(err error, n int) error {
	if err == io.EOF && n > 0 {
		return &IncompleteError{N: n}
	}
	return err
}

// fill waits for at least one byte more, with room for n in the buffer.
func (r *Reader) fill(n int) error {
	if err := r.err; err != nil {
		r.err = nil
		return err
	}
	r.room(n)
	k, err := r.ask(r.buf[r.w:])
	if k == 0 {
		return err
	}
	r.w += k
	r.err = err
	return nil
}

// room makes room behind what is buffered, so that there is place for n bytes in all and for one
// more than there are.
func (r *Reader) room(n int) {
	have := r.w - r.r
	n = max(n, have+1, r.size)
	switch {
	case have == 0 && len(r.buf) > max(keptSize, r.size) && n <= keptSize:
		r.buf, r.r, r.w = nil, 0, 0
	case r.w < len(r.buf) && len(r.buf)-r.r >= n:
		return
	case len(r.buf) >= n:
		copy(r.buf, r.buf[r.r:r.w])
		r.r, r.w = 0, have
		return
	}
	if n > r.size && len(r.buf) > 0 {
		n = max(n, 2*len(r.buf))
	}
	buf := make([]byte, n)
	copy(buf, r.buf[r.r:r.w])
	r.buf, r.r, r.w = buf, 0, have
}

// keep puts p, of which what is buffered is the beginning, into the buffer.
func (r *Reader) keep(p []byte) {
	if len(p) > len(r.buf) {
		r.buf = make([]byte, len(p))
	}
	r.r, r.w = 0, copy(r.buf, p)
}

// ask reads into p, at least one byte or an error.
func (r *Reader) ask(p []byte) (int, error) {
	r.busy = true
	defer r.idle()
	for range emptyReads {
		n, err := r.from.Read(p)
		if n < 0 || n > len(p) {
			panic("transport: io.Reader has returned an impossible count")
		}
		if n > 0 || err != nil {
			r.end = err == io.EOF
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}
