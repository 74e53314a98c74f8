// Package tied is for tests that start processes which outlive their starter by design: a
// test binary that is killed, or that panics at its deadline, runs no cleanup, and a run
// it left would go on for ever.
//
// The test binary calls Begin before its tests; every process it starts, and what those
// start, inherits its number in the environment and calls Hold. Hold watches that number
// and ends the process when it is gone.
package tied

import (
	"os"
	"strconv"
	"time"
)

// env holds the process id of the test binary.
const env = "PARE_TEST_TIED"

// every is how often the test binary is looked for.
const every = time.Second

// Begin ties to this process whatever it starts from now on.
func Begin() error { return os.Setenv(env, strconv.Itoa(os.Getpid())) }

// Hold ends this process soon after the one it is tied to; without one it does nothing.
func Hold() {
	pid, err := strconv.Atoi(os.Getenv(env))
	if err != nil || pid == os.Getpid() {
		return
	}
	go func() {
		for lives(pid) {
			time.Sleep(every)
		}
		os.Exit(1)
	}()
}
