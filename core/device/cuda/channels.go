package cuda

import "pare/core/device"

var channelKernels = map[device.Kernel]build{}
