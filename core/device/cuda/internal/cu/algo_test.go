package cu

import "testing"

func TestAlgorithmsOf2of4HaveNames(t *testing.T) {
	for _, a := range []algo{{}, {7, 1, 0, 0}, {12, 4, 2, 3}, {17, -1, 1, 0}} {
		if got, err := parseAlgo(a.String()); err != nil || got != a {
			t.Errorf("%v: %v, %v", a, got, err)
		}
	}
	for _, bad := range []string{"", "x", "7", "7/1/0", "-1/1/0/0", "1/-2/0/0", "7/1/0/0/1", "7/1/0/0 x", "7/1/0/0x"} {
		if a, err := parseAlgo(bad); err == nil {
			t.Errorf("%q is %v", bad, a)
		}
	}
}

func TestFits2of4(t *testing.T) {
	good := Product{M: 64, N: 64, K: 64, A: BF16, B: BF16, D: BF16, TransB: true}
	if err := good.Fits2of4(); err != nil {
		t.Error(err)
	}
	for i, change := range []func(p *Product){
		func(p *Product) { p.A = F32 }, func(p *Product) { p.N = 40 }, func(p *Product) { p.K = 24 }, func(p *Product) { p.M = 4 },
		func(p *Product) { p.TransA = true }, func(p *Product) { p.Epilogue = GELUAux }, func(p *Product) { p.LDA = 68 }, func(p *Product) { p.Batch = 2 },
		func(p *Product) { p.Align = 8 }, func(p *Product) { p.Epilogue = Bias },
	} {
		p := good
		change(&p)
		if p.Fits2of4() == nil {
			t.Errorf("change %d fits", i)
		}
	}
}
