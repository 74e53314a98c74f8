package cuda

import "pare/core/device"

var rowKernels = map[device.Kernel]build{}
