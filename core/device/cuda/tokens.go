package cuda

import "pare/core/device"

var tokenKernels = map[device.Kernel]build{}
