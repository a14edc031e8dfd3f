package proptest

// Option changes how [Check] draws and runs the cases.
type Option func(*config)

type config struct {
	deviations int
	cancels    int
	panics     int
	timers     int
	steps      int
	replay     *plan
}

func configOf(opts []Option) config {
	c := config{deviations: 6, steps: 10_000}
	for _, o := range opts {
		o(&c)
	}
	return c
}

// Deviations sets how often at most, in one case, another callback than the first of the FIFO is run
// next. The default is 6; 0 leaves the order as a real dispatcher has it.
func Deviations(n int) Option {
	return func(c *config) { c.deviations = notNegative(n, "Deviations") }
}

// Cancels makes up to n cancels part of each case: which of the tasks of [P.Go], and behind which step,
// is drawn. A task that returns the error of its cancel has not failed. The default is 0.
func Cancels(n int) Option {
	return func(c *config) { c.cancels = notNegative(n, "Cancels") }
}

// Panics makes up to n tasks of each case die by a panic in a wait. The panic does not fail the case; what it
// leaves behind may. The default is 0.
func Panics(n int) Option {
	return func(c *config) { c.panics = notNegative(n, "Panics") }
}

// Timers lets the clock go on up to n times in each case while callbacks are ready, to the next
// deadline of a timer: so a timeout may come before work that is ready, as on a busy
// machine, and timers of several deadlines in any order. The default is 0: time passes only while nothing is
// ready. In which order timers of the same deadline fire is part of the schedule in any case.
func Timers(n int) Option {
	return func(c *config) { c.timers = notNegative(n, "Timers") }
}

// Steps sets how many steps a case may take before it counts as a livelock. The default is 10,000.
func Steps(n int) Option {
	if n < 1 {
		panic("proptest: Steps of less than 1")
	}
	return func(c *config) { c.steps = n }
}

func notNegative(n int, name string) int {
	if n < 0 {
		panic("proptest: negative " + name)
	}
	return n
}
