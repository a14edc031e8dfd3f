package proptest

// Option changes how [Check] draws and runs the cases.
//
// An option that is given twice counts as it was given last. Options that contradict each other make Check panic, and
// so do numbers that make no sense.
type Option func(*config)

type config struct {
	deviations int
	cancels    int
	panics     int
	timers     int
	steps      int
	cases      int
	replay     *plan

	exhaustive   bool
	bound        int // of deviations in exhaustive; negative: none
	maxSchedules int // 0: not given
	priorities   int // d of PCT; 0: not given
	bubble       bool
	goroutines   bool
	leaks        bool

	lists lists
}

func configOf(opts []Option) config {
	c := config{deviations: 6, steps: 10_000, cases: 1000}
	for _, o := range opts {
		o(&c)
	}
	if what := c.contradiction(); what != "" {
		panic("proptest: " + what)
	}
	return c
}

// contradiction says which options cannot be had together, if there are such.
func (c *config) contradiction() string {
	switch {
	case c.exhaustive && c.replay != nil:
		return "Exhaustive runs all schedules, and Replay one"
	case c.exhaustive && c.priorities > 0:
		return "Exhaustive runs all schedules, and PCT draws some"
	case c.exhaustive && c.goroutines:
		return "Exhaustive with Goroutines, which are not scheduled"
	case c.maxSchedules > 0 && !c.exhaustive:
		return "MaxSchedules without Exhaustive"
	case c.priorities > 0 && c.replay != nil:
		return "PCT draws schedules, and Replay runs one"
	case c.priorities > 0 && c.goroutines:
		return "PCT with Goroutines, which are not scheduled"
	case c.panics > 0 && c.goroutines:
		return "Panics with Goroutines, which cannot be made to panic"
	case c.timers > 0 && c.goroutines:
		return "Timers with Goroutines, whose clock stands still while one of them runs"
	}
	return ""
}

// Cases sets how many cases are run, in rounds of 100. The default is 1000. The flag -rapid.checks
// counts instead, if it is given and not 100, and so does the environment variable RAPID_CHECKS; with
// -rapid.seed there is one round, and with -short a round has 20 cases.
func Cases(n int) Option {
	if n < 1 {
		panic("proptest: Cases of less than 1")
	}
	return func(c *config) { c.cases = n }
}

// Deviations sets how often at most, in one case, another callback than the first of the FIFO is run
// next. The default is 6; 0 leaves the order as a real dispatcher has it.
//
// Where they are is drawn, here and for [Cancels], [Panics], [Timers] and the changes of [PCT], from all steps of the
// case: some for the first hundred, small ones being more likely, and then, of those that are left, some for
// each part in which the case gets twice as long, that is from step 100, 200, 400 on and so forth; those of one part
// are within about a hundred steps of each other. So an early step is more likely than a late one: a case
// that gets to the point within some ten steps is searched best, and one of a thousand takes many cases for a bug that
// needs a certain one of its steps.
func Deviations(n int) Option {
	notNegative(n, "Deviations")
	return func(c *config) { c.deviations = n }
}

// Cancels makes up to n cancels part of each case: which of the tasks of [P.Go], and behind which step,
// is drawn. A task that returns the error of its cancel has not failed, nor has one that returns what it got for waiting
// for a task that was canceled, as long as errors.Unwrap leads to that. The default is 0.
func Cancels(n int) Option {
	notNegative(n, "Cancels")
	return func(c *config) { c.cancels = n }
}

// Panics makes up to n tasks of each case die by a panic in a wait, one that has not got what it waits for. The panic
// does not fail the case, nor does an error of another task that tells of it; what it leaves behind may. The
// default is 0.
func Panics(n int) Option {
	notNegative(n, "Panics")
	return func(c *config) { c.panics = n }
}

// Timers lets the clock go on up to n times in each case while callbacks are ready, to the next
// deadline of a timer: so a timeout may come before work that is ready, as on a busy
// machine, and timers of several deadlines in any order. The default is 0: time passes only while nothing is
// ready. In which order timers of the same deadline fire is part of the schedule in any case.
func Timers(n int) Option {
	notNegative(n, "Timers")
	return func(c *config) { c.timers = n }
}

// Steps sets how many steps a case may take before it counts as a livelock. The default is 10,000. Under
// [Goroutines] there are no steps to count.
func Steps(n int) Option {
	if n < 1 {
		panic("proptest: Steps of less than 1")
	}
	return func(c *config) { c.steps = n }
}

func notNegative(n int, name string) {
	if n < 0 {
		panic("proptest: negative " + name)
	}
}
