package energy

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"pare/core/energy/internal/nvml"
)

const (
	// nvmlUpdate is how often NVML's energy counter moves.
	nvmlUpdate = 100 * time.Millisecond
	// overLimit is by how much a card may exceed its largest power limit before a
	// figure is called impossible: limits hold for averages, peaks go above.
	overLimit = 2
	// frozenPower is how long power that is known to the milliwatt may stay the
	// same before it is called frozen.
	frozenPower = time.Minute
	// frozenCoarse is the same for sensors that tell whole watts or average over
	// seconds: at a steady load they may stand for minutes.
	frozenCoarse = 10 * time.Minute
)

// nvmlPatience is how long Open waits for the library and the cards. Loading the
// driver of a card without persistence takes a second or two.
var nvmlPatience = 5 * time.Second

// gpuScan is the outcome of looking for graphics cards.
type gpuScan struct {
	inputs           []*input // of the cards that are used
	source, boundary string
	module           bool // the figures contain a CPU (Grace Hopper)
	status           []Status
	release          []func()
}

func (s *gpuScan) close() {
	for _, f := range s.release {
		f()
	}
	s.release = nil
}

// scanGPUs looks for cards: NVML, else nvidia-smi; amdgpu and Intel cards by hwmon
// beside them.
func scanGPUs(o Options) (gpuScan, error) {
	var s gpuScan
	if o.GPU == GPUNone {
		s.status = []Status{{Name: "nvml", Why: "not looked for: GPUs were left out, the work does not run on them"}}
		return s, nil
	}
	var nv nvidia
	if o.GPU != GPUSMI {
		nv = scanInTime(o)
		s.status = append(s.status, nv.status...)
		if o.GPU == GPUNVML && len(nv.inputs) == 0 {
			nv.closeAll()
			return s, fmt.Errorf("energy of the GPUs by nvml: %s", joinFix(nv.status[0].Why, nv.status[0].Fix))
		}
	}
	// The next rung only where the library could not be asked: cards it refuses or
	// that are hidden stay so.
	if o.GPU == GPUSMI || !nv.asked {
		rung := scanSMI(o)
		s.status = append(s.status, rung.status...)
		if o.GPU == GPUSMI && len(rung.inputs) == 0 {
			rung.closeAll()
			return s, fmt.Errorf("energy of the GPUs by nvidia-smi: %s", joinFix(rung.status[0].Why, rung.status[0].Fix))
		}
		nv = rung
	}
	s.take(o.now(), nv.inputs, nv.sources, nv.boundary(), nv.release)
	s.module = nv.module
	if o.GPU == GPUAuto {
		amd := scanHwmonGPUs(o)
		s.status = append(s.status, amd.status...)
		s.take(o.now(), amd.inputs, []string{"hwmon"}, amd.boundary, nil)
	}
	return s, nil
}

func (s *gpuScan) take(now int64, inputs []*input, sources []string, boundary string, release []func()) {
	s.release = append(s.release, release...)
	if len(inputs) == 0 {
		return
	}
	for _, in := range inputs {
		in.found = now
	}
	s.inputs = append(s.inputs, inputs...)
	s.source = join(union(nonEmpty(s.source), sources))
	s.boundary = join(append(nonEmpty(s.boundary), boundary))
}

func nonEmpty(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// nvidia are the NVIDIA cards that one rung of the ladder can read.
type nvidia struct {
	asked   bool // the library answered
	inputs  []*input
	sources []string // in order of first use
	module  bool
	mig     bool
	status  []Status
	release []func()
}

func (n *nvidia) closeAll() {
	for _, f := range n.release {
		f()
	}
	n.release = nil
}

func (n *nvidia) boundary() string {
	b := "1 NVIDIA GPU, the whole card"
	if k := len(n.inputs); k > 1 {
		b = fmt.Sprintf("%d NVIDIA GPUs, whole cards", k)
	}
	if n.module {
		b += " with the CPU on the module"
	}
	b += ", all processes"
	if n.mig {
		b += ", shared by all MIG slices"
	}
	return b
}

// card is one NVIDIA card as NVML shows it.
type card struct {
	dev        nvml.Device
	label      string // "GPU 0"
	name, uuid string
	mig        bool
	maxW       float64
}

// scanInTime is scanNVML, but does not wait for a driver that hangs.
func scanInTime(o Options) nvidia {
	found := make(chan nvidia, 1)
	go func() { found <- scanNVML(o) }()
	n, ok := within(nvmlPatience, found)
	if !ok {
		go func() {
			late := <-found
			late.closeAll()
		}()
		n.status = []Status{{Name: "nvml", Why: fmt.Sprintf("NVML did not answer within %v", nvmlPatience)}}
	}
	return n
}

func scanNVML(o Options) nvidia {
	var n nvidia
	n.status = []Status{{Name: "nvml"}}
	top := func() *Status { return &n.status[0] }
	if o.nvml == nil {
		top().Why = "not looked for"
		return n
	}
	api, err := o.nvml()
	if err != nil {
		top().Why, top().Fix = err.Error(), "with an NVIDIA card: install its driver; in a container: start it with --gpus all"
		if errors.Is(err, nvml.NoDriver) || errors.Is(err, nvml.NotInitialized) {
			top().Fix = "sudo modprobe nvidia; in a container: start it with --gpus all"
		}
		return n
	}
	n.release = []func(){api.Close}
	n.asked = true
	cards, err := listCards(api)
	if err != nil {
		top().Why = err.Error()
		return n
	}
	driver, _ := api.Driver()
	top().Value = fmt.Sprintf("driver %s, %d cards", driver, len(cards))
	uuids := make([]string, len(cards))
	for i, c := range cards {
		uuids[i] = c.uuid
	}
	value, set := o.visible()
	picked, note := chooseCards(value, set, uuids, func(slice string) (string, error) { return parentUUID(api, slice) })
	if len(cards) == 0 {
		note = "the driver sees no card"
	}
	order, _ := o.env("CUDA_DEVICE_ORDER")
	if byNumber(value) && order != "PCI_BUS_ID" && differ(cards) {
		note = joinNotes(note, "the cards differ, and CUDA numbers the fastest first: set CUDA_DEVICE_ORDER=PCI_BUS_ID or give UUIDs")
	}
	top().Why = note
	n.read(o, cards, picked)
	top().OK, top().Used = len(n.inputs) > 0, len(n.inputs) > 0
	for _, in := range n.inputs {
		top().Tier = top().Tier.Worse(in.tier)
	}
	if missing := len(picked) - len(n.inputs); missing > 0 {
		top().Why = joinNotes(top().Why, fmt.Sprintf("not measured: %d of %d cards", missing, len(picked)))
	}
	return n
}

// read finds for each picked card what it can be read by, and says of the others
// that they are hidden.
func (n *nvidia) read(o Options, cards []card, picked []int) {
	ways := make([]*way, len(cards))
	for _, i := range picked {
		ways[i] = findWay(o, cards[i])
	}
	watch(ways, o.sleep)
	for i, c := range cards {
		st := Status{Name: "nvml " + c.label, Path: c.uuid, Why: o.hidden()}
		if w := ways[i]; w != nil {
			st = w.row(c)
			if w.input != nil {
				n.inputs = append(n.inputs, w.input)
				n.sources = union(n.sources, []string{w.source})
				n.module = n.module || w.scope == nvml.Module
				n.mig = n.mig || c.mig
			}
		}
		n.status = append(n.status, st)
	}
}

func listCards(api nvml.API) ([]card, error) {
	k, err := api.Count()
	if err != nil {
		return nil, fmt.Errorf("NVML cannot count the cards: %w", err)
	}
	var cards []card
	for i := range k {
		c := card{label: fmt.Sprintf("GPU %d", i)}
		// A card that fails here keeps its number, or the numbers of others would move.
		if c.dev, err = api.ByIndex(i); err == nil {
			c.name, _ = c.dev.Name()
			c.mig, _ = c.dev.MIG()
			c.uuid, err = c.dev.UUID()
			if mw, err := c.dev.Field(nvml.PowerMaxLimit, nvml.GPU); err == nil && mw > 0 {
				c.maxW = float64(mw) / 1000
			}
		}
		if err != nil {
			c.dev, c.uuid = broken{err}, fmt.Sprintf("card %d", i)
		}
		cards = append(cards, c)
	}
	return cards, nil
}

func parentUUID(api nvml.API, slice string) (string, error) {
	d, err := api.ByUUID(slice)
	if err != nil {
		return "", err
	}
	if p, err := d.Parent(); err == nil {
		d = p
	}
	return d.UUID()
}

// byNumber reports whether a value of CUDA_VISIBLE_DEVICES counts cards.
func byNumber(value string) bool {
	v := strings.TrimSpace(value)
	return v != "" && v[0] >= '0' && v[0] <= '9'
}

func differ(cards []card) bool {
	for _, c := range cards {
		if c.name != cards[0].name {
			return true
		}
	}
	return false
}
