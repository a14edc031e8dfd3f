//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// cpus are the two that are used.
type cpus struct {
	all            unix.CPUSet
	server, client int
}

// twoCPUs takes two CPUs of those that this process may run on: the first and the last, which are least likely to share
// a core.
func twoCPUs() (c cpus, err error) {
	if err := unix.SchedGetaffinity(0, &c.all); err != nil {
		return c, err
	}
	var own []int
	for i := range len(c.all) * 64 {
		if c.all.IsSet(i) {
			own = append(own, i)
		}
	}
	if len(own) < 2 {
		return c, errors.New("two CPUs are needed, one for the server and one for the client")
	}
	c.server, c.client = own[0], own[len(own)-1]
	return c, nil
}

// pin binds the calling thread to a CPU; what it starts inherits that.
func pin(cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	return unix.SchedSetaffinity(0, &set)
}

// pinAll binds all threads of this process to a CPU, and so those that they start.
func pinAll(cpu int) error {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	var set unix.CPUSet
	set.Set(cpu)
	for _, t := range tasks {
		id, err := strconv.Atoi(t.Name())
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(id, &set); err != nil && err != unix.ESRCH {
			return err
		}
	}
	return nil
}

// cpuTime returns the nanoseconds of CPU time that the threads of a process have used, as the scheduler of the
// system counts them.
func cpuTime(pid int) (sum float64, err error) {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return 0, err
	}
	for _, t := range tasks {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/schedstat", pid, t.Name()))
		if err != nil {
			continue // it has just ended
		}
		var ns float64
		if _, err := fmt.Sscan(string(stat), &ns); err != nil {
			return 0, err
		}
		sum += ns
	}
	return sum, nil
}

// resident returns the bytes of memory of a process.
func resident(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	var size, pages float64
	if _, err := fmt.Sscan(string(text), &size, &pages); err != nil {
		return 0, err
	}
	return pages * float64(os.Getpagesize()), nil
}
