package devicetest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"pare/core/device"
	"pare/core/graph"
	"pare/core/model/safetensors"
	"pare/core/plan"
)

// Training compared with PyTorch: from given weights, on given batches, with
// all five optimisers. PARE_ORACLES names a folder with train-mlp, train-lenet5,
// train-resnet and train-depthwise; without it the tests take testdata, a copy
// without the inputs: these are torch.rand's, made again by oracleInputs.

// reference is reference.json.
type reference struct {
	InputShape []int `json:"input_shape"`
	Batch      int   `json:"batch"`
	Steps      int   `json:"steps"`
	Losses     map[string][]float64
	OwnError   map[string]struct {
		Final float64 `json:"f32_vs_f64_final"`
	} `json:"own_error"`
	// Only in testdata: where torch.rand's stream is cut, what comes out, and
	// the labels.
	Rand *struct {
		Seed, Skip uint32
		Count      int
		SHA256     string
		Labels     []int32
	}
}

// oracleOptims are the hyper-parameters of reference.json.
var oracleOptims = map[string]optimiser{
	"sgd":      {lr: 0.1},
	"momentum": {lr: 0.05, o: device.Optim{Momentum: 0.9, WeightDecay: 1e-2}},
	"nesterov": {lr: 0.05, o: device.Optim{Momentum: 0.9, Nesterov: true}},
	"adam":     {lr: 2e-3, o: device.Optim{Kind: device.Adam, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 1e-2}},
	"adamw":    {lr: 2e-3, o: device.Optim{Kind: device.AdamW, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.1}},
}

// scalarTime bounds the tests of the scalar device, which has no speed to speak
// of: no training starts after it.
const scalarTime = 45 * time.Second

func TestOracleTrain(t *testing.T) {
	root := os.Getenv("PARE_ORACLES")
	if root == "" {
		root = "testdata"
	}
	start := time.Now()
	for _, name := range []string{"mlp", "depthwise", "lenet5", "resnet"} {
		o := openOracle(t, filepath.Join(root, "train-"+name), oracleNets[name])
		for _, dev := range Devices(t) {
			t.Run("train-"+name+"/"+dev.Name(), func(t *testing.T) {
				t.Run("gradients", func(t *testing.T) { o.gradients(t, dev) })
				for _, rule := range slices.Sorted(maps.Keys(o.ref.OwnError)) {
					t.Run(rule, func(t *testing.T) {
						if dev.Name() == "ref" && name != "mlp" {
							if root == "testdata" {
								t.Skip("takes the scalar device minutes; set PARE_ORACLES to run it. The optimisers are tested on train-mlp, the gradients above")
							}
							t.Parallel()
							if time.Since(start) > scalarTime {
								t.Skip("the scalar device has had its time; its optimisers are tested on train-mlp, its gradients above")
							}
						}
						o.train(t, dev, rule)
					})
				}
			})
		}
	}
}

// oracle is one folder.
type oracle struct {
	dir    string
	ref    reference
	m      *graph.Model
	x      []float32
	labels []int32
}

func openOracle(t *testing.T, dir string, build func(b *graph.Net, in map[string][]int)) *oracle {
	t.Helper()
	o := &oracle{dir: dir}
	raw, err := os.ReadFile(filepath.Join(dir, "reference.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &o.ref); err != nil {
		t.Fatal(err)
	}
	if r := o.ref.Rand; r != nil {
		o.x, o.labels = oracleInputs(t, r.Seed, r.Skip, r.Count, r.SHA256), r.Labels
	} else {
		f := o.open(t, "batches")
		o.x = floats(t, f, "x")
		y, _ := f.Get("y")
		labels, err := y.Int64s()
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range labels {
			o.labels = append(o.labels, int32(l))
		}
	}
	init := o.open(t, "init")
	shapes := map[string][]int{}
	for _, x := range init.Tensors {
		shapes[x.Name] = x.Shape
	}
	in := o.ref.InputShape
	b := &graph.Net{M: graph.New(filepath.Base(dir), in[1], in[2], in[3])}
	build(b, shapes)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	o.m = b.M
	if len(o.m.Params) != len(shapes) {
		t.Fatalf("%s has %d tensors, the net %d", dir, len(shapes), len(o.m.Params))
	}
	for i := range o.m.Params {
		p := &o.m.Params[i]
		if !p.Shape.Equal(shapes[p.Name]) {
			t.Fatalf("%s is %v, in the file %v", p.Name, p.Shape, shapes[p.Name])
		}
		p.Data = floats(t, init, p.Name)
	}
	return o
}

func (o *oracle) open(t *testing.T, name string) *safetensors.File {
	t.Helper()
	f, err := safetensors.Open(filepath.Join(o.dir, name+".safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func floats(t *testing.T, f *safetensors.File, name string) []float32 {
	t.Helper()
	x, ok := f.Get(name)
	if !ok {
		t.Fatalf("no tensor %s", name)
	}
	v, err := x.Float32()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// step is step i: batch i, and from the start again after the last.
func (o *oracle) step(i int, lr float32) *device.Step {
	s := &device.Step{X: o.x, Labels: o.labels, Index: int64(i + 1), LR: lr}
	first := i % (len(o.labels) / o.ref.Batch) * o.ref.Batch
	for k := range o.ref.Batch {
		s.Rows = append(s.Rows, int32(first+k))
	}
	return s
}

// compile puts the weights at the start into a bank.
func (o *oracle) compile(t *testing.T, dev device.Device, mode plan.Mode, rule device.Optim) (device.Bank, device.Exec) {
	t.Helper()
	r := newBanked(t, dev, o.m, plan.Options{Mode: mode, Batch: o.ref.Batch, Optim: rule})
	return r.bank, r.ex
}

// gradients of the first batch.
func (o *oracle) gradients(t *testing.T, dev device.Device) {
	bank, ex := o.compile(t, dev, plan.Grads, device.Optim{})
	if _, err := ex.Run(o.step(0, 0)); err != nil {
		t.Fatal(err)
	}
	theirs := o.open(t, "grads0")
	largest := 0.0
	for _, x := range theirs.Tensors {
		largest = max(largest, norm(floats(t, theirs, x.Name), nil))
	}
	for i, p := range o.m.Params {
		if p.Role == graph.Running {
			continue
		}
		ours := make([]float32, len(p.Data))
		if err := bank.Grad(i, ours); err != nil {
			t.Fatal(err)
		}
		want := floats(t, theirs, p.Name)
		// A bias in front of a batch norm has a gradient of zero, and what both
		// report is rounding: such a tensor counts by the largest one.
		scale := norm(want, nil)
		if scale < 1e-6*largest {
			scale = largest
		}
		if d := norm(ours, want) / scale; !(d <= 1e-4) {
			t.Errorf("gradient of %s is off by %.2g", p.Name, d)
		}
	}
}

// train takes all steps and measures how far from PyTorch's weights it ends, as a share of the
// distance travelled. Where ReLU bends, one rounding of one weight at the start may end farther
// off than what PyTorch's own float32 run happened to (of train-resnet by Adam half of such starts
// do, on every device): then it is taken from starts that differ so, of which one must end near.
func (o *oracle) train(t *testing.T, dev device.Device, rule string) {
	h, ok := oracleOptims[rule]
	if !ok {
		t.Fatalf("reference.json names the optimiser %s", rule)
	}
	limit, all := max(3*o.ref.OwnError[rule].Final, 1e-3), ""
	for start := range uint64(12) {
		off := o.trained(t, dev, rule, h, start)
		all += fmt.Sprintf(" %.2g", off)
		if off <= limit {
			t.Logf("%s of the distance off, %.2g allowed", all[1:], limit)
			return
		}
	}
	t.Errorf("ends%s of the distance away from PyTorch's weights, allowed is %.3g", all, limit)
}

// trained takes all steps from the start, or with another number than 0 from one whose weights are
// rounded otherwise, and returns how far off it ends.
func (o *oracle) trained(t *testing.T, dev device.Device, rule string, h optimiser, start uint64) float64 {
	bank, ex := o.compile(t, dev, plan.Train, h.o)
	r := rand.New(rand.NewPCG(start, 1))
	for i, p := range o.m.Params {
		if start == 0 {
			break
		}
		x := slices.Clone(p.Data)
		for k := range x {
			x[k] *= 1 + float32(r.IntN(3)-1)*0x1p-23
		}
		if err := bank.Set(i, x); err != nil {
			t.Fatal(err)
		}
	}
	losses := o.ref.Losses[rule]
	for i := range o.ref.Steps {
		r, err := ex.Run(o.step(i, h.lr))
		if err != nil {
			t.Fatal(err)
		}
		if i < len(losses) && math.Abs(r.Loss-losses[i]) > 0.02*losses[i] {
			t.Errorf("step %d: loss %.6f, PyTorch's %.6f", i, r.Loss, losses[i])
		}
	}
	theirs := o.open(t, "final-"+rule)
	off, way := 0.0, 0.0
	for i, p := range o.m.Params {
		ours, end := make([]float32, len(p.Data)), floats(t, theirs, p.Name)
		if err := bank.Get(i, ours); err != nil {
			t.Fatal(err)
		}
		off, way = math.Hypot(off, norm(ours, end)), math.Hypot(way, norm(p.Data, end))
	}
	return off / way
}

// norm is ‖a − b‖, b = nil for zeros.
func norm(a, b []float32) float64 {
	sum := 0.0
	for i, v := range a {
		d := float64(v)
		if b != nil {
			d -= float64(b[i])
		}
		sum += d * d
	}
	return math.Sqrt(sum)
}

// oracleNets are the models that reference.json describes in words. Names are
// those of the state dict; numbers of filters and sizes follow from the shapes.
var oracleNets = map[string]func(b *graph.Net, shapes map[string][]int){
	"mlp": func(b *graph.Net, shapes map[string][]int) {
		l := layers(shapes)
		x := b.Op("flatten", "flatten", 0)
		x = b.Op("relu", "relu", b.Linear(l[0], x, shapes[l[0]+".weight"][0]))
		x = b.Op("tanh", "tanh", b.Linear(l[1], x, shapes[l[1]+".weight"][0]))
		b.Linear(l[2], x, shapes[l[2]+".weight"][0])
	},
	"lenet5": func(b *graph.Net, shapes map[string][]int) {
		l := layers(shapes)
		x := b.Op("relu1", "relu", oracleConv(b, shapes, l[0], 0, 1, 2))
		x = b.Pool("maxpool", "maxpool", x, 2, 2)
		x = b.Op("relu2", "relu", oracleConv(b, shapes, l[1], x, 1, 0))
		x = b.Op("flatten", "flatten", b.Pool("avgpool", "avgpool", x, 2, 2))
		x = b.Op("relu3", "relu", b.Linear(l[2], x, shapes[l[2]+".weight"][0]))
		b.Linear(l[3], x, shapes[l[3]+".weight"][0])
	},
	"resnet": func(b *graph.Net, shapes map[string][]int) {
		x := b.Op("relu", "relu", b.Norm("1", oracleConv(b, shapes, "0", 0, 1, 1)))
		for _, l := range layers(shapes) {
			p, ok := strings.CutSuffix(l, ".a")
			if !ok {
				continue
			}
			stride, short := 1, x
			if shapes[p+".s.0.weight"] != nil {
				stride = 2
			}
			y := b.Op(p+".relu", "relu", b.Norm(p+".n", oracleConv(b, shapes, p+".a", x, stride, 1)))
			y = b.Norm(p+".m", oracleConv(b, shapes, p+".b", y, 1, 1))
			if stride == 2 {
				short = b.Norm(p+".s.1", oracleConv(b, shapes, p+".s.0", x, stride, 0))
			}
			x = b.Op(p+".relu2", "relu", b.Op(p+".add", "add", y, short))
		}
		x = b.Op("flatten", "flatten", b.Op("mean", "globalavgpool", x))
		b.Linear("7", x, shapes["7.weight"][0])
	},
	"depthwise": func(b *graph.Net, shapes map[string][]int) {
		x := b.Op("hardswish", "hardswish", b.Norm("1", oracleConv(b, shapes, "0", 0, 2, 1)))
		x = b.Op("gelu", "gelu", oracleConv(b, shapes, "3", x, 1, 1))
		x = b.Op("silu", "silu", oracleConv(b, shapes, "5", x, 2, 1))
		b.Linear("8", b.Op("flatten", "flatten", x), shapes["8.weight"][0])
	},
}

// oracleConv adds the convolution name; kernel, filters and groups follow from
// its shape and input.
func oracleConv(b *graph.Net, shapes map[string][]int, name string, in, stride, pad int) int {
	w := shapes[name+".weight"]
	if b.Err != nil || len(w) != 4 {
		if b.Err == nil {
			b.Err = fmt.Errorf("no convolution %s", name)
		}
		return 0
	}
	return b.Conv(name, in, w[0], w[2], stride, pad, b.M.Values[in].C/w[1], shapes[name+".bias"] != nil)
}

// layers lists the convolutions and linear layers in the order of the state
// dict: by the numbers in their names.
func layers(shapes map[string][]int) []string {
	var l []string
	for name, s := range shapes {
		if layer, ok := strings.CutSuffix(name, ".weight"); ok && len(s) > 1 {
			l = append(l, layer)
		}
	}
	sort.Slice(l, func(i, j int) bool {
		a, _ := strconv.Atoi(strings.Split(l[i], ".")[0])
		b, _ := strconv.Atoi(strings.Split(l[j], ".")[0])
		return a < b || a == b && l[i] < l[j]
	})
	return l
}

// oracleInputs draws count numbers as torch.rand does on a CPU: the low 24 bits
// of the Mersenne Twister MT19937 (Matsumoto & Nishimura 1998), divided by 2^24.
// skip numbers go before them.
func oracleInputs(t *testing.T, seed, skip uint32, count int, sum string) []float32 {
	t.Helper()
	const n, m = 624, 397
	var s [n]uint32
	s[0] = seed
	for i := 1; i < n; i++ {
		s[i] = 1812433253*(s[i-1]^s[i-1]>>30) + uint32(i)
	}
	at := n
	next := func() uint32 {
		if at == n {
			for i := range s {
				y := s[i]&0x80000000 | s[(i+1)%n]&0x7fffffff
				s[i] = s[(i+m)%n] ^ y>>1 ^ y&1*0x9908b0df
			}
			at = 0
		}
		y := s[at]
		at++
		y ^= y >> 11
		y ^= y << 7 & 0x9d2c5680
		y ^= y << 15 & 0xefc60000
		return y ^ y>>18
	}
	for range skip {
		next()
	}
	x, h := make([]float32, count), sha256.New()
	for i := range x {
		x[i] = float32(next()&(1<<24-1)) / (1 << 24)
		u := math.Float32bits(x[i])
		h.Write([]byte{byte(u), byte(u >> 8), byte(u >> 16), byte(u >> 24)})
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != sum {
		t.Fatalf("inputs hash to %s, want %s", got, sum)
	}
	return x
}
