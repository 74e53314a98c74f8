package bench

import (
	"math"
	"testing"
	"time"

	"pare/core/device/cuda"
	"pare/core/device/cuda/cudatest"
	"pare/hwprofiles"
)

// What was measured on an H100 on 2026-11-25 (hwprofiles/h100-sxm.toml) gives its
// profile, which tells the sizes it was not fitted on.
func TestCardProfile(t *testing.T) {
	m := CardMeasured{
		Name: "NVIDIA H100 80GB HBM3", Elem: "bf16", Source: "nvml", Tier: "B", IdleW: 126, Bandwidth: 2900, TwoFour: 1.53,
		Products: []ProductPoint{{N: 1024, US: 5.69, Watts: 689, MJ: 3.92}, {N: 2048, US: 26.55, Watts: 693, MJ: 18.4}, {N: 4096, US: 205.8, Watts: 701, MJ: 144.3}, {N: 8192, US: 1653, Watts: 691, MJ: 1142}},
	}
	base, ok := hwprofiles.MatchGPU(m.Name)
	if !ok {
		t.Fatal("no profile")
	}
	p := m.Profile(base, "own", "measured")
	if r := p.Rates["bf16"]; r.Achievable.Value < 670e3 || r.Achievable.Value > 690e3 || r.Peak == nil || p.CallUS.Value < 2 || p.CallUS.Value > 3 || p.FullW.Value != 695 || p.BandwidthGBs.Value != 2900 {
		t.Errorf("%+v, call %v, %v W", r, p.CallUS, p.FullW)
	}
	if s, ok := p.SparseFor(hwprofiles.TwoFour); !ok || s.Efficiency.Value != 0.765 {
		t.Errorf("2:4 %+v", s)
	}
	if b := base.Rates["bf16"].Achievable.Source; b == p.Rates["bf16"].Achievable.Source || p.Rates["fp8"].Achievable == nil {
		t.Errorf("rates %v", p.Rates)
	}
	cs := m.Check(p)
	if len(cs) != 2 || cs[0].N != 2048 || cs[1].N != 8192 {
		t.Fatalf("%+v", cs)
	}
	for _, c := range cs {
		if math.Abs(c.US) > 15 || math.Abs(c.MJ) > 20 || c.US == 0 {
			t.Errorf("%+v", c)
		}
	}
}

// On a fake card all of it runs, and gives the memory back.
func TestMeasureCard(t *testing.T) {
	d, card := cudatest.New(8<<30, cuda.BF16)
	said := 0
	m, err := MeasureCard(d, "bf16", time.Millisecond, func(string, ...any) { said++ })
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Products) != 4 || m.Products[3].Rounds < 1 || m.Products[0].Rounds <= m.Products[3].Rounds || m.Bandwidth <= 0 || said < 6 {
		t.Errorf("%+v", m)
	}
	if m.TwoFour != 0 || m.WhyTwoFour == "" { // the fake has no cuSPARSELt of its own
		t.Errorf("2:4 %v %q", m.TwoFour, m.WhyTwoFour)
	}
	if free, err := card.Free(); err != nil || free != 8<<30 {
		t.Errorf("%d bytes free, %v", free, err)
	}
}
