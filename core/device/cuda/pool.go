package cuda

import "pare/core/device"

var poolKernels = map[device.Kernel]build{}
