package cuda

import "pare/core/device"

var normKernels = map[device.Kernel]build{}
