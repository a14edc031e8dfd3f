package event_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/seed-1e54c410/turnstile/event"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/internal/check/tasks"
)

// everywhere runs a law on goroutines, tasks, and both together.
func everywhere[T any](t *testing.T, law check.Law[T], mk func(size int) T) {
	steppers := check.Steppers()
	maps.Copy(steppers, tasks.Steppers())
	for name, of := range steppers {
		t.Run(name, func(t *testing.T) { law.Check(t, of, mk) })
	}
}

func text(err error) string {
	if err != nil {
		return err.Error()
	}
	return "ok"
}

// signalModel is an AsyncSignal.
type signalModel struct {
	check.Ends
	set   bool
	queue []int
}

func (m *signalModel) Clone() check.Model {
	c := *m
	c.queue = slices.Clone(m.queue)
	return &c
}

func (m *signalModel) Call(op check.Op) {
	if m.set {
		m.set = false
		m.End(op.ID, "ok")
		return
	}
	m.queue = append(m.queue, op.ID)
}

func (m *signalModel) Cancel(id int) {
	if i := slices.Index(m.queue, id); i >= 0 {
		m.queue = slices.Delete(m.queue, i, i+1)
		m.End(id, context.Canceled.Error())
	}
}

func (m *signalModel) Now(op check.Op) string {
	was := m.set
	switch {
	case op.Name == "try":
		m.set = false
	case op.Name == "isset":
	case len(m.queue) > 0:
		m.End(m.queue[0], "ok")
		m.queue = m.queue[1:]
	default:
		m.set = true
	}
	if op.Name == "fire" {
		return ""
	}
	return fmt.Sprint(was)
}

func (m *signalModel) Allowed(check.Op) bool { return true }
func (m *signalModel) Unblock() check.Op     { return check.Op{Name: "fire"} }
func (m *signalModel) State() string {
	return fmt.Sprint(event.SignalStats{Set: m.set, Waiting: len(m.queue)})
}

func TestSignalModel(t *testing.T) {
	everywhere(t, check.Law[*event.AsyncSignal]{
		Calls: []string{"wait"},
		Nows:  []string{"fire", "fire", "fire", "try", "isset"},
		Model: func(int) check.Model { return new(signalModel) },
		System: func(s *event.AsyncSignal) check.System {
			return check.System{
				Call: func(ctx context.Context, _ check.Op) string { return text(s.Wait(ctx)) },
				Now: func(op check.Op) string {
					switch op.Name {
					case "try":
						return fmt.Sprint(s.TryWait())
					case "isset":
						return fmt.Sprint(s.IsSet())
					}
					s.Fire()
					return ""
				},
				State: func() string { return fmt.Sprint(s.Stats()) },
			}
		},
	}, func(int) *event.AsyncSignal { return new(event.AsyncSignal) })
}

// watchModel is a Watch. Whether a call gets the right value the system says itself, since it gets the
// latest one when it goes on.
type watchModel struct {
	check.Ends
	version uint64
	queue   []int
}

func (m *watchModel) Clone() check.Model {
	c := *m
	c.queue = slices.Clone(m.queue)
	return &c
}

func (m *watchModel) Call(op check.Op) {
	if op.Name == "changed" && uint64(op.Arg-1) != m.version {
		m.End(op.ID, "ok")
		return
	}
	m.queue = append(m.queue, op.ID)
}

func (m *watchModel) Cancel(id int) {
	if i := slices.Index(m.queue, id); i >= 0 {
		m.queue = slices.Delete(m.queue, i, i+1)
		m.End(id, context.Canceled.Error())
	}
}

func (m *watchModel) Now(check.Op) string {
	m.version++
	for _, id := range m.queue {
		m.End(id, "ok")
	}
	m.queue = nil
	return ""
}

func (m *watchModel) Allowed(check.Op) bool { return true }
func (m *watchModel) Unblock() check.Op     { return check.Op{Name: "set"} }
func (m *watchModel) State() string {
	return fmt.Sprint(event.WatchStats{Version: m.version, Waiting: len(m.queue)})
}

func TestWatchModel(t *testing.T) {
	everywhere(t, check.Law[*event.Watch[uint64]]{
		Calls:  []string{"changed", "next", "next"},
		Nows:   []string{"set"},
		MaxArg: 8,
		Model:  func(int) check.Model { return new(watchModel) },
		System: func(w *event.Watch[uint64]) check.System {
			return check.System{
				Call: func(ctx context.Context, op check.Op) string {
					since := uint64(op.Arg - 1)
					if op.Name == "next" {
						_, since = w.Load()
					}
					v, n, err := w.Changed(ctx, since)
					if v != n*n || err == nil && n == since {
						return fmt.Sprintf("value %d, version %d since %d, %v", v, n, since, err)
					}
					return text(err)
				},
				Now: func(check.Op) string {
					_, n := w.Load()
					w.Set((n + 1) * (n + 1))
					return ""
				},
				State: func() string { return fmt.Sprint(w.Stats()) },
			}
		},
	}, func(int) *event.Watch[uint64] { return new(event.Watch[uint64]) })
}

// logModel is an AsyncEventQueue with two readers that calls read, and one that comes late and only
// reads what is there.
type logModel struct {
	check.Ends
	limit   int
	closed  bool
	readers [3]readerModel
}

type readerModel struct {
	closed bool
	unread []int
	missed int
	queue  []check.Op
}

const late = 2

// reads returns which reader a call is for, and its limit.
func reads(op check.Op) (reader, limit int) { return (op.Arg - 1) % 2, (op.Arg - 1) / 2 }

func (m *logModel) Clone() check.Model {
	c := *m
	for i := range c.readers {
		r := &c.readers[i]
		r.unread, r.queue = slices.Clone(r.unread), slices.Clone(r.queue)
	}
	return &c
}

// read returns what a read returns now, and false if it waits.
func (m *logModel) read(r *readerModel, limit int) (string, bool) {
	n := len(r.unread)
	switch {
	case r.closed:
		return event.ErrClosed.Error(), true
	case r.missed > 0:
		err := &event.LaggedError{Missed: uint64(r.missed)}
		r.missed = 0
		return err.Error(), true
	case n == 0 && m.closed:
		return event.ErrClosed.Error(), true
	case n == 0:
		return "", false
	case limit > 0:
		n = min(n, limit)
	}
	out := fmt.Sprint(r.unread[:n])
	r.unread = r.unread[n:]
	return out, true
}

func (m *logModel) serve() {
	for i := range m.readers {
		for r := &m.readers[i]; len(r.queue) > 0; r.queue = r.queue[1:] {
			_, limit := reads(r.queue[0])
			out, ok := m.read(r, limit)
			if !ok {
				break
			}
			m.End(r.queue[0].ID, out)
		}
	}
}

func (m *logModel) Call(op check.Op) {
	i, _ := reads(op)
	m.readers[i].queue = append(m.readers[i].queue, op)
	m.serve()
}

func (m *logModel) Cancel(id int) {
	for i := range m.readers {
		r := &m.readers[i]
		if j := slices.IndexFunc(r.queue, func(op check.Op) bool { return op.ID == id }); j >= 0 {
			r.queue = slices.Delete(r.queue, j, j+1)
			m.End(id, context.Canceled.Error())
		}
	}
}

func (m *logModel) Now(op check.Op) string {
	i, limit := reads(op)
	switch op.Name {
	case "emit":
		if m.closed {
			return event.ErrClosed.Error()
		}
		for i := range m.readers {
			r := &m.readers[i]
			if r.closed {
				continue
			}
			r.unread = append(r.unread, op.ID)
			if m.limit > 0 && len(r.unread) > m.limit {
				r.unread = r.unread[1:]
				r.missed++
			}
		}
	case "subscribe":
		m.readers[late] = readerModel{}
	case "lateread":
		out, _ := m.read(&m.readers[late], limit)
		return out
	case "lateclose", "closereader":
		if op.Name == "lateclose" {
			i = late
		}
		r := &m.readers[i]
		r.closed, r.unread, r.missed = true, nil, 0
	case "close":
		m.closed = true
	}
	m.serve()
	return "ok"
}

func (m *logModel) Allowed(op check.Op) bool {
	r := m.readers[late]
	switch op.Name {
	case "subscribe":
		return r.closed
	case "lateread":
		return r.closed || m.closed || len(r.unread) > 0
	}
	return true
}

func (m *logModel) Unblock() check.Op { return check.Op{Name: "close", Arg: 1} }

func (m *logModel) State() string {
	var s event.EventQueueStats
	for _, r := range m.readers {
		if !r.closed {
			s.Readers++
		}
		s.Waiting += len(r.queue)
		s.Len = max(s.Len, len(r.unread))
	}
	return fmt.Sprint(s)
}

// log is an AsyncEventQueue with its readers.
type log struct {
	q       *event.AsyncEventQueue[int]
	readers [3]*event.Reader[int]
}

func TestEventQueueModel(t *testing.T) {
	read := func(ctx context.Context, r *event.Reader[int], limit int) string {
		out, err := r.Read(ctx, limit)
		if err != nil {
			return text(err)
		}
		return fmt.Sprint(out)
	}
	everywhere(t, check.Law[*log]{
		Calls: []string{"read"},
		Nows: slices.Concat(slices.Repeat([]string{"emit"}, 14), slices.Repeat([]string{"lateread"}, 4),
			[]string{"subscribe", "subscribe", "lateclose", "closereader", "close"}),
		MaxArg: 4,
		Model: func(size int) check.Model {
			m := &logModel{limit: size}
			m.readers[late].closed = true
			return m
		},
		System: func(l *log) check.System {
			return check.System{
				Call: func(ctx context.Context, op check.Op) string {
					i, limit := reads(op)
					return read(ctx, l.readers[i], limit)
				},
				Now: func(op check.Op) string {
					i, limit := reads(op)
					switch op.Name {
					case "emit":
						return text(l.q.Emit(op.ID))
					case "subscribe":
						l.readers[late] = l.q.Subscribe()
					case "lateread":
						return read(context.Background(), l.readers[late], limit)
					case "lateclose":
						l.readers[late].Close()
					case "closereader":
						l.readers[i].Close()
					default:
						l.q.Close()
					}
					return "ok"
				},
				State: func() string {
					s := l.q.Stats()
					if s.Len != l.q.Len() {
						return fmt.Sprint("Len() = ", l.q.Len(), ", Stats() = ", s)
					}
					return fmt.Sprint(s)
				},
			}
		},
	}, func(size int) *log {
		q := event.NewAsyncEventQueue[int](size)
		l := &log{q: q, readers: [3]*event.Reader[int]{q.Subscribe(), q.Subscribe(), q.Subscribe()}}
		l.readers[late].Close()
		return l
	})
}
