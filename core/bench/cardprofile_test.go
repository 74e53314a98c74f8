package bench

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
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
		Name: "NVIDIA H100 80GB HBM3", Elem: "bf16", Source: "nvml", Tier: "B", IdleW: 126, Bandwidth: 2900, TwoFour: 1.53, TwoFourBy: "cuSPARSELt 0.8.0",
		Products: []ProductPoint{{N: 1024, US: 5.69, Watts: 689, MJ: 3.92}, {N: 2048, US: 26.55, Watts: 693, MJ: 18.4}, {N: 4096, US: 205.8, Watts: 701, MJ: 144.3}, {N: 8192, US: 1653, Watts: 691, MJ: 1142}},
	}
	base, ok := hwprofiles.MatchGPU(m.Name)
	if !ok {
		t.Fatal("no profile")
	}
	p, err := m.Profile(base, "own", "measured")
	if err != nil {
		t.Fatal(err)
	}
	if r := p.Rates["bf16"]; r.Achievable.Value < 670e3 || r.Achievable.Value > 690e3 || r.Peak == nil || p.CallUS.Value < 2 || p.CallUS.Value > 3 || p.FullW.Value != 695 || p.BandwidthGBs.Value != 2900 {
		t.Errorf("%+v, call %v, %v W", r, p.CallUS, p.FullW)
	}
	if s, ok := p.SparseFor(hwprofiles.TwoFour); !ok || s.Efficiency.Value != 0.765 || !strings.HasSuffix(s.Source, ", cuSPARSELt 0.8.0") {
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

// A card that something else keeps busy has no rate, and that is said.
func TestCardProfileOfNothing(t *testing.T) {
	m := CardMeasured{Elem: "bf16", Products: []ProductPoint{{N: 1024, US: 300}, {N: 4096, US: 300}}}
	if _, err := m.Profile(hwprofiles.Profile{}, "own", "measured"); err == nil || !strings.Contains(err.Error(), "measure again") {
		t.Error(err)
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
	// A fake product takes as long as the host is busy, so that no size's time says
	// anything beside another's.
	if len(m.Products) != 4 || m.Bandwidth <= 0 || said < 6 {
		t.Errorf("%+v", m)
	}
	for i, p := range m.Products {
		if p.N != 1024<<i || p.Rounds < 1 || p.US <= 0 {
			t.Errorf("product %d: %+v", i, p)
		}
	}
	if !(m.TwoFour > 0) || m.WhyTwoFour != "" {
		t.Errorf("2:4 %v %q", m.TwoFour, m.WhyTwoFour)
	}
	if free, err := card.Free(); err != nil || free != 8<<30 {
		t.Errorf("%d bytes free, %v", free, err)
	}
	if m.TwoFourBy != "cuSPARSELt fake" {
		t.Errorf("2:4 by %q", m.TwoFourBy)
	}
}

// TestMeasureCardRaces: of two that make 2:4 products the faster one by the card's clock is
// measured, and both times are told; one that refuses leaves the other.
func TestMeasureCardRaces(t *testing.T) {
	for _, x := range []struct {
		ours   float32 // ms, the library takes 1
		refuse bool    // the library does
		by     string
	}{
		{0.75, false, "pare's kernel pare-2 (0.75 ms; cuSPARSELt fake 1)"},
		{1.25, false, "cuSPARSELt fake (1 ms; pare's kernel pare-2 1.25)"},
		{1.25, true, "pare's kernel pare-2"},
	} {
		d, card := cudatest.New(8<<30, cuda.BF16)
		card.Hopper, card.Takes = true, map[string]float32{"RunSparse": 1, "sparse24": x.ours}
		products := 0
		card.Refuse = func(string, string) bool { products++; return x.refuse && products > 4 } // after the dense ones
		m, err := MeasureCard(d, "bf16", time.Millisecond, func(string, ...any) {})
		if err != nil || m.TwoFourBy != x.by || m.WhyTwoFour != "" || !(m.TwoFour > 0) {
			t.Errorf("2:4 by %q (%q), want %q, %v", m.TwoFourBy, m.WhyTwoFour, x.by, err)
		}
		ours, theirs := card.Calls("sparse24"), card.Calls("RunSparse")
		if strings.HasPrefix(x.by, "pare") != (ours > theirs) {
			t.Errorf("%s: %d products of ours, %d of the library", x.by, ours, theirs)
		}
		if l := card.Leaks(); len(l) > 0 {
			t.Errorf("left on the card: %v", l)
		}
	}
}

// Where RAPL can be read and the card's power cannot, the CPU's joules are not written
// down as the card's.
func TestMeasureCardBesideRAPL(t *testing.T) {
	root := t.TempDir()
	zone := filepath.Join(root, "intel-rapl:0")
	if err := os.Mkdir(zone, 0o755); err != nil {
		t.Skip(err) // folder names with colons
	}
	write := func(name, text string) {
		next := filepath.Join(root, "next")
		if err := errors.Join(os.WriteFile(next, []byte(text+"\n"), 0o644), os.Rename(next, filepath.Join(zone, name))); err != nil {
			t.Error(err)
		}
	}
	write("name", "package-0")
	write("max_energy_range_uj", "262143328850")
	write("energy_uj", "1000")
	begin, stop, done := time.Now(), make(chan struct{}), make(chan struct{})
	defer func() { close(stop); <-done }()
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				write("energy_uj", fmt.Sprint(1000+50*time.Since(begin).Microseconds())) // 50 W
			}
		}
	}()
	t.Setenv("PARE_RAPL", root)
	t.Setenv("PARE_ENERGY", "")
	t.Setenv("PARE_WALL", "")
	d, _ := cudatest.New(8<<30, cuda.BF16)
	m, err := MeasureCard(d, "bf16", 250*time.Millisecond, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	if m.IdleW != 0 || m.Source != "" || m.Tier != "" {
		t.Errorf("at rest %.1f W by %s, tier %s", m.IdleW, m.Source, m.Tier)
	}
	for _, p := range m.Products {
		if p.Watts != 0 || p.MJ != 0 {
			t.Errorf("%+v", p)
		}
	}
}
