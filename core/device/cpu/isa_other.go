//go:build !amd64 && !arm64

package cpu

var isas = []string{"go"}

func bestISA() string { return "go" }
