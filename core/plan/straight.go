package plan

import (
	"slices"

	"pare/core/device"
	"pare/core/graph"
)

// straighten leaves out the transposed gradients of a device whose products take dy as it
// lies: they would take the room of all dy once more.
func straighten(b *graph.Builder) {
	b.Calls = slices.DeleteFunc(b.Calls, func(c device.Call) bool { return c.Kernel == device.Transpose })
	for i := range b.Late {
		if c := &b.Late[i]; c.Kernel == device.LinearDW || c.Kernel == device.ConvDW {
			c.In = c.In[:2:2]
		}
	}
}
