package stream_test

import (
	"context"
	"io"
	"slices"
	"sync"
	"testing"

	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/stream"
)

// fault is what is wrong with a faulty stream.
type fault int

const (
	none            fault = iota
	cancelKeeps           // the value of a canceled writer stays
	cancelWins            // a cancel after the grant: the value is written, the writer gets an error
	cancelLoses           // a cancel after the grant: the reader drops the value
	readersLIFO           // the last reader gets the first value
	writersLIFO           // the last writer gets the first room
	failureFirst          // a failure overtakes the values before it
	failureEats           // and takes one of them each time
	endWakesOne           // the others wait for ever
	endLeavesOut          // the readers, not the writers, hear of the end
	endTakesWriters       // waiting writers have written
	endOver               // a second end replaces the first
	boundless             // room for one too many
)

func TestLawFindsFaults(t *testing.T) {
	steppers := func() check.Stepper { return new(check.Goroutines) }
	find := func(t *testing.T, cases int, f fault) error {
		_, err := law[streamer](nil).Find(t, cases, steppers, func(size int) streamer {
			return &faulty{fault: f, buffer: bufferOf(size)}
		})
		return err
	}
	for name, f := range map[string]fault{
		"value of a canceled writer stays": cancelKeeps,
		"cancel wins against grant":        cancelWins,
		"canceled reader drops value":      cancelLoses,
		"last reader first":                readersLIFO,
		"last writer first":                writersLIFO,
		"failure overtakes values":         failureFirst,
		"failure eats values":              failureEats,
		"end wakes one reader":             endWakesOne,
		"end forgets writers":              endLeavesOut,
		"end takes values of writers":      endTakesWriters,
		"second end counts":                endOver,
		"one too many":                     boundless,
	} {
		t.Run(name, func(t *testing.T) {
			err := find(t, 2000, f)
			if err == nil {
				t.Fatal("not found")
			}
			t.Log(err)
		})
	}
	t.Run("right", func(t *testing.T) {
		if err := find(t, 200, none); err != nil {
			t.Fatal(err)
		}
	})
}

// faulty is a stream of slices and channels with a fault.
type faulty struct {
	fault            fault
	mu               sync.Mutex
	buffer           int
	items            []int
	readers, writers []*waiter
	end              error
}

type waiter struct {
	v    int
	err  error
	done chan struct{}
}

func (w *waiter) grant(v int, err error) {
	w.v, w.err = v, err
	close(w.done)
}

func (s *faulty) pop(list *[]*waiter, lifo fault) *waiter {
	i := 0
	if s.fault == lifo {
		i = len(*list) - 1
	}
	w := (*list)[i]
	*list = slices.Delete(*list, i, i+1)
	return w
}

func (s *faulty) match() {
	room := s.buffer
	if s.fault == boundless && room > 0 {
		room++
	}
	for {
		switch {
		case len(s.readers) > 0 && len(s.items) > 0:
			s.pop(&s.readers, readersLIFO).grant(s.items[0], nil)
			s.items = s.items[1:]
		case len(s.writers) > 0 && (room == 0 || len(s.items) < room):
			w := s.pop(&s.writers, writersLIFO)
			s.items = append(s.items, w.v)
			w.grant(w.v, nil)
		case len(s.readers) > 0 && len(s.writers) > 0:
			w := s.pop(&s.writers, writersLIFO)
			s.pop(&s.readers, readersLIFO).grant(w.v, nil)
			w.grant(w.v, nil)
		default:
			return
		}
	}
}

func (s *faulty) wait(ctx context.Context, list *[]*waiter, w *waiter, wins, keeps fault) (int, error) {
	*list = append(*list, w)
	s.match()
	s.mu.Unlock()
	select {
	case <-w.done:
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-w.done:
		if s.fault == wins && ctx.Err() != nil {
			return 0, ctx.Err()
		}
		return w.v, w.err
	default:
	}
	if s.fault != keeps {
		*list = slices.DeleteFunc(*list, func(o *waiter) bool { return o == w })
	}
	return 0, ctx.Err()
}

func (s *faulty) Write(ctx context.Context, v int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	if s.end != nil {
		s.mu.Unlock()
		return stream.ErrEnded
	}
	_, err := s.wait(ctx, &s.writers, &waiter{v: v, done: make(chan struct{})}, cancelWins, cancelKeeps)
	return err
}

func (s *faulty) Read(ctx context.Context) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	failed := s.end != nil && s.end != io.EOF
	if s.end != nil && (len(s.items) == 0 || failed && (s.fault == failureFirst || s.fault == failureEats)) {
		defer s.mu.Unlock()
		if s.fault == failureEats && len(s.items) > 0 {
			s.items = s.items[1:]
		}
		return 0, s.end
	}
	return s.wait(ctx, &s.readers, &waiter{done: make(chan struct{})}, cancelLoses, none-1)
}

func (s *faulty) finish(end error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end != nil {
		if s.fault == endOver {
			s.end = end
		}
		return false
	}
	s.end = end
	for _, w := range s.readers {
		w.grant(0, end)
		if s.fault == endWakesOne {
			s.readers = s.readers[1:]
			return true
		}
	}
	s.readers = nil
	if s.fault == endLeavesOut {
		return true
	}
	for _, w := range s.writers {
		if s.fault == endTakesWriters {
			s.items = append(s.items, w.v)
			w.grant(w.v, nil)
			continue
		}
		w.grant(0, stream.ErrEnded)
	}
	s.writers = nil
	return true
}

func (s *faulty) Complete() bool      { return s.finish(io.EOF) }
func (s *faulty) Fail(err error) bool { return s.finish(err) }

func (s *faulty) Finished() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end != nil && len(s.items) == 0
}

func (s *faulty) Failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end != nil && s.end != io.EOF
}

func (s *faulty) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.items)
}
