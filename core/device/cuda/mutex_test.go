package cuda

import (
	"reflect"
	"slices"
	"sync"
	"testing"

	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
	"pare/core/device/cuda/internal/cufake"
)

// TestDriverIsNobodyElses: what a device offers is in its own methods. A call of the driver
// past the lock would run beside a plan's.
func TestDriverIsNobodyElses(t *testing.T) {
	driver := reflect.TypeFor[cu.Driver]()
	own := []string{"Free"} // which takes the lock
	for i := range driver.NumMethod() {
		m := driver.Method(i)
		d, ok := reflect.TypeFor[Device]().MethodByName(m.Name)
		if !ok || slices.Contains(own, m.Name) || d.Type.NumIn() != m.Type.NumIn()+1 { // of a device the first is the receiver
			continue
		}
		same := true
		for k := range m.Type.NumIn() {
			same = same && d.Type.In(k+1) == m.Type.In(k)
		}
		if same {
			t.Errorf("Device.%s is the driver's", m.Name)
		}
	}
}

// TestTimesBesideRuns: the race detector sees whoever looks at a plan's times or at the
// card's memory while another goroutine runs it.
func TestTimesBesideRuns(t *testing.T) {
	card := cufake.New(1 << 30)
	dev := With(card, cufake.NewBlas(card), F32)
	e, s := smallest(t, dev)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 20 {
				e.Probe(true)
				if _, err := e.Run(s); err != nil {
					t.Error(err)
				}
				e.Times()
				if _, err := dev.Free(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// smallest is a plan of two calls, y = norm(x), and a step for it.
func smallest(t *testing.T, dev Device) (device.Exec, *device.Step) {
	t.Helper()
	bank, err := dev.NewBank([]device.Weight{{Name: "g", Shape: []int{8}}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	e, err := dev.Compile(&device.Plan{
		Nodes: []string{"n"}, Batch: 4, Slab: 2 * 8 * T, Output: 1, InGrad: -1, T: T, P: 1,
		Vals:    []device.Val{{Name: "x", C: 8, H: 1, W: 1}, {Name: "y", C: 8, H: 1, W: 1, Off: 8 * T}},
		Regions: []device.Region{{Calls: []device.Call{loadX, normA}}},
	}, bank, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if err := bank.Close(); err != nil {
			t.Error(err)
		}
		if l := dev.driver.(*cufake.Card).Leaks(); len(l) > 0 {
			t.Errorf("left on the card: %v", l)
		}
	})
	return e, &device.Step{X: make([]float32, 4*8), N: 4, Index: 1}
}
