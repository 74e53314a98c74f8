package cpu

import "testing"

func TestISA(t *testing.T) {
	for _, c := range []struct{ want, best, isa string }{
		{"", "avx512", "avx512"}, {"", "go", "go"}, {"go", "avx512", "go"}, {"avx2", "avx512", "avx2"},
		{"avx512", "avx2", "avx2"}, {"avx2", "go", "go"}, {"mmx", "avx2", "avx2"},
	} {
		if got := chooseISA(c.want, c.best); got != c.isa {
			t.Errorf("PARE_ISA=%q, at best %s: %s, want %s", c.want, c.best, got, c.isa)
		}
	}
}
