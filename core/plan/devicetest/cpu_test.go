package devicetest

import (
	"testing"

	"pare/core/device/cpu"
)

func TestCPU(t *testing.T) { Run(t, cpu.Checked(), cpu.Separated()) }

func TestCPUAllocations(t *testing.T) { Allocations(t, cpu.New()) }
