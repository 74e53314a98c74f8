package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"pare/core/data"
	"pare/core/device"
	"pare/core/graph"
	"pare/core/plan"
	"pare/core/train"
)

// CurveOptions of a training that is run by us and by PyTorch, from the same weights
// on the same batches in the same order.
type CurveOptions struct {
	Steps, Batch, Threads int
	Turn                  int // steps that each takes before the others do theirs
	LR, WeightDecay       float64
	// Again is how many more of ours and of PyTorch's (eager) train with the samples of every
	// batch in another order. The losses are the same but for rounding, so that these show what
	// rounding alone does to a curve.
	Again  int
	Python string // interpreter with torch
	// Modes of PyTorch that train: eager, compile.
	Modes []string
	// Device that ours runs on; PyTorch computes there, too, in Precision if it is a card.
	Device    device.Device
	Precision string
	Report    func(CurvePoint)
}

// CurvePoint is what each lost at a step, before it.
type CurvePoint struct {
	Step  int64     `json:"step"`
	Loss  []float64 `json:"loss"` // of ours and the peers, in the order of CurveResult.Who
	Apart float64   `json:"apart"`
}

// CurveResult is the outcome: how fast each was, and how far apart the curves are.
type CurveResult struct {
	Who          []string  `json:"who"`
	TokensPerSec []float64 `json:"tokens_per_s"` // medians over the turns
	Lo           []float64 `json:"lo"`
	Hi           []float64 `json:"hi"`
	Apart        float64   `json:"apart"`           // largest difference from ours, relative to the loss
	Noise        *Noise    `json:"noise,omitempty"` // with CurveOptions.Again
	Params       int64     `json:"params"`
	Tokens       int       `json:"tokens"` // of a sample
}

// Noise is what rounding does to the curves, each the largest over the steps, relative to the
// loss.
type Noise struct {
	Ours   float64 `json:"ours"`   // from one of ours to another
	Theirs float64 `json:"theirs"` // from one of PyTorch's to another, compiled included
	Means  float64 `json:"means"`  // from the mean of ours to that of PyTorch's
	At     int64   `json:"at"`     // the step of Means
}

// Curve trains m on set with AdamW at a constant rate, in turns with PyTorch. m must be a zoo.GPT with its weights.
func Curve(m *graph.Model, set *data.Set, o CurveOptions) (*CurveResult, error) {
	if m.Param("wte.weight") < 0 || m.Input().Seq == 0 {
		return nil, fmt.Errorf("model %s: PyTorch's side is written for the GPTs of the zoo: choose one of them", m.Name)
	}
	if o.Steps < 1 || o.Turn < 1 || o.Batch < 1 || o.Batch > set.N() {
		return nil, fmt.Errorf("%d steps in turns of %d, batches of %d: need at least 1 each, and no more than the %d samples", o.Steps, o.Turn, o.Batch, set.N())
	}
	if len(o.Modes) == 0 {
		return nil, errors.New("no mode of PyTorch: eager or compile")
	}
	for _, m := range o.Modes {
		if m != "eager" && m != "compile" {
			return nil, fmt.Errorf("PyTorch %q: eager or compile", m)
		}
	}
	if o.Again < 0 || o.Again >= o.Batch {
		return nil, fmt.Errorf("%d more orders of a batch of %d: use 0 to %d", o.Again, o.Batch, o.Batch-1)
	}
	if set.Streamed() {
		return nil, fmt.Errorf("%d samples are too many for memory: give a smaller text", set.N())
	}
	rows := make([]int32, 0, o.Steps*o.Batch)
	for epoch := 0; len(rows) < o.Steps*o.Batch; epoch++ {
		order := data.Order(set.N(), 1, epoch)
		rows = append(rows, order[:min(len(order)/o.Batch*o.Batch, o.Steps*o.Batch-len(rows))]...)
	}
	dir, err := os.MkdirTemp("", "pare-curve-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	q, err := curveFiles(dir, m, set, rows)
	if err != nil {
		return nil, err
	}
	q.Batch, q.Threads, q.LR, q.WeightDecay, q.Precision = o.Batch, o.Threads, o.LR, o.WeightDecay, o.Precision

	rule, err := train.Optim("adamw", 0, o.WeightDecay)
	if err != nil {
		return nil, err
	}
	all, _ := m.NumParams()
	p, err := startPeers(o.Python)
	if err != nil {
		return nil, err
	}
	defer p.close()
	res := &CurveResult{Params: all, Tokens: m.Input().Seq}
	var turns []turn
	ours := func(who string, rotate int) (func() error, error) {
		c, err := newCurve(m, rule, o)
		if err != nil {
			return nil, err
		}
		mine := rotated(rows, o.Batch, rotate)
		res.Who = append(res.Who, who)
		turns = append(turns, func(from, n int) ([]float64, float64, error) {
			return c.turn(set, mine[from*o.Batch:(from+n)*o.Batch], int64(from), o)
		})
		return c.ex.Close, nil
	}
	theirs := func(who, mode string, rotate int) error {
		q := q
		q.Op, q.What, q.Mode, q.Rotate = "open", "curve", mode, rotate
		r, err := p.ask(q)
		if err != nil {
			return fmt.Errorf("PyTorch %s: %w", mode, err)
		}
		res.Who = append(res.Who, who)
		turns = append(turns, func(from, n int) ([]float64, float64, error) {
			r, err := p.ask(question{Op: "steps", ID: r.ID, From: from, Count: n})
			time.Sleep(rest)
			if err == nil && len(r.Losses) != n {
				err = fmt.Errorf("PyTorch took %d steps of %d", len(r.Losses), n)
			}
			return r.Losses, r.Seconds, err
		})
		return nil
	}
	stop, err := ours("pare", 0)
	if err != nil {
		return nil, err
	}
	defer stop() //nolint:errcheck // nothing left to do with it
	for _, mode := range o.Modes {
		if err := theirs("PyTorch "+mode, mode, 0); err != nil {
			return nil, err
		}
	}
	for i := range o.Again {
		by := (i + 1) * o.Batch / (o.Again + 1)
		stop, err := ours(fmt.Sprintf("pare, order %d", i+2), by)
		if err != nil {
			return nil, err
		}
		defer stop() //nolint:errcheck // nothing left to do with it
		if err := theirs(fmt.Sprintf("PyTorch, order %d", i+2), "eager", by); err != nil {
			return nil, err
		}
	}
	return o.run(res, turns)
}

// turn takes n steps from step from on; it returns their losses and how long they took.
type turn func(from, n int) (losses []float64, seconds float64, err error)

// rotated are the rows with those of every batch moved round by k.
func rotated(rows []int32, batch, k int) []int32 {
	out := make([]int32, 0, len(rows))
	for i := 0; i < len(rows); i += batch {
		out = append(append(out, rows[i+k:i+batch]...), rows[i:i+k]...)
	}
	return out
}

// add takes the losses of one step in. The first of the contenders is ours, the next `modes`
// are PyTorch's, then they take turns.
func (n *Noise) add(step int64, loss []float64, modes int) {
	groups := [2][]float64{{loss[0]}, slices.Clone(loss[1 : 1+modes])}
	for i, l := range loss[1+modes:] {
		groups[i%2] = append(groups[i%2], l)
	}
	mean := func(x []float64) float64 {
		sum := 0.0
		for _, v := range x {
			sum += v
		}
		return sum / float64(len(x))
	}
	n.Ours = max(n.Ours, (slices.Max(groups[0])-slices.Min(groups[0]))/mean(groups[0]))
	n.Theirs = max(n.Theirs, (slices.Max(groups[1])-slices.Min(groups[1]))/mean(groups[1]))
	if d := math.Abs(mean(groups[0])/mean(groups[1]) - 1); d > n.Means {
		n.Means, n.At = d, step
	}
}

// run takes turns until all steps are done. The first turn of each, in which caches
// fill and compilers work, counts for the losses and not for the speed.
func (o CurveOptions) run(res *CurveResult, turns []turn) (*CurveResult, error) {
	speeds := make([][]float64, len(turns))
	if o.Again > 0 {
		res.Noise = new(Noise)
	}
	for from := 0; from < o.Steps; from += o.Turn {
		n := min(o.Turn, o.Steps-from)
		losses := make([][]float64, len(turns))
		for i, f := range turns {
			l, s, err := f(from, n)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", res.Who[i], err)
			}
			losses[i] = l
			if from > 0 {
				speeds[i] = append(speeds[i], float64(n*o.Batch*res.Tokens)/s)
			}
		}
		for k := range n {
			pt := CurvePoint{Step: int64(from + k)}
			for i := range turns {
				pt.Loss = append(pt.Loss, losses[i][k])
				pt.Apart = max(pt.Apart, math.Abs(losses[i][k]/losses[0][k]-1))
			}
			if res.Noise != nil {
				res.Noise.add(pt.Step, pt.Loss, len(o.Modes))
			}
			res.Apart = max(res.Apart, pt.Apart)
			if o.Report != nil {
				o.Report(pt)
			}
		}
	}
	for _, s := range speeds {
		if len(s) == 0 {
			return nil, errors.New("all steps fit into one turn, which warms up: take more steps or shorter turns")
		}
		slices.Sort(s)
		res.TokensPerSec = append(res.TokensPerSec, s[len(s)/2])
		res.Lo, res.Hi = append(res.Lo, s[0]), append(res.Hi, s[len(s)-1])
	}
	return res, nil
}

// curveFiles writes weights, ids and labels for the peers, raw and little-endian.
func curveFiles(dir string, m *graph.Model, set *data.Set, rows []int32) (question, error) {
	q := question{Weights: filepath.Join(dir, "weights.f32"), IDs: filepath.Join(dir, "ids.i32"), Labels: filepath.Join(dir, "labels.i32"), Heads: 1}
	for _, n := range m.Nodes {
		if n.Op == "attention" {
			q.Heads = n.Attrs.Heads
		}
	}
	var w, x, y []byte
	for _, p := range m.Params {
		q.Params = append(q.Params, namedShape{p.Name, p.Shape})
		for _, v := range p.Data {
			w = binary.LittleEndian.AppendUint32(w, math.Float32bits(v))
		}
	}
	t := set.F()
	for _, r := range rows {
		for k := int(r) * t; k < int(r+1)*t; k++ {
			x = binary.LittleEndian.AppendUint32(x, uint32(set.X[k]))
			y = binary.LittleEndian.AppendUint32(y, uint32(set.Labels[k]))
		}
	}
	return q, errors.Join(os.WriteFile(q.Weights, w, 0o600), os.WriteFile(q.IDs, x, 0o600), os.WriteFile(q.Labels, y, 0o600))
}

// curve is our side.
type curve struct{ ex device.Exec }

func newCurve(m *graph.Model, rule device.Optim, o CurveOptions) (*curve, error) {
	p, err := plan.Build(m, o.Device, plan.Options{Mode: plan.Train, Batch: o.Batch, Optim: rule})
	if err != nil {
		return nil, err
	}
	ex, err := device.Alone(o.Device, p, plan.Weights(m, nil), rule.Slots(), o.Threads, func(i int) []float32 { return m.Params[i].Data })
	if err != nil {
		return nil, err
	}
	return &curve{ex}, nil
}

// turn takes the steps whose samples are rows.
func (c *curve) turn(set *data.Set, rows []int32, from int64, o CurveOptions) (losses []float64, seconds float64, err error) {
	start := time.Now()
	for i := 0; i*o.Batch < len(rows); i++ {
		r, err := c.ex.Run(&device.Step{X: set.X, Labels: set.Labels, Rows: rows[i*o.Batch : (i+1)*o.Batch], LR: float32(o.LR), Index: from + int64(i) + 1})
		if err != nil {
			return nil, 0, err
		}
		losses = append(losses, r.Loss)
	}
	return losses, time.Since(start).Seconds(), nil
}
