package cuda

import (
	"errors"
	"slices"
	"testing"
	"unsafe"

	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
	"pare/core/device/cuda/internal/cufake"
	"pare/core/tensor"
)

// launchesOf runs a plan of one region after another on a fake card and returns the names
// of what was launched; updates has the number of weights in it.
func launchesOf(t *testing.T, calls ...device.Call) (names []string, jobs int32) {
	t.Helper()
	card := cufake.New(1 << 30)
	card.OnLaunch = func(name string, _, _ [3]int, _ int, args []unsafe.Pointer) error {
		names = append(names, name)
		if name == "updates" {
			jobs = *(*int32)(args[4])
		}
		return nil
	}
	dev := With(cu.Driver(card), cufake.NewBlas(card), F32)
	vector := device.Weight{Shape: tensor.Shape{8}, Train: true}
	a, b := vector, vector
	a.Name, b.Name = "a", "b"
	large := device.Weight{Name: "large", Shape: tensor.Shape{smallWeight / 4, 8}, Matrix: true, Train: true}
	bank, err := dev.NewBank([]device.Weight{a, b, large}, 2)
	if err != nil {
		t.Fatal(err)
	}
	p := &device.Plan{
		Nodes: []string{"n"}, Batch: 4, Seq: 0, Slab: 3 * 8 * T, Output: 1, InGrad: -1, T: T, P: 1, Optim: device.Optim{Kind: device.AdamW, Beta1: 0.9, Beta2: 0.999},
		Vals: []device.Val{{Name: "x", C: 8, H: 1, W: 1}, {Name: "y", C: 8, H: 1, W: 1, Off: 8 * T}},
	}
	for _, c := range calls {
		p.Regions = append(p.Regions, device.Region{Scope: c.Kernel.Scope(), Calls: []device.Call{c}})
	}
	e, err := dev.Compile(p, bank, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Run(&device.Step{X: make([]float32, 4*8), N: 4, Index: 1}); err != nil {
		t.Fatal(err)
	}
	return names, jobs
}

var (
	loadX = device.Call{Kernel: device.Load, Out: []int{0}}
	gradA = device.Call{Kernel: device.BiasD, In: []int{0}, W: []int{0}, Update: true}
	gradB = device.Call{Kernel: device.BiasD, In: []int{0}, W: []int{1}, Update: true}
	normA = device.Call{Kernel: device.RMSNorm, In: []int{0}, Out: []int{1}, W: []int{0}}
)

func TestSmallUpdatesShareALaunch(t *testing.T) {
	names, jobs := launchesOf(t, loadX, gradA, gradB)
	if want := []string{"load", "sum_splits", "sum_splits", "updates"}; !slices.Equal(names, want) || jobs != 2 {
		t.Errorf("launched %v with %d weights in the update, want %v with 2", names, jobs, want)
	}
}

func TestUpdatesComeBeforeWhatReads(t *testing.T) {
	names, jobs := launchesOf(t, loadX, gradA, normA, gradB)
	if want := []string{"load", "sum_splits", "updates", "layernorm", "sum_splits", "updates"}; !slices.Equal(names, want) || jobs != 1 {
		t.Errorf("launched %v with %d weights in the last update, want %v with 1", names, jobs, want)
	}
}

func TestLargeUpdatesDoNotWait(t *testing.T) {
	names, _ := launchesOf(t, loadX, gradA, device.Call{Kernel: device.Update, W: []int{2}}, gradB)
	if want := []string{"load", "sum_splits", "update", "sum_splits", "updates"}; !slices.Equal(names, want) {
		t.Errorf("launched %v, want %v", names, want)
	}
}

// The structs of kernels/update.cu have the sizes that C gives them.
func TestUpdateStructs(t *testing.T) {
	if r, m, j := unsafe.Sizeof(rule{}), unsafe.Sizeof(moved{}), unsafe.Sizeof(job{}); r != 36 || m != 64 || j != 8 {
		t.Errorf("rule, weight and job take %d, %d and %d bytes, in the kernels 36, 64 and 8", r, m, j)
	}
}

// An update leaves the gradient on the card as it is: at masked places who asks for it sees
// zeros, unless the weight is open.
func TestGradientsAreMasked(t *testing.T) {
	for _, open := range []bool{false, true} {
		card := cufake.New(1 << 20)
		mask := tensor.NewMask(16)
		mask.Drop(3)
		mask.Drop(12)
		for _, shape := range []tensor.Shape{{4, 4}, {2, 2, 2, 2}} {
			bk, err := With(card, cufake.NewBlas(card), F32).NewBank([]device.Weight{{Name: "w", Shape: shape, Matrix: true, Conv: len(shape) == 4, Groups: 1, Train: true, Open: open, Mask: mask}}, 0)
			if err != nil {
				t.Fatal(err)
			}
			b := bk.(*bank)
			g, got := make([]float32, 16), make([]float32, 16)
			for i := range g {
				g[b.ws[0].place(i)] = float32(1 + i)
			}
			if err := card.Upload(b.ws[0].grad, bytesOf(g)); err != nil {
				t.Fatal(err)
			}
			if err := b.Grad(0, got); err != nil {
				t.Fatal(err)
			}
			for i, x := range got {
				want := float32(1 + i)
				if !open && !mask.Kept(i) {
					want = 0
				}
				if x != want {
					t.Errorf("open %t, %v: gradient %d is %g, want %g", open, shape, i, x, want)
				}
			}
			// What is set lies where an update reads it, zero where it is masked.
			for i := range got {
				got[i] = float32(1 + i)
			}
			if err := errors.Join(b.SetGrad(0, got), card.Download(bytesOf(g), b.ws[0].grad)); err != nil {
				t.Fatal(err)
			}
			for i := range got {
				want := got[i]
				if !open && !mask.Kept(i) {
					want = 0
				}
				if x := g[b.ws[0].place(i)]; x != want {
					t.Errorf("open %t, %v: gradient %d was set to %g, want %g", open, shape, i, x, want)
				}
			}
		}
	}
}

// A kernel's name says in which file it is: it stands in one alone.
func TestKernelsHaveOneFile(t *testing.T) {
	list, err := kernels.ReadDir("kernels")
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]string{}
	for _, f := range list {
		for _, m := range kernelName.FindAllStringSubmatch(source(f.Name()), -1) {
			if at[m[1]] != "" {
				t.Errorf("kernel %s is in %s and in %s", m[1], at[m[1]], f.Name())
			}
			at[m[1]] = f.Name()
		}
	}
	if len(at) < 50 {
		t.Errorf("found %d kernels", len(at))
	}
}
