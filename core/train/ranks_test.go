package train

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"pare/core/data"
	"pare/core/device"
	"pare/core/device/cpu"
	"pare/core/graph"
	"pare/core/model/zoo"
	"pare/core/plan"
	"pare/core/tensor"
)

// table is where the ranks of one process meet.
type table struct {
	mu    sync.Mutex
	all   sync.Cond
	laid  [][]float32 // by rank
	left  int         // ranks that are still to come
	turns int
}

func newTable(world int) *table {
	t := &table{laid: make([][]float32, world), left: world}
	t.all.L = &t.mu
	return t
}

// seat is one rank's place; fails is the call of Sum that fails there, 0: none.
type seat struct {
	*table
	rank, fails, calls int
}

func (s *seat) Rank() int  { return s.rank }
func (s *seat) World() int { return len(s.laid) }

func (s *seat) Sum(x []float32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.laid[s.rank] = x
	turn := s.turns
	if s.left--; s.left == 0 {
		sum := make([]float32, len(x))
		for _, l := range s.laid {
			for i, v := range l {
				sum[i] += v
			}
		}
		for _, l := range s.laid {
			copy(l, sum)
		}
		s.left, s.turns = len(s.laid), s.turns+1
		s.all.Broadcast()
	}
	for turn == s.turns {
		s.all.Wait()
	}
	if s.calls++; s.calls == s.fails {
		return errors.New("the cable is out")
	}
	return nil
}

// rankNets are nets of every kind of gradient: those of TestMicros, batch norm, one with a teacher, and
// adapters inside a weight with a mask.
func rankNets(t *testing.T) map[string]func() (*graph.Model, *data.Set) {
	l := nets(t)
	l["norms"] = func() (*graph.Model, *data.Set) {
		return zooNet(t, "resnet-8", zoo.Input{C: 3, H: 8, W: 8}, 10, 40)
	}
	l["taught"] = func() (*graph.Model, *data.Set) { return smallNet(t, 1) }
	l["adapters"] = func() (*graph.Model, *data.Set) {
		m, set := smallNet(t, 1)
		w := &m.Params[m.Param("fc.weight")]
		w.Mask = tensor.NewMask(w.Shape.Len())
		w.Mask.Drop(3)
		w.Mask.Apply(w.Data)
		if _, err := (graph.AttachLoRA{Layer: "fc", Rank: 2, Alpha: 2}).Apply(m); err != nil {
			t.Fatal(err)
		}
		return m, set
	}
	return l
}

// TestRanks: two and three ranks of one process, each with its share of every batch (of the last
// not even one sample for each), take the steps of one alone, within rounding, and have equal bits
// all the while.
func TestRanks(t *testing.T) {
	for name, net := range rankNets(t) {
		t.Run(name, func(t *testing.T) {
			optim := device.Optim{Kind: device.AdamW, Beta1: 0.9, Beta2: 0.99, Eps: 1e-3, WeightDecay: 1e-2}
			type end struct {
				said    []float64
				weights [][]float32
				macs    int64 // of the steps
				err     error
			}
			steps := func(ranks device.Ranks, micros int) (e end) {
				m, set := net()
				o := Options{Batch: 17, Micros: micros, Optim: optim, Seed: 7, Threads: 1, Ranks: ranks}
				if name == "taught" {
					o.Teacher, _ = smallNet(t, 2)
					o.Distil = plan.Distil{Alpha: 0.7, Temperature: 2}
				}
				tr, err := New(m, cpu.New(), o, nil)
				if err != nil {
					return end{err: err}
				}
				defer tr.Close()
				r := rand.New(rand.NewPCG(1, 1))
				for i, n := range []int{17, 17, 11, 2} {
					rows := make([]int32, n)
					for k, v := range r.Perm(set.N())[:n] {
						rows[k] = int32(v)
					}
					res, err := tr.Step(set, rows, 1e-3, int64(i+1))
					if err != nil {
						return end{err: err}
					}
					e.macs += tr.StepCost(n).MACs
					e.said = append(e.said, res.Loss, float64(res.Correct), float64(res.N))
				}
				if err := tr.Pull(); err != nil {
					return end{err: err}
				}
				for _, p := range m.Params {
					e.weights = append(e.weights, p.Data)
				}
				state, err := tr.State()
				for _, s := range state {
					e.weights = append(e.weights, s...)
				}
				e.err = err
				return e
			}
			alone := steps(nil, 0)
			if alone.err != nil {
				t.Fatal(alone.err)
			}
			for _, c := range []struct{ world, micros int }{{1, 0}, {2, 0}, {3, 0}, {2, 3}} {
				at, got := newTable(c.world), make([]end, c.world)
				var wg sync.WaitGroup
				for rank := range c.world {
					wg.Go(func() { got[rank] = steps(&seat{table: at, rank: rank}, c.micros) })
				}
				wg.Wait()
				what := fmt.Sprintf("%d ranks, %d parts", c.world, c.micros)
				macs := int64(0)
				for rank, g := range got {
					macs += g.macs
					if g.err != nil {
						t.Fatalf("%s: rank %d: %v", what, rank, g.err)
					}
					if !slices.Equal(g.said, got[0].said) || !slices.EqualFunc(g.weights, got[0].weights, slices.Equal[[]float32]) {
						t.Errorf("%s: rank %d has other bits than rank 0", what, rank)
					}
				}
				if name != "adapters" && macs != alone.macs { // each rank makes the whole gradient of an adapter
					t.Errorf("%s: %d multiply-adds, %d alone", what, macs, alone.macs)
				}
				if name == "norms" && c.world > 1 {
					continue // a batch's statistics are each share's own
				}
				for i, v := range alone.said {
					if !(math.Abs(got[0].said[i]-v) <= 2e-6*math.Abs(v)) {
						t.Errorf("%s: loss or count %d is %v, %v alone", what, i, got[0].said[i], v)
					}
				}
				if d := apart(got[0].weights, alone.weights); !(d < 2e-6) {
					t.Errorf("%s: weights and state are off by %.1e", what, d)
				}
			}
		})
	}
}

// TestRanksFail: when one rank's card fails, in the run or behind it, or the cable of all, no rank
// moves a weight, and none is left waiting.
func TestRanksFail(t *testing.T) {
	for what, fails := range map[string]int{"cable": 1, "cable, at last": 5, "card": 0, "card, behind the run": 0} {
		t.Run(what, func(t *testing.T) {
			at, errs := newTable(2), make([]error, 2)
			var wg sync.WaitGroup
			for rank := range 2 {
				m, set := smallNet(t, 1)
				before := m.Clone()
				s := &seat{table: at, rank: rank}
				tr, err := New(m, cpu.New(), Options{Batch: 8, Optim: device.Optim{}, Threads: 1, Ranks: s}, nil)
				if err != nil {
					t.Fatal(err)
				}
				defer tr.Close()
				if s.fails = fails; rank == 1 && what == "card" {
					tr.step = failing{tr.step}
				} else if rank == 1 && fails == 0 {
					tr.bank = failingBank{tr.bank}
				}
				wg.Go(func() {
					_, errs[rank] = tr.Step(set, []int32{1, 2, 3, 4, 5, 6}, 0.1, 1)
					if err := tr.Pull(); err != nil {
						t.Error(err)
					}
					for i, p := range m.Params {
						if !slices.Equal(p.Data, before.Params[i].Data) {
							t.Errorf("rank %d: %s has moved", rank, p.Name)
						}
					}
				})
			}
			wg.Wait()
			want := []string{"another rank failed", "the card is gone"}
			if fails > 0 {
				want = []string{"the cable is out", "the cable is out"}
			}
			for rank, err := range errs {
				if err == nil || !strings.Contains(err.Error(), want[rank]) {
					t.Errorf("rank %d: %v, want %q", rank, err, want[rank])
				}
			}
		})
	}
}

var errGone = errors.New("the card is gone")

// failing is a plan whose card is gone, failingBank a bank whose gradients are.
type (
	failing     struct{ device.Exec }
	failingBank struct{ device.Bank }
)

func (failing) Run(*device.Step) (device.Result, error) { return device.Result{}, errGone }

func (failingBank) Grad(int, []float32) error { return errGone }

// TestShare: shares follow each other and are the whole, as equal as can be.
func TestShare(t *testing.T) {
	for _, n := range []int{0, 1, 7, 24} {
		for world := 1; world <= 9; world++ {
			next := 0
			for r := range world {
				first, k := device.Share(n, r, world)
				if first != next || k < n/world || k > (n+world-1)/world {
					t.Errorf("rank %d of %d: %d samples from %d on, of %d", r, world, k, first, n)
				}
				next = first + k
			}
			if next != n {
				t.Errorf("%d ranks take %d samples of %d", world, next, n)
			}
		}
	}
}

// TestMovesMovesWhatARankedPlanLeaves: the two plans together have the calls of the whole one.
func TestMovesMovesWhatARankedPlanLeaves(t *testing.T) {
	for name, net := range rankNets(t) {
		m, _ := net()
		o := plan.Options{Mode: plan.Train, Batch: 4, Optim: device.Optim{Momentum: 0.9}}
		moved := func(p *device.Plan, err error) (ws []int) {
			if err != nil {
				t.Fatal(name, err)
			}
			for _, r := range p.Regions {
				for _, c := range r.Calls {
					if c.Update || c.Kernel == device.Update {
						ws = append(ws, c.W[0])
					}
				}
			}
			slices.Sort(ws)
			return ws
		}
		whole, moves := moved(plan.Build(m, cpu.New(), o)), moved(plan.Moves(m, cpu.New(), o))
		o.Ranked = true
		if left := moved(plan.Build(m, cpu.New(), o)); len(left) > 0 || len(whole) == 0 || !slices.Equal(whole, moves) || len(slices.Compact(slices.Clone(moves))) != len(moves) {
			t.Errorf("%s: %v move in one plan; with ranks %v, and %v by themselves", name, whole, left, moves)
		}
	}
}
