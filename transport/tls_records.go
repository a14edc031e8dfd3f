package transport

import "encoding/binary"

// records knows where in a stream of TLS records one is, by the headers of the records: RFC 8446, section 5.1.
type records struct {
	header [recordHeader]byte
	have   int // bytes of the header
	left   int // bytes of the record behind the header, once that is complete
}

const (
	recordHeader = 5
	recordAlert  = 21
)

// span returns how many bytes of b, which come next, belong to the record that comes next. An alert behind it is
// added: crypto/tls looks for one, to tell a Read with the last bytes that they are.
func (r *records) span(b []byte) int {
	n := r.one(b)
	if rest := b[n:]; len(rest) >= recordHeader && rest[0] == recordAlert {
		var next records
		if k := next.one(rest); k == recordHeader+length(rest) {
			n += k
		}
	}
	return n
}

func (r *records) one(b []byte) int {
	if r.have == recordHeader {
		return min(r.left, len(b))
	}
	h := r.header
	n := copy(h[r.have:], b)
	if r.have+n < recordHeader {
		return n
	}
	return min(n+length(h[:]), len(b))
}

// pass notes that b is what came next.
func (r *records) pass(b []byte) {
	for len(b) > 0 {
		n := min(r.left, len(b))
		if r.have < recordHeader {
			n = copy(r.header[r.have:], b)
			if r.have += n; r.have == recordHeader {
				r.left = length(r.header[:])
			}
		} else {
			r.left -= n
		}
		b = b[n:]
		if r.have == recordHeader && r.left == 0 {
			r.have = 0
		}
	}
}

// length returns how long a record is behind its header.
func length(header []byte) int { return int(binary.BigEndian.Uint16(header[3:])) }
