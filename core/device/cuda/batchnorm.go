package cuda

import "pare/core/device"

var batchNormKernels = map[device.Kernel]build{}
