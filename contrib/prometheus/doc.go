// Package turnstileprom shows dispatchers, tasks and futures to Prometheus.
//
// A [Collector] reads, at each scrape, what dispatch.Dispatcher.Stats tells of each dispatcher that it
// was given, how late the loop runs what is posted to it, and what core.Sites has counted, if
// core.Track is on. It has no goroutine of its own, holds no dispatcher back, and a scrape does
// not wait for any: a loop that hangs is seen as one.
//
// # Metrics of a dispatcher
//
// All have the label dispatcher. These are sums:
//
//   - turnstile_dispatcher_turns_total, turnstile_dispatcher_callbacks_total,
//     turnstile_dispatcher_polls_total and turnstile_dispatcher_wakes_total
//
// and these are as they were at the scrape, but for tasks and coroutines:
//
//   - turnstile_dispatcher_open: 0 once the dispatcher is closed, else 1
//   - turnstile_dispatcher_lag_seconds: see below
//   - turnstile_dispatcher_ready_callbacks, turnstile_dispatcher_idle_callbacks,
//     turnstile_dispatcher_timers, turnstile_dispatcher_watches, turnstile_dispatcher_processes,
//     turnstile_dispatcher_operations, turnstile_dispatcher_holds,
//     turnstile_dispatcher_descriptors, turnstile_dispatcher_events, turnstile_dispatcher_signals
//   - turnstile_dispatcher_tasks, turnstile_dispatcher_blocking_functions
//   - turnstile_dispatcher_coroutines, with a label state: "idle" or "parked"
//
// Those two, and the sums, are what the loop told when it last asked the operating system, or
// went to sleep.
//
// # Lag
//
// The lag is the time from a post to its turn. Each scrape posts a probe, unless the one before
// has not run yet. What it shows is the lag that the last probe had, or if it is longer how long
// the present one has been waiting: so it is from the scrape before as long as the loop runs,
// and grows from scrape to scrape while the loop hangs, or nobody turns it. The
// first scrape has no figure, nor has any once the dispatcher is closed. A probe counts as pending
// until it has run, and wakes a loop that sleeps.
//
// # Metrics of the tracking
//
// They have the labels function, file, which is the last part of its path, and line, and are there
// only while core.Track is on. They count futures and tasks by the place they were made at:
//
//   - turnstile_futures_pending
//   - turnstile_futures_created_total, turnstile_futures_finished_total
//   - turnstile_futures_dropped_total: those that nobody can reach any more, and that were never finished
//
// There are as many series as there are places in the program that make futures or tasks.
package turnstileprom
