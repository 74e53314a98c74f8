package energy

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func reading(uj int64, tier Tier, wallUS int64) Reading {
	r := Reading{UJ: &uj, Tier: tier, Source: "source " + string(tier), Boundary: "test", Coverage: 1, WallUS: wallUS}
	if tier == TierE {
		r.Band = 40
	}
	return r
}

func TestLedger(t *testing.T) {
	var l Ledger
	l.Add("baseline", 0, reading(1_000_000, TierB, 2_000_000), 3_000_000)
	l.Add("baseline", 1, reading(2_000_000, TierB, 2_000_000), 3_100_000)
	l.Add("baseline", 1, reading(500_000, TierE, 1_000_000), 400_000) // the counter was lost
	l.Add("sparsify", NoEpoch, Reading{WallUS: 5_000_000, Note: "lost"}, 6_000_000)
	total := l.Total()
	if total.UJ == nil || *total.UJ != 3_500_000 || total.CPUUS != 12_500_000 || total.Windows != 4 || total.Unmeasured != 1 {
		t.Errorf("%+v", total)
	}
	if total.Worst() != TierE || total.Share(TierB) != 3.0/3.5 || total.Share(TierE) != 0.5/3.5 || total.Share(TierA) != 0 {
		t.Errorf("worst %s, shares %g %g", total.Worst(), total.Share(TierB), total.Share(TierE))
	}
	if total.Coverage() != 0.5 {
		t.Errorf("coverage %g, want 5 of 10 s", total.Coverage())
	}
	if s := Format(total.Reading()); s != "≈3.5 J E ±6 % (50 % covered)" {
		t.Errorf("%s", s)
	}
	if b := l.Epoch("baseline", 0); b.Worst() != TierB || !b.Reading().Measured() || Format(b.Reading()) != "1.00 J B" {
		t.Errorf("%+v", b)
	}
	if b := l.Stage("baseline"); *b.UJ != 3_500_000 || b.Coverage() != 1 || b.Reading().Measured() {
		t.Errorf("%+v: a sum with estimated joules is not measured", b)
	}
	// A sum of nothing measured is nil, not zero.
	if s := l.Stage("sparsify"); s.UJ != nil || s.Coverage() != 0 || s.CPUUS != 6_000_000 || Format(s.Reading()) != "–" {
		t.Errorf("%+v", s)
	}
	if s := l.Stage("deploy"); s.UJ != nil || s.Windows != 0 || s.Coverage() != 0 || s.Worst() != TierNone {
		t.Errorf("%+v", s)
	}
	if got := strings.Join(l.Stages(), " "); got != "baseline sparsify" {
		t.Errorf("stages %s", got)
	}
	var none *Ledger
	if s := none.Total(); s.UJ != nil || none.Stages() != nil || len(none.Clone().Rows) != 0 {
		t.Errorf("nil ledger: %+v", s)
	}
}

func TestLedgerJSON(t *testing.T) {
	var l Ledger
	l.Add("baseline", 0, reading(1_000_000, TierB, 2_000_000), 3_000_000)
	l.Add("baseline", NoEpoch, Reading{WallUS: 7}, 1)
	data, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), `"uj":null`) || !strings.Contains(string(data), `"uj":1000000`) {
		t.Errorf("%s", data)
	}
	var back Ledger
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(l, back) {
		t.Errorf("%+v came back as %+v", l, back)
	}
	// What was billed stays billed: the resumed run adds to it.
	copied := back.Clone()
	back.Add("baseline", 0, reading(5, TierE, 1), 1)
	if *back.Total().UJ != 1_000_005 || *copied.Total().UJ != 1_000_000 || copied.Total().Worst() != TierB {
		t.Errorf("%+v, clone %+v", back.Total(), copied.Total())
	}
	for text, want := range map[string]string{
		`{"rows":[{"stage":"a","epoch":0,"uj":5}]}`:                                                    "without a tier",
		`{"rows":[{"stage":"a","epoch":0,"uj":5,"uj_by_tier":{"B":4}}]}`:                               "add up to 4",
		`{"rows":[{"stage":"a","epoch":0,"uj_by_tier":{"B":4}}]}`:                                      "no total",
		`{"rows":[{"stage":"a","epoch":0,"uj":5,"uj_by_tier":{"Z":5}}]}`:                               "unknown tier",
		`{"rows":[{"stage":"a","epoch":0,"cpu_us":-1}]}`:                                               "negative",
		`{"rows":[{"stage":"a","epoch":0},{"stage":"a","epoch":0}]}`:                                   "twice",
		`{"rows":[{"stage":"a","epoch":0,"uj":-2,"uj_by_tier":{"B":9223372036854775807,"C":-9}}]}`:     "out of range",
		`{"rows":[{"stage":"a","epoch":0,"uj":1,"uj_by_tier":{"B":9223372036854775807,"C":1000000}}]}`: "out of range",
	} {
		var bad Ledger
		if err := json.Unmarshal([]byte(text), &bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want …%s…", text, err, want)
		}
	}
}

// However the windows are grouped, the total is the sum, to the microjoule.
func TestLedgerAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l Ledger
		var uj, cpu, wall int64
		measured := 0
		for range rapid.IntRange(0, 40).Draw(t, "windows") {
			stage := rapid.SampledFrom([]string{"baseline", "sparsify", "validate"}).Draw(t, "stage")
			epoch := rapid.IntRange(-1, 4).Draw(t, "epoch")
			w := rapid.Int64Range(1, 1e12).Draw(t, "wall")
			c := rapid.Int64Range(0, 1e12).Draw(t, "cpu")
			r := Reading{WallUS: w}
			if rapid.Bool().Draw(t, "measured") {
				r = reading(rapid.Int64Range(0, 1e15).Draw(t, "uj"), rapid.SampledFrom([]Tier{TierB, TierE}).Draw(t, "tier"), w)
				uj += *r.UJ
				measured++
			}
			cpu, wall = cpu+c, wall+w
			l.Add(stage, epoch, r, c)
		}
		var byStage int64
		for _, s := range l.Stages() {
			if v := l.Stage(s).UJ; v != nil {
				byStage += *v
			}
		}
		total := l.Total()
		if (total.UJ == nil) != (measured == 0) {
			t.Fatalf("%d measured windows, total %v", measured, total.UJ)
		}
		if total.UJ != nil && (*total.UJ != uj || byStage != uj) {
			t.Fatalf("%d, by stage %d, want %d", *total.UJ, byStage, uj)
		}
		if total.CPUUS != cpu || total.WallUS != wall || total.Coverage() < 0 || total.Coverage() > 1 {
			t.Fatalf("%+v", total)
		}
		data, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		var back Ledger
		if err := json.Unmarshal(data, &back); err != nil || !reflect.DeepEqual(back.Total(), total) {
			t.Fatalf("%v: %+v", err, back.Total())
		}
	})
}

func FuzzLedgerJSON(f *testing.F) {
	f.Add([]byte(`{"rows":[{"stage":"a","epoch":0,"uj":5,"uj_by_tier":{"B":5},"cpu_us":3}]}`))
	f.Add([]byte(`{"rows":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var l Ledger
		if json.Unmarshal(data, &l) != nil {
			return
		}
		for _, r := range l.Rows {
			s := r.Sum
			if s.UJ != nil && (*s.UJ < 0 || s.Worst() == TierNone) {
				t.Fatalf("%+v", s)
			}
			Format(s.Reading())
		}
		if v := l.Total().UJ; v != nil && *v < 0 {
			t.Fatalf("total %d", *v)
		}
	})
}
