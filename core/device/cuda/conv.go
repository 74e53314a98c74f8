package cuda

import "pare/core/device"

var convKernels = map[device.Kernel]build{}
