//go:build !amd64

package cpu

func bestISA() string { return "go" }
