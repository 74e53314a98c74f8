package cuda

// Plain is the device with convolutions by the plain kernels.
func (d Device) Plain() Device {
	d.plain = true
	return d
}
