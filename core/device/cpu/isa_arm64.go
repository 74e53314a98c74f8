package cpu

// isas are the instruction sets of arm64, the better one first.
var isas = []string{"neon", "go"}

// bestISA is NEON: every arm64 processor has it.
func bestISA() string { return isas[0] }
