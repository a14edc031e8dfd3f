package queue

import "context"

// TaskDone says that an item which was got has been dealt with, for those who wait in Join. It panics
// if that was said of all items before.
func (q *AsyncQueue[T]) TaskDone() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.unfinished <= q.len() {
		panic("queue: TaskDone for an item that was not got")
	}
	q.done(1)
}

// done says that n items have been dealt with. The mutex is held.
func (q *AsyncQueue[T]) done(n int) {
	q.unfinished -= n
	q.joiners.Settle(q.joined)
}

func (q *AsyncQueue[T]) joined(*struct{}) (bool, error) { return q.unfinished == 0, nil }

// Join waits until TaskDone has been called for every item that was put, but for those that Clear or
// ShutdownNow have handed back. It does not wait if there are none. If ctx ends first, or is done at
// the call, it returns ctx.Err(). A shutdown does not end it: items that are left are still to be
// got and dealt with.
func (q *AsyncQueue[T]) Join(ctx context.Context) error {
	_, err := q.joiners.Wait(ctx, &q.mu, struct{}{}, q.joined)
	return err
}
