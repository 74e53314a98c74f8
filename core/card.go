package core

import (
	"strings"

	"pare/core/device"
	"pare/core/energy"
	"pare/core/event"
	"pare/core/prune"
	"pare/hwprofiles"
)

// cardOf is the card that a run computes on; false: it is the processor.
func cardOf(dev device.Device) (device.Card, bool) {
	c, ok := dev.(device.Card)
	return c, ok
}

// meterOptions are of a meter for a run on dev: with the card that it runs on, and no
// other; without any where it runs on the processor, since what idle cards draw is not
// the run's.
func meterOptions(dev device.Device, wall string) energy.Options {
	o := energy.Options{GPU: energy.GPUNone, Wall: wall}
	if c, ok := cardOf(dev); ok {
		o.GPU, o.Card = energy.GPUAuto, c.UUID()
	}
	return o
}

// A card's tensor cores read rows in pieces of 16 bytes, eight values of bf16. Rows that
// begin elsewhere are read by kernels that take four times as long: GPT-2's shape on an
// H100, cut to 2172 hidden channels, 31 ms a step, to 1536 7 ms.
const (
	cardMultiple = 8
	cardSmall    = 64 // channels: with smaller groups a step is bound by launches, whatever their sizes
)

// ruleOn is the recipe's pruning rule as a run on dev takes it, of a net that came with
// base: cuts keep multiples of what the recipe says, else of what the device reads well.
// The base and not the net as it is decides, so that a net that shrinks stays round.
func (r *Recipe) ruleOn(dev device.Device, base prune.Base) prune.Spec {
	s := r.rule()
	_, card := cardOf(dev)
	card = card || strings.HasPrefix(r.Hardware.Device, "cuda") // elsewhere, and only predicted for
	if card && s.RoundTo == 0 && s.Structured() && base.Narrowest() >= cardSmall {
		s.RoundTo = cardMultiple
	}
	return s
}

// busyUS is the time that work took between two marks, µs: CPU time of this process, all
// threads; on a card what passed on the clock, since a run waits for its card after
// every step.
func (r *run) busyUS(a, b energy.Mark) int64 {
	if _, ok := cardOf(r.dev); ok {
		return energy.Wall(a, b).Microseconds()
	}
	return energy.CPUMicros(a, b)
}

// busy is busyUS of an amount that is known already.
func (r *run) busy(cpuUS, wallUS int64) int64 {
	if _, ok := cardOf(r.dev); ok {
		return wallUS
	}
	return cpuUS
}

// busyTime names it in a sentence.
func busyTime(kind string) string { return event.ClockOf(kind).Name }

// timeName is busyTime of this run's device.
func (r *run) timeName() string {
	_, kind := hardware(r.dev)
	return busyTime(kind)
}

// hardware is the profile of what a device computes on, by name and kind ("cpu",
// "gpu"). A card that no profile describes has its own name.
func hardware(dev device.Device) (name, kind string) {
	c, ok := cardOf(dev)
	if !ok {
		return hwprofiles.Local().Name, "cpu"
	}
	if p, ok := hwprofiles.MatchGPU(c.Model()); ok {
		return p.Name, "gpu"
	}
	return c.Model(), "gpu"
}
