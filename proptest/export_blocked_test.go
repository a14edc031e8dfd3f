package proptest

import "time"

// SetLooks changes when a step is looked at that takes long, until the call of restore; what is less than a
// microsecond counts milliseconds. The last one is when the process is ended.
func SetLooks(of ...time.Duration) (restore func()) {
	was := looks
	for i, d := range of {
		if d < time.Microsecond {
			of[i] = d * time.Millisecond
		}
	}
	looks = of
	return func() { looks = was }
}

// SetVigil changes how often a bubble is looked at that may stand still, until the call of restore.
func SetVigil(tick time.Duration) (restore func()) {
	was := vigilTick
	vigilTick = tick
	return func() { vigilTick = was }
}

// Patient is how long a step may wait for a mutex.
const Patient = patient
