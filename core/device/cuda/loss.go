package cuda

import "pare/core/device"

var lossKernels = map[device.Kernel]build{}
