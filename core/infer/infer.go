// Package infer runs a trained model from a Go program:
//
//	net, err := infer.Open("shop.packed.safetensors")
//	…
//	defer net.Close()
//	err = net.Run(pixels, logits)
//
// It reads what pare exports, packed or plain, and .onnx files. Layers with
// enough zeros run on kernels that skip them. A Net is safe for concurrent use,
// and a call allocates nothing once as many calls as ever will have run side by
// side.
//
// Inputs go into the model as they are: give them as the model saw them in
// training, (x × scale − mean) / std. Outputs are what the model's last layer
// says, logits as a rule.
//
// The module has no host in its path; another module names it by
// `go mod edit -require pare@v0.0.0 -replace pare=PATH`. infer imports
// core/deploy, core/plan, core/graph, core/tensor and the devices' contract with
// the processor behind it: no training, no data sets, no screen.
package infer

import (
	"fmt"
	"runtime"

	"pare/core/deploy"
	"pare/core/device"
	"pare/core/device/cpu"
	"pare/core/graph"
	"pare/core/plan"
)

// Port is an input or output of a model.
type Port struct {
	Name    string // as the model's file has it, else "input" and "logits"
	C, H, W int    // of one sample, row-major [C][H][W]; a vector has H = W = 1
	Seq     int    // tokens of a sequence, row-major [Seq][C]; 0 for other samples
}

// Len is the number of values of one sample.
func (p Port) Len() int { return p.C * p.H * p.W * max(p.Seq, 1) }

// String is C×H×W, or Seq×C of a sequence.
func (p Port) String() string { return graph.Value{C: p.C, H: p.H, W: p.W, Seq: p.Seq}.String() }

// Layer says what a layer runs on.
type Layer struct {
	Name   string
	Format string // dense, 2:4, or the blocks stored: 1×1, 4×1, 8×1, 16×1 (rows × columns of W[out, in])
	Why    string // this format, in words
}

// Option changes how a model is loaded.
type Option func(*options)

type options struct {
	dev            device.Device
	threads, batch int
}

// Threads is how many processors one call may use, 1 if not given: calls from
// several goroutines then run side by side. More serve calls of many samples;
// they are shared out in tiles of 16. Below 1 means as many as Go may use.
func Threads(n int) Option { return func(o *options) { o.threads = n } }

// Batch is how many samples go through the model at a time, 64 if not given.
// Calls may have any number of samples; memory for values grows with Batch.
func Batch(n int) Option { return func(o *options) { o.batch = n } }

// On is the device to run on, the processor if not given.
func On(dev device.Device) Option { return func(o *options) { o.dev = dev } }

// Net is a model that is ready to run. Its weights are there once, whatever the
// number of calls that run side by side.
type Net struct {
	name    string
	in, out Port
	layers  []Layer
	o       options
	bank    device.Bank
	few     *device.Plan // of one sample, or of as many as the device has kernels of their own for
	many    *device.Plan // of o.batch samples

	runners
}

// Open loads a model file: .safetensors as pare exports it, packed or plain, or
// .onnx. Errors name the file and say what to do.
func Open(path string, opts ...Option) (*Net, error) {
	m, err := deploy.Open(path)
	if err != nil {
		return nil, err
	}
	return New(m, opts...)
}

// New makes a model of the engine ready to run. m must have its values; it is
// not kept.
func New(m *graph.Model, opts ...Option) (*Net, error) {
	o := options{threads: 1, batch: 64}
	for _, f := range opts {
		f(&o)
	}
	if o.dev == nil {
		o.dev = cpu.New()
	}
	procs := runtime.GOMAXPROCS(0)
	if o.threads < 1 {
		o.threads = procs
	}
	n := &Net{name: m.Name, o: o, in: port(m.InputName, "input", m.Input()), out: port(m.OutputName, "logits", m.Values[m.Output])}
	var err error
	if n.many, err = plan.Build(m, o.dev, plan.Options{Mode: plan.Infer, Batch: o.batch}); err != nil {
		return nil, err
	}
	choices := plan.Choose(m, o.dev, plan.InferPrices())
	for _, c := range choices {
		n.layers = append(n.layers, Layer{Name: c.Name, Format: c.Format.String(), Why: c.Why})
	}
	ws := plan.Weights(m, choices)
	for i := range ws {
		ws[i].Train = false // no room for gradients
	}
	if n.bank, err = o.dev.NewBank(ws, 0); err != nil {
		return nil, err
	}
	for i, q := range m.Params {
		if err := n.bank.Set(i, q.Data); err != nil {
			n.bank.Close() //nolint:errcheck // the other error says it
			return nil, fmt.Errorf("parameter %s: %w", q.Name, err)
		}
	}
	few := 1
	if d, ok := o.dev.(device.Fewer); ok {
		few = min(max(few, d.Few(n.many, n.bank)), o.batch)
	}
	n.init(max(1, procs/o.threads))
	n.few, err = plan.Build(m, o.dev, plan.Options{Mode: plan.Infer, Batch: few})
	if err == nil { // what the device cannot run shows here, not at the first call
		_, err = n.all[0].exec(n, few)
	}
	if err != nil {
		n.bank.Close() //nolint:errcheck // the other error says it
		return nil, err
	}
	return n, nil
}

func port(name, other string, v graph.Value) Port {
	if name == "" {
		name = other
	}
	return Port{Name: name, C: v.C, H: v.H, W: v.W, Seq: v.Seq}
}

// Name is the model's name, of letters, digits, dots, dashes and underscores
// when it came from a file.
func (n *Net) Name() string { return n.name }

// Input is the model's input, Output what Run writes.
func (n *Net) Input() Port { return n.in }

// Output is the model's output.
func (n *Net) Output() Port { return n.out }

// Layers says which format each layer with a weight matrix runs in, and why. On few samples
// a device may run a layer dense where its zeros would take longer.
func (n *Net) Layers() []Layer { return n.layers }

// Resident is the number of bytes the weights take in memory.
func (n *Net) Resident() int64 { return n.bank.Resident() }

// Run runs the model on n ≥ 1 samples: x is [n][Input().Len()], out is
// [n][Output().Len()], both row-major. It may be called by several goroutines at
// once; when more do than the machine has processors for, a call waits for
// another to end. A call of few samples, one or as many as the device says, takes kernels
// of their own, whose sums are in another order: beside the same sample in a larger call,
// the last bits may differ.
func (n *Net) Run(x, out []float32) error {
	f, k := n.in.Len(), n.out.Len()
	b := len(x) / f
	switch {
	case b < 1 || b*f != len(x):
		return fmt.Errorf("infer: %d values are no whole number of samples: model %s takes %d a sample (%v)", len(x), n.name, f, n.in)
	case len(out) != b*k:
		return fmt.Errorf("infer: room for %d values: model %s makes %d of %d samples, %d each", len(out), n.name, b*k, b, k)
	}
	r := n.take()
	if r == nil {
		return errClosed
	}
	err := r.run(n, x, out, b)
	n.put(r)
	return err
}

// Close waits for the calls under way and frees what they used; the weights go
// with the Net. Calls that come later end in an error. Close may be called more
// than once.
func (n *Net) Close() error {
	return n.runners.close(n.bank)
}
