package lock_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/internal/check/tasks"
	"github.com/seed-1e54c410/turnstile/lock"
)

func rwState(l *lock.AsyncRWLock) string {
	s := l.Stats()
	return fmt.Sprintf("writing=%t readers=%d waiting=%d writers=%d", s.Writing, s.Readers, s.Waiting, s.WaitingWriters)
}

// rwModel is an AsyncRWLock with its waiters in a slice.
type rwModel struct {
	check.Ends
	writing bool
	readers int
	queue   []check.Op
}

func (m *rwModel) Clone() check.Model {
	c := *m
	c.queue = slices.Clone(m.queue)
	return &c
}

// enter takes the lock for an operation whose name says what for, if it can.
func (m *rwModel) enter(name string) bool {
	switch {
	case m.writing:
		return false
	case name == "racquire" || name == "rtry":
		m.readers++
	case m.readers > 0:
		return false
	default:
		m.writing = true
	}
	return true
}

func (m *rwModel) serve() {
	for len(m.queue) > 0 && m.enter(m.queue[0].Name) {
		m.End(m.queue[0].ID, "ok")
		m.queue = m.queue[1:]
	}
}

func (m *rwModel) Call(op check.Op) {
	m.queue = append(m.queue, op)
	m.serve()
}

func (m *rwModel) Cancel(id int) {
	if i := slices.IndexFunc(m.queue, func(op check.Op) bool { return op.ID == id }); i >= 0 {
		m.queue = slices.Delete(m.queue, i, i+1)
		m.End(id, context.Canceled.Error())
		m.serve()
	}
}

func (m *rwModel) Now(op check.Op) string {
	switch op.Name {
	case "try", "rtry":
		return fmt.Sprint(len(m.queue) == 0 && m.enter(op.Name))
	case "release":
		m.writing = false
	case "rrelease":
		m.readers--
	case "downgrade":
		m.writing = false
		m.readers++
	}
	m.serve()
	return ""
}

func (m *rwModel) Allowed(op check.Op) bool {
	switch op.Name {
	case "release", "downgrade":
		return m.writing
	case "rrelease":
		return m.readers > 0
	}
	return true
}

func (m *rwModel) Unblock() check.Op {
	if m.writing {
		return check.Op{Name: "release"}
	}
	return check.Op{Name: "rrelease"}
}

func (m *rwModel) State() string {
	writers := 0
	for _, op := range m.queue {
		if op.Name == "acquire" {
			writers++
		}
	}
	return fmt.Sprintf("writing=%t readers=%d waiting=%d writers=%d", m.writing, m.readers, len(m.queue), writers)
}

var rwLaw = check.Law[*lock.AsyncRWLock]{
	Calls: []string{"acquire", "racquire", "racquire"},
	Nows:  []string{"release", "release", "rrelease", "rrelease", "try", "rtry", "downgrade"},
	Model: func(int) check.Model { return new(rwModel) },
	System: func(l *lock.AsyncRWLock) check.System {
		return check.System{
			Call: func(ctx context.Context, op check.Op) string {
				acquire := l.Acquire
				if op.Name == "racquire" {
					acquire = l.RAcquire
				}
				if err := acquire(ctx); err != nil {
					return err.Error()
				}
				return "ok"
			},
			Now: func(op check.Op) string {
				switch op.Name {
				case "try":
					return fmt.Sprint(l.TryAcquire())
				case "rtry":
					return fmt.Sprint(l.TryRAcquire())
				case "release":
					l.Release()
				case "rrelease":
					l.RRelease()
				default:
					l.Downgrade()
				}
				return ""
			},
			State: func() string { return rwState(l) },
		}
	},
}

// Scripts with cancels at drawn moments, on goroutines, tasks, and both together.
func TestRWModel(t *testing.T) {
	steppers := check.Steppers()
	maps.Copy(steppers, tasks.Steppers())
	for name, of := range steppers {
		t.Run(name, func(t *testing.T) {
			rwLaw.Check(t, of, func(int) *lock.AsyncRWLock { return new(lock.AsyncRWLock) })
		})
	}
}
