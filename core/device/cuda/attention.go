package cuda

import "pare/core/device"

var attentionKernels = map[device.Kernel]build{}
