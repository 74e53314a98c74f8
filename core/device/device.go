package device

import (
	"errors"
	"fmt"
	"time"

	"pare/core/tensor"
)

// Device is a place where plans run.
type Device interface {
	// Name is "ref", "cpu", "cuda".
	Name() string
	// ISA names what the kernels were made for ("avx2", "go"): equal bits are
	// promised only for the same one.
	ISA() string
	// Tile and Panel are the layout constants T and P.
	Tile() int
	Panel() int
	// Supports tells whether a kernel can run on a weight format.
	Supports(Kernel, tensor.Format) bool
	// NewBank makes room for weights, their gradients and slots of optimiser
	// state each, all zero.
	NewBank(ws []Weight, slots int) (Bank, error)
	// Compile prepares a plan to run on the weights of a bank. Several plans
	// may share one bank. At the same time as another only plans run that leave
	// the bank as it is (inference), each by one caller.
	Compile(p *Plan, b Bank, threads int) (Exec, error)
}

// ErrLost says that a device can do no more in this process: a card fell off the bus or
// had an error that ends its context. What lies on it is gone.
var ErrLost = errors.New("the device is lost")

// Card is a device that is not the processor: an accelerator with memory of its own.
type Card interface {
	Device
	// Model is the card's name as its maker writes it.
	Model() string
	// UUID is the card's, as its energy meter knows it.
	UUID() string
	// Free is the memory that is left on it, Memory all that it has, bytes.
	Free() (int64, error)
	Memory() int64
}

// SlowConver is a device some of whose convolutions run much slower than the others; it says
// why for one of x to y, "" for the others.
type SlowConver interface {
	SlowConv(g *Window, x, y Val) string
}

// Fewer is a device whose plans of few samples run on other kernels than large ones.
type Fewer interface {
	// Few is the most samples of such a plan, made of the model of p on bank b; 0: there
	// are no such kernels for it.
	Few(p *Plan, b Bank) int
}

// Bank holds weights in the device's layout. Everything that goes in or comes
// out is row-major over the weight's logical shape. Set and SetState write
// zeros at masked places, whatever they are given, and Grad reads zeros there,
// but for weights that are Open.
// Grad and State of a weight that is not trained are errors.
type Bank interface {
	Weights() []Weight
	Set(i int, x []float32) error
	Get(i int, x []float32) error
	Grad(i int, x []float32) error
	SetGrad(i int, x []float32) error // for the optimiser's step alone, see Ranks
	SetState(i, slot int, x []float32) error
	State(i, slot int, x []float32) error
	// Resident is the number of bytes the weights take, without gradients and
	// state.
	Resident() int64
	// Close gives the memory back; plans compiled on the bank are closed before.
	Close() error
}

// Step is one run of a plan.
type Step struct {
	X      []float32 // samples, row-major [samples][F], F = Seq·C for sequences
	Labels []int32   // one per row of the output: per sample, or per token for sequences; may be nil without CrossEntropy
	Rows   []int32   // the samples of this batch, at most Plan.Batch; nil = the first N
	N      int       // samples of this batch when Rows is nil
	Index  int64     // 1 for the first training step: Adam's t, dropout's key
	LR     float32

	Out     []float32 // if not nil: Plan.Output, row-major [n][C·H·W], logical order C,H,W; [n][Seq][C]
	Pred    []int32   // if not nil: the predicted class of each sample or token, [n] or [n][Seq]
	Losses  []float32 // if not nil: the loss of each sample or token, [n] or [n][Seq]; 0 without a label
	OutGrad []float32 // for Load with S[0] = 1: row-major [n][C·H·W]
	InGrad  []float32 // if not nil: the gradient of the input, row-major [n][F]
	Teacher []float32 // for Load with S[0] = 2: a teacher's logits for the batch, row-major [n][C] or [n][Seq][C]

	Micro Micro // which part of the optimiser's step this is
}

// Count is the number of samples.
func (s *Step) Count() int {
	if s.Rows != nil {
		return len(s.Rows)
	}
	return s.N
}

// Result of a run: the mean loss and the number of correct samples, when the
// plan has a CrossEntropy. N is the number of samples, or of tokens with a label.
type Result struct {
	Loss    float64
	Correct int
	N       int
}

// Exec is a compiled plan.
type Exec interface {
	Run(s *Step) (Result, error)
	// Probe switches timing of every call on or off and resets it.
	Probe(on bool)
	// Times is the time spent per call since Probe(true), summed over workers,
	// in the order of the plan's regions and calls.
	Times() []time.Duration
	Close() error
}

// Check tests the bounds a Step must keep; devices call it first.
func (p *Plan) Check(s *Step, features int) error {
	if err := s.Micro.check(p); err != nil {
		return err
	}
	return p.check(s, features, p.Batch)
}

// check tests a step of up to most samples.
func (p *Plan) check(s *Step, features, most int) error {
	n := s.Count()
	if n < 1 || n > most {
		return fmt.Errorf("batch of %d samples: this plan takes 1 to %d", n, most)
	}
	rows := 0
	if features > 0 {
		rows = len(s.X) / features
	}
	if s.Rows == nil && n > rows {
		return fmt.Errorf("batch of %d samples, but the data has %d rows of %d features", n, rows, features)
	}
	for _, r := range s.Rows {
		if int(r) < 0 || int(r) >= rows {
			return fmt.Errorf("batch names row %d of data with %d rows of %d features", r, rows, features)
		}
	}
	if need := rows * p.Per(p.Output); s.Labels != nil && len(s.Labels) < need {
		return fmt.Errorf("%d labels for %d rows", len(s.Labels), need)
	}
	return nil
}

// Labelled checks the labels of a step against the number of classes and counts
// those that the loss is averaged over: of the step's own, or of all samples of the
// optimiser's step that it is a part of.
func (p *Plan) Labelled(s *Step, classes int) (int, error) {
	if s.Labels == nil {
		return 0, errors.New("this plan has a loss: it needs labels")
	}
	if s.Micro.Rows > 0 {
		return s.Micro.Rows, p.checkLabels(s, classes, new(int))
	}
	count := 0
	if err := p.checkLabels(s, classes, &count); err != nil {
		return 0, err
	}
	if count == 0 {
		return 0, errors.New("no token of this batch has a label")
	}
	return count, nil
}

// checkLabels tests the labels of a step and counts those that are classes.
func (p *Plan) checkLabels(s *Step, classes int, count *int) error {
	per := p.Per(p.Output)
	tokens := p.Seq > 0 && !(p.Output >= 0 && p.Output < len(p.Vals) && p.Vals[p.Output].Sample)
	for i := range s.Count() {
		sample := i
		if s.Rows != nil {
			sample = int(s.Rows[i])
		}
		for row := sample * per; row < (sample+1)*per; row++ {
			switch l := s.Labels[row]; {
			case l >= 0 && int(l) < classes:
				*count++
			case !tokens || l != NoLabel:
				return fmt.Errorf("row %d has label %d, but the model has %d classes (0 to %d)", row, l, classes, classes-1)
			}
		}
	}
	return nil
}

// CheckTeacher tests the scalars and outputs of a CrossEntropy with a teacher.
func CheckTeacher(c *Call) error {
	switch a, t := c.S[0], c.S[1]; {
	case len(c.Out) != 2:
		return errors.New("a teacher is for training: there must be room for dlogits")
	case !(a > 0 && a <= 1) || !(t > 0 && t < 1e6):
		return fmt.Errorf("alpha = %g, temperature = %g: need 0 < alpha ≤ 1 and a temperature above 0", a, t)
	}
	return nil
}

// CheckIDs tests the ids of a step, in channel c of the input, against the number of
// rows of an embedding.
func (p *Plan) CheckIDs(s *Step, c, rows int) error {
	channels := p.Vals[p.Input].C
	for i := range s.Count() {
		sample := i
		if s.Rows != nil {
			sample = int(s.Rows[i])
		}
		for k := p.Rows(sample); k < p.Rows(sample+1); k++ {
			if id := s.X[k*channels+c]; !(id >= 0 && id < float32(rows)) || id != float32(int(id)) {
				return fmt.Errorf("token %d of sample %d is %g: the embedding takes whole numbers from 0 to %d", k-p.Rows(sample), sample, id, rows-1)
			}
		}
	}
	return nil
}
