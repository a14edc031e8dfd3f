package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/stream"
)

// streamer is what the law of a stream needs.
type streamer interface {
	Write(ctx context.Context, v int) error
	Read(ctx context.Context) (int, error)
	Complete() bool
	Fail(err error) bool
	Finished() bool
	Failed() bool
	Len() int
}

// trier is what only the real one has.
type trier interface {
	TryWrite(v int) error
	TryRead() (int, error)
}

var errBoom = errors.New("boom")

// law is the law of streams. The size 3 stands for no buffer.
func law[T streamer](state func(T) string) check.Law[T] {
	// The end is rare, or there is no life before it.
	nows := slices.Concat(slices.Repeat([]string{"len"}, 8), []string{"finished", "failed", "complete", "fail"})
	if _, ok := any(*new(T)).(trier); ok {
		nows = slices.Concat(slices.Repeat([]string{"trywrite", "tryread"}, 4), nows)
	}
	return check.Law[T]{
		Calls: []string{"write", "read"},
		Nows:  nows,
		Model: func(size int) check.Model { return &model{buffer: bufferOf(size)} },
		System: func(s T) check.System {
			sys := check.System{
				Call: func(ctx context.Context, op check.Op) string {
					if op.Name == "write" {
						return result(0, s.Write(ctx, op.ID))
					}
					return result(s.Read(ctx))
				},
				Now: func(op check.Op) string {
					switch op.Name {
					case "trywrite":
						return result(0, any(s).(trier).TryWrite(op.ID))
					case "tryread":
						return result(any(s).(trier).TryRead())
					case "complete":
						return fmt.Sprint(s.Complete())
					case "fail":
						return fmt.Sprint(s.Fail(errBoom))
					case "finished":
						return fmt.Sprint(s.Finished())
					case "failed":
						return fmt.Sprint(s.Failed())
					}
					return fmt.Sprint(s.Len())
				},
			}
			if state != nil {
				sys.State = func() string { return state(s) }
			}
			return sys
		},
	}
}

func bufferOf(size int) int {
	if size == 3 {
		return stream.Rendezvous
	}
	return size
}

func result(v int, err error) string {
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(v)
}

type model struct {
	check.Ends
	buffer           int
	items            []int
	readers, writers []int // ids
	end              string
}

func (m *model) Clone() check.Model {
	c := *m
	c.items, c.readers, c.writers = slices.Clone(m.items), slices.Clone(m.readers), slices.Clone(m.writers)
	return &c
}

func (m *model) Call(op check.Op) {
	switch {
	case op.Name == "write" && m.end != "":
		m.End(op.ID, "stream: write after the end")
	case op.Name == "write":
		m.writers = append(m.writers, op.ID)
	case m.end != "" && len(m.items) == 0:
		m.End(op.ID, m.end)
	default:
		m.readers = append(m.readers, op.ID)
	}
	m.match()
}

// match moves values for as long as any can move.
func (m *model) match() {
	for {
		switch {
		case len(m.readers) > 0 && len(m.items) > 0:
			m.End(m.readers[0], fmt.Sprint(m.items[0]))
			m.readers, m.items = m.readers[1:], m.items[1:]
		case len(m.writers) > 0 && (m.buffer == 0 || len(m.items) < m.buffer):
			m.items = append(m.items, m.writers[0])
			m.End(m.writers[0], "0")
			m.writers = m.writers[1:]
		case len(m.readers) > 0 && len(m.writers) > 0:
			m.End(m.readers[0], fmt.Sprint(m.writers[0]))
			m.End(m.writers[0], "0")
			m.readers, m.writers = m.readers[1:], m.writers[1:]
		default:
			return
		}
	}
}

func (m *model) Cancel(id int) {
	if !slices.Contains(m.readers, id) && !slices.Contains(m.writers, id) {
		return
	}
	is := func(o int) bool { return o == id }
	m.readers, m.writers = slices.DeleteFunc(m.readers, is), slices.DeleteFunc(m.writers, is)
	m.End(id, "context canceled")
}

func (m *model) Now(op check.Op) string {
	switch op.Name {
	case "trywrite":
		switch {
		case m.end != "":
			return "stream: write after the end"
		case len(m.readers) == 0 && (len(m.writers) > 0 || m.buffer != 0 && len(m.items) >= m.buffer):
			return "stream: full"
		}
		if len(m.readers) > 0 {
			m.End(m.readers[0], fmt.Sprint(op.ID))
			m.readers = m.readers[1:]
		} else {
			m.items = append(m.items, op.ID)
		}
		return "0"
	case "tryread":
		var v int
		switch {
		case len(m.items) > 0:
			v, m.items = m.items[0], m.items[1:]
		case len(m.writers) > 0:
			v = m.writers[0]
			m.End(v, "0")
			m.writers = m.writers[1:]
		case m.end != "":
			return m.end
		default:
			return "stream: empty"
		}
		m.match()
		return fmt.Sprint(v)
	case "len":
		return fmt.Sprint(len(m.items))
	case "finished":
		return fmt.Sprint(m.end != "" && len(m.items) == 0)
	case "failed":
		return fmt.Sprint(m.end == "boom")
	}
	if m.end != "" {
		return "false"
	}
	m.end = map[string]string{"complete": "EOF", "fail": "boom"}[op.Name]
	for _, id := range m.readers {
		m.End(id, m.end)
	}
	for _, id := range m.writers {
		m.End(id, "stream: write after the end")
	}
	m.readers, m.writers = nil, nil
	return "true"
}

func (m *model) Allowed(check.Op) bool { return true }
func (m *model) Unblock() check.Op     { return check.Op{Name: "complete"} }

func (m *model) State() string {
	return fmt.Sprint(stream.Stats{Len: len(m.items), Readers: len(m.readers), Writers: len(m.writers)})
}

func newStream(size int) *stream.FutureStream[int] { return stream.New[int](bufferOf(size)) }

func TestModel(t *testing.T) {
	law := law(func(s *stream.FutureStream[int]) string { return fmt.Sprint(s.Stats()) })
	law.Everywhere(t, newStream)
	t.Run("tasks", func(t *testing.T) {
		law.Check(t, func() check.Stepper { return new(loops) }, newStream)
	})
	t.Run("tasks and goroutines", func(t *testing.T) {
		law.Check(t, func() check.Stepper {
			return &check.Mixed{Of: []check.Stepper{new(check.Goroutines), new(loops)}}
		}, newStream)
	})
}
