package queue_test

import (
	"sync"
	"testing"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/queue"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// halt is a case that never wins, and stops its Select where that begins to wait, until it is opened.
type halt struct {
	mu       sync.Mutex
	queue    xsync.WaitQueue[struct{}]
	tried    bool
	at, open chan struct{}
}

func newHalt() *halt { return &halt{at: make(chan struct{}), open: make(chan struct{})} }

func (h *halt) Case() xsync.Case {
	return h.queue.Case(&h.mu, struct{}{}, func(*struct{}) (bool, error) {
		if h.tried {
			close(h.at)
			<-h.open
		}
		h.tried = true
		return false, nil
	}, nil)
}

// Two Selects put into one queue and get from another, in opposite directions. Both wait for room, and then
// both find an item in the same moment, which makes room for the other one: neither waits for
// the other to be decided.
func TestSelectOpposite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var meet sync.WaitGroup
		meet.Add(2)
		var meets [2]bool // both meet while they get
		var queues [2]*queue.AsyncPriorityQueue[int]
		for i := range queues {
			queues[i] = queue.NewPriority(3, func(a, b int) int {
				if meets[i] {
					meets[i] = false
					meet.Done()
					meet.Wait()
				}
				return a - b
			})
		}
		fill := func(q *queue.AsyncPriorityQueue[int]) {
			q.Clear()
			for v := range 3 {
				if err := q.TryPut(v); err != nil {
					t.Error(err)
				}
			}
		}
		var first, second [2]*halt
		got := [2]int{-1, -1}
		winners := make(chan int, 2)
		for i := range 2 {
			from, to := queues[i], queues[1-i]
			from.Clear() // so nothing can go on at the first look
			fill(to)
			first[i], second[i] = newHalt(), newHalt()
			go func() {
				n, err := xsync.Select(t.Context(), first[i].Case(), to.PutCase(9), second[i].Case(), from.GetCase(&got[i]))
				if err != nil {
					t.Error(err)
				}
				winners <- n
			}()
			<-first[i].at
		}
		for i := range 2 {
			fill(queues[i])
		}
		for i := range 2 {
			close(first[i].open)
			<-second[i].at // waits for room
		}
		meets = [2]bool{true, true}
		for i := range 2 {
			close(second[i].open)
		}
		if a, b := <-winners, <-winners; a != 3 || b != 3 || got != [2]int{} {
			t.Errorf("cases %d and %d have won and got %v, want 3 and 3, and the first items", a, b, got)
		}
		for _, q := range queues {
			if s := q.Stats(); s.Len != 2 || s.Getters != 0 || s.Putters != 0 {
				t.Errorf("left %+v", s)
			}
		}
	})
}
