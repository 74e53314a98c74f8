//go:build !linux && !darwin

package energy

func switches() int64 { return 0 }
