package queue_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/internal/check/tasks"
	"github.com/seed-1e54c410/turnstile/queue"
)

// both is what the two kinds of queue have in common.
type both interface {
	Put(ctx context.Context, v int) error
	PutBatch(ctx context.Context, items []int) (int, error)
	Reserve(ctx context.Context) (*queue.Slot[int], error)
	TryPut(v int) error
	Get(ctx context.Context) (int, error)
	GetBatch(ctx context.Context, limit int) ([]int, error)
	TryGet() (int, error)
	TaskDone()
	Join(ctx context.Context) error
	Clear() []int
	Shutdown()
	ShutdownNow() []int
	Stats() queue.Stats
	Len() int
	Cap() int
	Empty() bool
	Full() bool
}

// The items of a script are its numbers, and three ranks among them.
const ranks = 3

func byRank(a, b int) int { return a%ranks - b%ranks }

// items returns what a batch of the script is made of.
func items(op check.Op) []int {
	var out []int
	for i := range op.Arg {
		out = append(out, op.ID*100+i)
	}
	return out
}

// queueModel is a queue of either kind with everything in slices.
type queueModel struct {
	check.Ends
	max              int
	ranked           bool
	items            []int
	reserved         int
	unfinished       int
	down             bool
	getters, putters []waiting
	joiners          []int
	slots            *slots // of the system
}

type waiting struct {
	op   check.Op
	left []int // of a batch that is put
}

// slots are the places that calls have returned and nobody has used.
type slots struct {
	mu   sync.Mutex
	free []*queue.Slot[int]
}

func (s *slots) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.free)
}

func (m *queueModel) Clone() check.Model {
	c := *m
	c.items, c.joiners = slices.Clone(m.items), slices.Clone(m.joiners)
	c.getters, c.putters = slices.Clone(m.getters), slices.Clone(m.putters)
	return &c
}

func (m *queueModel) room() int {
	if m.max == 0 {
		return 1000
	}
	return m.max - len(m.items) - m.reserved
}

func (m *queueModel) take(last bool) int {
	i := 0
	switch {
	case m.ranked:
		for j, v := range m.items {
			if v%ranks < m.items[i]%ranks {
				i = j
			}
		}
	case last:
		i = len(m.items) - 1
	}
	v := m.items[i]
	m.items = slices.Delete(m.items, i, i+1)
	return v
}

func (m *queueModel) takeBatch(op check.Op) []int {
	var out []int
	for len(m.items) > 0 && (op.Arg%4 == 0 || len(out) < op.Arg%4) {
		out = append(out, m.take(false))
	}
	return out
}

func (m *queueModel) store(v int, first bool) {
	if first {
		m.items = slices.Insert(m.items, 0, v)
	} else {
		m.items = append(m.items, v)
	}
	m.unfinished++
}

// match moves items for as long as any can move.
func (m *queueModel) match() {
	for {
		switch {
		case len(m.getters) > 0 && len(m.items) > 0:
			op := m.getters[0].op
			m.getters = m.getters[1:]
			if op.Name == "getbatch" {
				m.End(op.ID, fmt.Sprint(m.takeBatch(op)))
			} else {
				m.End(op.ID, fmt.Sprint(m.take(op.Name == "getlast")))
			}
		case len(m.putters) > 0 && (m.room() > 0 || m.putters[0].op.Name == "putbatch" && len(m.putters[0].left) == 0):
			w := &m.putters[0]
			switch w.op.Name {
			case "reserve":
				m.reserved++
			case "putbatch":
				n := min(m.room(), len(w.left))
				for _, v := range w.left[:n] {
					m.store(v, false)
				}
				if w.left = w.left[n:]; len(w.left) > 0 {
					continue
				}
			default:
				m.store(w.op.ID, w.op.Name == "putfirst")
			}
			m.End(w.op.ID, "ok")
			m.putters = m.putters[1:]
		default:
			if m.unfinished == 0 {
				for _, id := range m.joiners {
					m.End(id, "ok")
				}
				m.joiners = nil
			}
			return
		}
	}
}

// fail ends a waiting put or get with an error.
func (m *queueModel) fail(w waiting, err string) {
	if n := w.op.Arg - len(w.left); w.op.Name == "putbatch" && n > 0 {
		err = fmt.Sprint(n, " ", err)
	}
	m.End(w.op.ID, err)
}

func (m *queueModel) Call(op check.Op) {
	get := op.Name == "get" || op.Name == "getlast" || op.Name == "getbatch"
	w := waiting{op: op}
	if op.Name == "putbatch" {
		w.left = items(op)
	}
	switch {
	case op.Name == "join":
		m.joiners = append(m.joiners, op.ID)
	case m.down && (!get || len(m.items) == 0):
		m.fail(w, queue.ErrShutdown.Error())
	case get:
		m.getters = append(m.getters, w)
	default:
		m.putters = append(m.putters, w)
	}
	m.match()
}

func (m *queueModel) Cancel(id int) {
	for _, list := range []*[]waiting{&m.getters, &m.putters} {
		if i := slices.IndexFunc(*list, func(w waiting) bool { return w.op.ID == id }); i >= 0 {
			m.fail((*list)[i], context.Canceled.Error())
			*list = slices.Delete(*list, i, i+1)
		}
	}
	if i := slices.Index(m.joiners, id); i >= 0 {
		m.joiners = slices.Delete(m.joiners, i, i+1)
		m.End(id, context.Canceled.Error())
	}
}

func (m *queueModel) Now(op check.Op) string {
	result := "ok"
	switch op.Name {
	case "tryput":
		switch {
		case m.down:
			result = queue.ErrShutdown.Error()
		case m.room() <= 0:
			result = queue.ErrFull.Error()
		default:
			m.store(op.ID, false)
		}
	case "tryget":
		switch {
		case len(m.items) > 0:
			result = fmt.Sprint(m.take(false))
		case m.down:
			result = queue.ErrShutdown.Error()
		default:
			result = queue.ErrEmpty.Error()
		}
	case "slotput", "slotrelease":
		m.reserved--
		switch {
		case op.Name == "slotrelease":
		case m.down:
			result = queue.ErrShutdown.Error()
		default:
			m.store(op.ID, false)
		}
	case "done":
		m.unfinished--
	case "clear", "shutdownnow":
		n := len(m.items)
		result = fmt.Sprint(m.takeBatch(check.Op{}))
		m.unfinished -= n
	}
	if op.Name == "shutdown" || op.Name == "shutdownnow" {
		m.down = true
		for _, w := range slices.Concat(m.getters, m.putters) {
			m.fail(w, queue.ErrShutdown.Error())
		}
		m.getters, m.putters = nil, nil
	}
	m.match()
	return result
}

func (m *queueModel) Allowed(op check.Op) bool {
	switch op.Name {
	case "slotput", "slotrelease":
		return m.slots.len() > 0
	case "done":
		return m.unfinished > len(m.items)
	}
	return true
}

func (m *queueModel) Unblock() check.Op {
	switch {
	case len(m.getters)+len(m.putters) > 0:
		return check.Op{Name: "shutdown"}
	case len(m.items) > 0:
		return check.Op{Name: "clear"}
	}
	return check.Op{Name: "done"}
}

func (m *queueModel) State() string {
	return fmt.Sprint(queue.Stats{
		Len: len(m.items), Reserved: m.reserved, Unfinished: m.unfinished,
		Getters: len(m.getters), Putters: len(m.putters), Joiners: len(m.joiners),
	})
}

// law compares queues made by mk with the model. Its operations are those of both kinds, and more.
func law[Q both](ranked bool, calls ...string) check.Law[Q] {
	var now *slots // of the script that runs
	text := func(err error) string {
		if err != nil {
			return err.Error()
		}
		return "ok"
	}
	value := func(v any, err error) string {
		if err != nil {
			return err.Error()
		}
		return fmt.Sprint(v)
	}
	return check.Law[Q]{
		Calls: append(calls, "put", "put", "get", "get", "putbatch", "putbatch", "getbatch", "reserve", "join"),
		Nows: slices.Concat( // the end of a queue is rare, or there is no life before it
			slices.Repeat([]string{"tryput", "tryget", "slotput", "slotrelease", "done", "done"}, 6),
			[]string{"clear", "clear", "clear", "shutdown", "shutdownnow"}),
		MaxArg: 4,
		System: func(q Q) check.System {
			mine := new(slots)
			now = mine
			return check.System{
				Call: func(ctx context.Context, op check.Op) string {
					switch op.Name {
					case "put":
						return text(q.Put(ctx, op.ID))
					case "putfirst":
						return text(any(q).(*queue.AsyncQueue[int]).PutFirst(ctx, op.ID))
					case "putbatch":
						n, err := q.PutBatch(ctx, items(op))
						switch {
						case err == nil && n != op.Arg:
							return fmt.Sprintf("%d of %d without an error", n, op.Arg)
						case n > 0 && err != nil:
							return fmt.Sprint(n, " ", err)
						}
						return text(err)
					case "reserve":
						slot, err := q.Reserve(ctx)
						if err == nil {
							mine.mu.Lock()
							defer mine.mu.Unlock()
							mine.free = append(mine.free, slot)
						}
						return text(err)
					case "get":
						return value(q.Get(ctx))
					case "getlast":
						return value(any(q).(*queue.AsyncQueue[int]).GetLast(ctx))
					case "getbatch":
						return value(q.GetBatch(ctx, op.Arg%4))
					default:
						return text(q.Join(ctx))
					}
				},
				Now: func(op check.Op) string {
					switch op.Name {
					case "tryput":
						return text(q.TryPut(op.ID))
					case "tryget":
						return value(q.TryGet())
					case "slotput", "slotrelease":
						mine.mu.Lock()
						slot := mine.free[0]
						mine.free = mine.free[1:]
						mine.mu.Unlock()
						defer slot.Release() // of a slot that has ended
						if op.Name == "slotput" {
							return text(slot.Put(op.ID))
						}
						slot.Release()
					case "done":
						q.TaskDone()
					case "clear":
						return fmt.Sprint(q.Clear())
					case "shutdown":
						q.Shutdown()
					case "shutdownnow":
						return fmt.Sprint(q.ShutdownNow())
					}
					return "ok"
				},
				State: func() string { return fmt.Sprint(q.Stats()) },
			}
		},
		Model: func(size int) check.Model { return &queueModel{max: size, ranked: ranked, slots: now} },
	}
}

// Scripts with cancels at drawn moments, on goroutines, tasks, and both together.
func TestModel(t *testing.T) {
	steppers := check.Steppers()
	maps.Copy(steppers, tasks.Steppers())
	for name, of := range steppers {
		t.Run("fifo/"+name, func(t *testing.T) {
			law[*queue.AsyncQueue[int]](false, "putfirst", "getlast").Check(t, of, queue.New[int])
		})
		t.Run("priority/"+name, func(t *testing.T) {
			law[*queue.AsyncPriorityQueue[int]](true).Check(t, of, func(size int) *queue.AsyncPriorityQueue[int] {
				return queue.NewPriority(size, byRank)
			})
		})
	}
}
