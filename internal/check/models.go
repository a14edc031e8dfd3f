package check

import (
	"context"
	"fmt"
	"slices"
)

// Locker is what the laws of a lock need.
type Locker interface {
	Acquire(ctx context.Context) error
	TryAcquire() bool
	Release()
}

// Eventer is what the laws of an event need.
type Eventer interface {
	Wait(ctx context.Context) error
	Fire()
	Clear()
	IsSet() bool
}

// Semaphorer is what the laws of a weighted semaphore need.
type Semaphorer interface {
	Acquire(ctx context.Context, n int) error
	TryAcquire(n int) bool
	Release(n int)
}

// Queuer is what the laws of a queue need.
type Queuer interface {
	Put(ctx context.Context, v int) error
	PutFirst(ctx context.Context, v int) error
	TryPut(v int) error
	Get(ctx context.Context) (int, error)
	GetLast(ctx context.Context) (int, error)
	TryGet() (int, error)
	Clear() []int
	Shutdown()
	ShutdownNow() []int
}

func text(err error) string {
	if err == nil {
		return "ok"
	}
	return err.Error()
}

func value(v int, err error) string {
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(v)
}

// Locks is the law of a lock: one holder, strict order of arrival, Try included, a
// release is never lost, a canceled wait leaves no trace. The state, if not nil, is
// compared with "locked=true waiting=2".
func Locks[T Locker](state func(T) string) Law[T] {
	return Law[T]{
		Calls: []string{"acquire"},
		Nows:  []string{"release", "release", "try"},
		Model: func(int) Model { return &semModel{size: 1, free: 1, lock: true} },
		System: func(l T) System {
			return System{
				Call: func(ctx context.Context, _ Op) string { return text(l.Acquire(ctx)) },
				Now: func(op Op) string {
					if op.Name == "try" {
						return fmt.Sprint(l.TryAcquire())
					}
					l.Release()
					return ""
				},
				State: stateOf(l, state),
			}
		},
	}
}

// Semaphores is the law of a weighted semaphore of 1 + size permits: as [Locks], and
// never does the first in the queue wait for less than what is free. The state, if
// not nil, is compared with "free=1 waiting=2".
func Semaphores[T Semaphorer](state func(T) string) Law[T] {
	return Law[T]{
		Calls:  []string{"acquire"},
		Nows:   []string{"release", "release", "try"},
		MaxArg: 4,
		Model:  func(size int) Model { return &semModel{size: 1 + size, free: 1 + size} },
		System: func(s T) System {
			return System{
				Call: func(ctx context.Context, op Op) string { return text(s.Acquire(ctx, op.Arg)) },
				Now: func(op Op) string {
					if op.Name == "try" {
						return fmt.Sprint(s.TryAcquire(op.Arg))
					}
					s.Release(op.Arg)
					return ""
				},
				State: stateOf(s, state),
			}
		},
	}
}

func stateOf[T any](prim T, state func(T) string) func() string {
	if state == nil {
		return nil
	}
	return func() string { return state(prim) }
}

// semModel is a weighted semaphore, and a lock where all weights are 1. Who wants
// more than there is waits for ever.
type semModel struct {
	Ends
	size, free int
	lock       bool
	queue      []Op
}

func (m *semModel) Clone() Model {
	c := *m
	c.queue = slices.Clone(m.queue)
	return &c
}

func (m *semModel) weight(op Op) int {
	if m.lock {
		return 1
	}
	return op.Arg
}

func (m *semModel) Call(op Op) {
	m.queue = append(m.queue, op)
	m.serve()
}

func (m *semModel) serve() {
	for len(m.queue) > 0 && m.weight(m.queue[0]) <= m.free {
		m.free -= m.weight(m.queue[0])
		m.End(m.queue[0].ID, "ok")
		m.queue = m.queue[1:]
	}
}

func (m *semModel) Cancel(id int) {
	if i := slices.IndexFunc(m.queue, func(op Op) bool { return op.ID == id }); i >= 0 {
		m.queue = slices.Delete(m.queue, i, i+1)
		m.End(id, canceled)
		m.serve()
	}
}

func (m *semModel) Now(op Op) string {
	if op.Name == "release" {
		m.free += m.weight(op)
		m.serve()
		return ""
	}
	if len(m.queue) > 0 || m.weight(op) > m.free {
		return "false"
	}
	m.free -= m.weight(op)
	return "true"
}

// Allowed lets a semaphore grow to twice its size, so that those who want more than
// its size have their turn too.
func (m *semModel) Allowed(op Op) bool {
	if op.Name != "release" {
		return true
	}
	if m.lock {
		return m.free == 0
	}
	return m.free+op.Arg <= 2*m.size+8
}

func (m *semModel) Unblock() Op { return Op{Name: "release", Arg: 1} }

func (m *semModel) State() string {
	if m.lock {
		return fmt.Sprintf("locked=%t waiting=%d", m.free == 0, len(m.queue))
	}
	return fmt.Sprintf("free=%d waiting=%d", m.free, len(m.queue))
}

// Events is the law of an event: a Fire lets all go who wait, also if cleared or
// canceled right after. The state, if not nil, is compared with "set=true waiting=2".
func Events[T Eventer](state func(T) string) Law[T] {
	return Law[T]{
		Calls: []string{"wait"},
		Nows:  []string{"fire", "clear", "clear", "isset"},
		Model: func(int) Model { return &eventModel{} },
		System: func(e T) System {
			return System{
				Call: func(ctx context.Context, _ Op) string { return text(e.Wait(ctx)) },
				Now: func(op Op) string {
					switch op.Name {
					case "fire":
						e.Fire()
					case "clear":
						e.Clear()
					default:
						return fmt.Sprint(e.IsSet())
					}
					return ""
				},
				State: stateOf(e, state),
			}
		},
	}
}

type eventModel struct {
	Ends
	set   bool
	queue []int
}

func (m *eventModel) Clone() Model {
	c := *m
	c.queue = slices.Clone(m.queue)
	return &c
}

func (m *eventModel) Call(op Op) {
	if m.set {
		m.End(op.ID, "ok")
	} else {
		m.queue = append(m.queue, op.ID)
		slices.Sort(m.queue) // nobody can see the order, so it makes no worlds
	}
}

func (m *eventModel) Cancel(id int) {
	if i := slices.Index(m.queue, id); i >= 0 {
		m.queue = slices.Delete(m.queue, i, i+1)
		m.End(id, canceled)
	}
}

func (m *eventModel) Now(op Op) string {
	switch op.Name {
	case "fire":
		m.set = true
		for _, id := range m.queue {
			m.End(id, "ok")
		}
		m.queue = nil
	case "clear":
		m.set = false
	default:
		return fmt.Sprint(m.set)
	}
	return ""
}

func (m *eventModel) Allowed(Op) bool { return true }
func (m *eventModel) Unblock() Op     { return Op{Name: "fire"} }
func (m *eventModel) State() string   { return fmt.Sprintf("set=%t waiting=%d", m.set, len(m.queue)) }

// Queues is the law of a queue bounded to size, without a bound for 0: what was put is got
// once and in order, both ends are served strictly by arrival, Try included, and a
// canceled call has done nothing. The errors are those of package queue. The state,
// if not nil, is compared with "len=2 getters=0 putters=1".
func Queues[T Queuer](state func(T) string) Law[T] {
	return Law[T]{
		Calls: []string{"put", "put", "get", "get", "putfirst", "getlast"},
		Nows: slices.Concat( // the end of a queue is rare, or there is no life before it
			slices.Repeat([]string{"tryput", "tryget"}, 12),
			[]string{"clear", "clear", "clear", "clear", "shutdown", "shutdownnow"}),
		Model: func(size int) Model { return &queueModel{max: size} },
		System: func(q T) System {
			return System{
				Call: func(ctx context.Context, op Op) string {
					switch op.Name {
					case "put":
						return text(q.Put(ctx, op.ID))
					case "putfirst":
						return text(q.PutFirst(ctx, op.ID))
					case "get":
						return value(q.Get(ctx))
					default:
						return value(q.GetLast(ctx))
					}
				},
				Now: func(op Op) string {
					switch op.Name {
					case "tryput":
						return text(q.TryPut(op.ID))
					case "tryget":
						return value(q.TryGet())
					case "clear":
						return fmt.Sprint(q.Clear())
					case "shutdown":
						q.Shutdown()
						return ""
					default:
						return fmt.Sprint(q.ShutdownNow())
					}
				},
				State: stateOf(q, state),
			}
		},
	}
}

type queueModel struct {
	Ends
	max              int
	down             bool
	items            []int
	getters, putters []Op
}

func (m *queueModel) Clone() Model {
	c := *m
	c.items, c.getters, c.putters = slices.Clone(m.items), slices.Clone(m.getters), slices.Clone(m.putters)
	return &c
}

func (m *queueModel) Call(op Op) {
	put := op.Name == "put" || op.Name == "putfirst"
	switch {
	case m.down && (put || len(m.items) == 0):
		m.End(op.ID, "queue: shut down")
	case put:
		m.putters = append(m.putters, op)
	default:
		m.getters = append(m.getters, op)
	}
	m.match()
}

// match moves items for as long as any can move.
func (m *queueModel) match() {
	for {
		switch {
		case len(m.putters) > 0 && (m.max == 0 || len(m.items) < m.max):
			op := m.putters[0]
			m.putters = m.putters[1:]
			if op.Name == "putfirst" {
				m.items = slices.Insert(m.items, 0, op.ID)
			} else {
				m.items = append(m.items, op.ID)
			}
			m.End(op.ID, "ok")
		case len(m.getters) > 0 && len(m.items) > 0:
			op := m.getters[0]
			m.getters = m.getters[1:]
			m.End(op.ID, fmt.Sprint(m.take(op.Name == "getlast")))
		default:
			return
		}
	}
}

func (m *queueModel) take(last bool) int {
	i := 0
	if last {
		i = len(m.items) - 1
	}
	v := m.items[i]
	m.items = slices.Delete(m.items, i, i+1)
	return v
}

func (m *queueModel) Cancel(id int) {
	is := func(op Op) bool { return op.ID == id }
	if slices.ContainsFunc(m.getters, is) || slices.ContainsFunc(m.putters, is) {
		m.getters = slices.DeleteFunc(m.getters, is)
		m.putters = slices.DeleteFunc(m.putters, is)
		m.End(id, canceled)
	}
}

func (m *queueModel) Now(op Op) string {
	result := ""
	switch op.Name {
	case "tryput":
		switch {
		case m.down:
			return "queue: shut down"
		case m.max > 0 && len(m.items) == m.max:
			return "queue: full"
		}
		m.items = append(m.items, op.ID)
		result = "ok"
	case "tryget":
		switch {
		case len(m.items) > 0:
			result = fmt.Sprint(m.take(false))
		case m.down:
			return "queue: shut down"
		default:
			return "queue: empty"
		}
	case "clear", "shutdownnow":
		result = fmt.Sprint(m.items)
		m.items = nil
	}
	if op.Name == "shutdown" || op.Name == "shutdownnow" {
		m.down = true
		for _, op := range append(m.getters, m.putters...) {
			m.End(op.ID, "queue: shut down")
		}
		m.getters, m.putters = nil, nil
	}
	m.match()
	return result
}

func (m *queueModel) Allowed(Op) bool { return true }
func (m *queueModel) Unblock() Op     { return Op{Name: "shutdown"} }

func (m *queueModel) State() string {
	return fmt.Sprintf("len=%d getters=%d putters=%d", len(m.items), len(m.getters), len(m.putters))
}
