package cpu

import "testing"

func TestISA(t *testing.T) {
	for _, c := range []struct{ want, best, isa string }{
		{"", "neon", "neon"}, {"go", "neon", "go"}, {"neon", "neon", "neon"}, {"avx512", "neon", "neon"},
	} {
		if got := chooseISA(c.want, c.best); got != c.isa {
			t.Errorf("PARE_ISA=%q, at best %s: %s, want %s", c.want, c.best, got, c.isa)
		}
	}
}
