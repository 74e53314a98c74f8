package energy

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

// codecarbon#567: the visible cards are ignored. All ways of naming them.
func TestVisibleDevices(t *testing.T) {
	uuids := []string{"GPU-8932f937-d72c", "GPU-8932aaaa-1111", "GPU-f1f1f1f1-2222"}
	parent := func(s string) (string, error) {
		if s == "MIG-1234" || s == "MIG-5678" {
			return uuids[2], nil
		}
		return "", errors.New("NVML: not found")
	}
	for _, c := range []struct {
		value string
		want  []int
		note  string
	}{
		{"0", []int{0}, "1 of 3 cards"},
		{"2,0", []int{2, 0}, "2 of 3 cards"},
		{"0,1,2", []int{0, 1, 2}, ""},
		{" 1 , 2 ", []int{1, 2}, "2 of 3"},
		{"", nil, "hides all cards"},
		{"  ", nil, "hides all cards"},
		{"-1", nil, "there is no card -1"},
		{"NoDevFiles", nil, "neither a number nor a UUID"},
		{"1,-1,2", []int{1}, "those after it name no card"},
		{"0,7,1", []int{0}, "there is no card 7"},
		{"GPU-f1f1", []int{2}, "1 of 3"},
		{"gpu-F1F1F1F1-2222", []int{2}, "1 of 3"},
		{"GPU-8932", nil, "fits more than one card"},
		{"GPU-8932f,GPU-8932a", []int{0, 1}, "2 of 3"},
		{"GPU-0000,0", nil, `no card is called "GPU-0000"`},
		{"0,0", []int{0}, "1 of 3"},
		{"MIG-1234,MIG-5678", []int{2}, "1 of 3"}, // two slices of one card: counted once
		{"MIG-none", nil, "NVML: not found"},
		{"MIG-GPU-8932f937-d72c/1/0", []int{0}, "1 of 3"},
	} {
		got, note := chooseCards(c.value, true, uuids, parent)
		if !reflect.DeepEqual(got, c.want) || !strings.Contains(note, c.note) || (c.note == "") != (note == "") {
			t.Errorf("%q: %v, %q", c.value, got, note)
		}
	}
	if got, note := chooseCards("", false, uuids, parent); len(got) != 3 || note != "" {
		t.Errorf("unset: %v %q", got, note)
	}
}

func TestOnlyVisibleCardsAreRead(t *testing.T) {
	for value, watts := range map[string]int64{"1": 200, "GPU-20": 400, "2,0": 500, "": 0} {
		f := newFake()
		m := f.open(t, newFakeNVML(f, h100(0, 100), h100(1, 200), h100(2, 400)).with(visibleDevices, value))
		r := f.window(m, time.Second)
		if watts == 0 {
			if len(m.parts) != 0 || !strings.Contains(row(t, m, "nvml").Why, "hides all cards") {
				t.Errorf("%q: %+v", value, row(t, m, "nvml"))
			}
			continue
		}
		wantUJ(t, value, r.Find("gpu"), watts*1_000_000)
	}
	f := newFake()
	m := f.open(t, newFakeNVML(f, h100(0, 100), h100(1, 200)).with(visibleDevices, "1"))
	if s := row(t, m, "nvml GPU 0"); s.Used || s.Why != "hidden by CUDA_VISIBLE_DEVICES" || s.Path == "" {
		t.Errorf("%+v", s)
	}
	// Numbers of unlike cards are CUDA's, fastest first, unless it is told otherwise.
	a40 := h100(0, 100)
	a40.name = "NVIDIA A40"
	// The card that the work runs on, whatever CUDA would let it use.
	m = f.open(t, newFakeNVML(f, h100(0, 100), h100(1, 200)).with(visibleDevices, "0"), func(o *Options) { o.Card = h100(1, 200).uuid })
	// An estimate of the CPU beside it would make the sum one: it is left out, and that is said.
	if m.Tier() != TierB || m.Source() != "nvml" || !strings.Contains(m.Boundary(), "the CPU beside it is not measured") {
		t.Errorf("tier %s by %s of %s", m.Tier(), m.Source(), m.Boundary())
	}
	if p := m.parts[len(m.parts)-1]; p.n != 1 || p.inputs[0].path != h100(1, 200).uuid {
		t.Errorf("%d cards, of %s", p.n, p.inputs[0].path)
	}
	m = f.open(t, newFakeNVML(f, a40, h100(1, 200)).with(visibleDevices, "0"))
	if s := row(t, m, "nvml"); !strings.Contains(s.Why, "CUDA_DEVICE_ORDER=PCI_BUS_ID") {
		t.Errorf("%+v", s)
	}
	m = f.open(t, newFakeNVML(f, a40, h100(1, 200)).with(visibleDevices, "0", "CUDA_DEVICE_ORDER", "PCI_BUS_ID"))
	if s := row(t, m, "nvml"); strings.Contains(s.Why, "PCI_BUS_ID") {
		t.Errorf("%+v", s)
	}
}

// dcgm-exporter#257, kepler#1198: the card's watts once per slice, added up. Here
// a card is read once, whatever slices are named, and marked as shared.
func TestMIGCountsOnce(t *testing.T) {
	f := newFake()
	c := h100(0, 300)
	c.mig, c.slices = true, []string{"MIG-aaaa", "MIG-bbbb", "MIG-cccc"}
	m := f.open(t, newFakeNVML(f, c).with(visibleDevices, "MIG-aaaa,MIG-bbbb,MIG-cccc"))
	g := f.window(m, 10*time.Second).Find("gpu")
	wantUJ(t, "the whole card once", g, 3_000_000_000)
	if !strings.Contains(g.Boundary, "shared by all MIG slices") {
		t.Errorf("%+v", g)
	}
	if s := row(t, m, "nvml GPU 0"); !strings.Contains(s.Why, "MIG: NVML has no energy of a slice") {
		t.Errorf("%+v", s)
	}
}
