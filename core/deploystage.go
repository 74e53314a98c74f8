package core

import (
	"context"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"pare/core/deploy"
	"pare/core/event"
	"pare/core/graph"
	"pare/core/tensor"
	"pare/core/train"
)

// checkSamples is how many validation inputs every written file is run on.
const checkSamples = 64

// deploy is stage 5: write the files, read each again and run it against the
// model in memory, and say for every layer what was gained.
func (r *run) deploy(ctx context.Context) error {
	if err := r.stage(event.Deploy, "started", ""); err != nil {
		return err
	}
	if err := r.spends(); err != nil {
		return err
	}
	if err := r.wait(ctx, event.Deploy, "ready to write "+strings.Join(r.r.Deploy.Formats, ", ")); err != nil {
		return err
	}
	r.startEpoch()
	if err := r.t.Pull(); err != nil {
		return err
	}
	want, err := r.logits(r.model)
	if err != nil {
		return err
	}
	written := 0
	for _, f := range r.r.Deploy.Formats {
		if err := r.spends(); err != nil {
			return err
		}
		if why := r.cannotWrite(f); why != nil { // the others are written all the same
			if err := r.refuse("%s is not written: %v", f, why); err != nil {
				return err
			}
			continue
		}
		if err := r.export(f, want); err != nil {
			return err
		}
		written++
	}
	if err := r.layerVerdicts(); err != nil {
		return err
	}
	if err := r.billStage(event.Deploy); err != nil {
		return err
	}
	if err := r.budgetDone(); err != nil {
		return err
	}
	if err := r.stage(event.Deploy, "done", wrote(written)); err != nil {
		return err
	}
	if err := r.checkpoint("final", -1); err != nil {
		return err
	}
	for _, d := range r.pending {
		if err := r.refuse("the recipe's decision to %s %s at step %d of %s was never reached: this run is not the one it was saved from", d.Cmd, strings.TrimSpace(fmt.Sprint(d.Text, " ", d.Value)), d.Step, event.Stage(d.Stage)); err != nil {
			return err
		}
	}
	code, text := r.exit()
	if !r.loop.Broke && r.exceeded() != "" {
		text += ", over its budget"
	}
	if err := r.emit(&event.Done{Exit: code, Text: text, Weights: r.model.WeightHash()}); err != nil {
		return err
	}
	return outcome{code, text}
}

// exit is the exit code: the verdict's, unless the target was not reached. Who ends
// sparsifying early lowers the target to what is reached, as the text says; where that is
// nothing, the verdict is of a model that was not pared, and the target was missed.
func (r *run) exit() (int, string) {
	z, code := r.zeros(), ExitVerdict
	if r.loop.Verdict == "PASS" {
		code = ExitOK
	}
	text := "verdict " + r.loop.Verdict
	switch short := r.cutShort(); {
	case r.loop.Frozen && z < r.target()-1e-3:
		return ExitTarget, fmt.Sprintf("target of %.1f %% zeros not reached above the floor", 100*r.target())
	case short && (z < 1e-3 || r.loop.Share == 0):
		return ExitTarget, fmt.Sprintf("target of %.1f %% zeros missed: %s at %.1f %%", 100*r.asked(), r.endedEarly(), 100*z)
	case short:
		text += fmt.Sprintf(" at %.1f %% zeros, %s short of the target of %.1f %%", 100*z, r.endedEarly(), 100*r.asked())
	}
	return code, text
}

// cutShort reports whether sparsifying was ended before the schedule had come to the
// share of zeros asked for.
func (r *run) cutShort() bool {
	goal := r.asked() - 1e-3
	return r.loop.Settled != nil && r.loop.Share < goal && r.zeros() < goal
}

// endedEarly says what ended sparsifying before its schedule did.
func (r *run) endedEarly() string {
	if r.loop.Broke {
		return "ended by the budget"
	}
	return "ended early"
}

// CannotWrite says why a model cannot be expressed in packed, safetensors or onnx, by
// writing it to nowhere; nil where it can.
func CannotWrite(m *graph.Model, format string) error { return deploy.Write(io.Discard, m, format) }

// cannotWrite says why the model cannot be expressed in a format, by writing it to
// nowhere; nil where it can.
func (r *run) cannotWrite(format string) error {
	switch format {
	case formatPEFT:
		return nil
	case formatHF:
		_, err := r.folderFiles()
		return err
	}
	return CannotWrite(r.model, format)
}

// export writes one format, reads it back, compares masks and logits.
func (r *run) export(format string, want []float32) error {
	switch format {
	case formatPEFT:
		return r.exportAdapters(want)
	case formatHF:
		return r.exportFolder(want)
	}
	name := r.model.Name + map[string]string{"packed": ".packed.safetensors", "safetensors": ".safetensors", "onnx": ".onnx"}[format]
	var path, sha string
	var size int64
	err := r.whenThereIsSpace(func() (err error) {
		path, sha, size, err = r.cfg.Store.Export(name, func(w io.Writer) error { return deploy.Write(w, r.model, format) })
		return err
	})
	if err != nil {
		return fmt.Errorf("export %s: %w", format, err)
	}
	back, err := LoadModel(path)
	if err != nil {
		return fmt.Errorf("export %s: the file does not read back: %w", format, err)
	}
	if err := deploy.SameZeros(r.model, back); err != nil {
		return fmt.Errorf("export %s: %w", format, err)
	}
	if format == deploy.Packed { // the one that carries masks
		if err := r.checkMasks(back); err != nil {
			return fmt.Errorf("export %s: %w", format, err)
		}
	}
	got, err := r.logits(back)
	if err != nil {
		return fmt.Errorf("export %s: the file does not run: %w", format, err)
	}
	d, n, err := r.agree(want, got)
	if err != nil {
		return fmt.Errorf("export %s: %w", format, err)
	}
	return r.emit(&event.Export{Format: format, File: path, Bytes: size, SHA: sha, MaxDiff: d, Samples: n})
}

// agree tests the outputs of a file that was read again, of n samples; they may be off
// by a rounding d.
func (r *run) agree(want, got []float32) (d float64, n int, err error) {
	d, n = deploy.MaxDiff(want, got), min(checkSamples, r.set.Val.N())
	largest := 1.0
	for _, x := range want {
		largest = max(largest, math.Abs(float64(x)))
	}
	if !(d <= 1e-4*largest) {
		return d, n, fmt.Errorf("the file's outputs differ from the model's by %g", d)
	}
	return d, n, nil
}

// logits runs a model on the first validation samples.
func (r *run) logits(m *graph.Model) ([]float32, error) {
	o, err := r.trainerOptions()
	if err != nil {
		return nil, err
	}
	// A file without masks runs dense: on a card, whose 2:4 products round otherwise, both do.
	_, o.Dense = cardOf(r.dev)
	t, err := train.New(m.Clone(), r.dev, o, nil)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	n, per := min(checkSamples, r.set.Val.N()), m.Values[m.Output].Len()
	out := make([]float32, n*per)
	for i := 0; i < n; i++ {
		if err := t.Infer(r.set.Val, i, out[i*per:(i+1)*per]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// packedBytes is the size of the packed file of m, counted by writing it to
// nowhere.
func (r *run) packedBytes(m *graph.Model) (int64, error) {
	var c counter
	err := deploy.Write(&c, m, "packed")
	return int64(c), err
}

type counter int64

func (c *counter) Write(b []byte) (int, error) { *c += counter(len(b)); return len(b), nil }

// probeSteps is how many steps a turn of the layers' timing has, where the first took so
// long: few of a large model, so that the last stage does not take minutes. The turns,
// not the steps in one, are what a drift of the machine is told from.
func probeSteps(first time.Duration) int {
	const most = 20
	return max(1, min(most, int(window/max(first, 1))))
}

// layerVerdicts times every layer in a training step, dense and as it runs now,
// in alternation, and says in words what it gained.
func (r *run) layerVerdicts() error {
	dense, err := r.denseTrainer()
	if err != nil {
		return err
	}
	defer dense.Close()
	now, err := r.copyTrainer()
	if err != nil {
		return err
	}
	defer now.Close()
	rows := r.firstBatch()
	steps, told := 1, r.progress("timing the layers, dense and pared in turn", alternations+1)
	var d, n []float64
	for i := 0; i <= alternations; i++ {
		if err := told.at(i); err != nil {
			return err
		}
		if err := r.spends(); err != nil {
			return err
		}
		begin := time.Now()
		x, err := dense.Probe(r.set.Train, rows, 0, steps)
		if err != nil {
			return err
		}
		took := time.Since(begin)
		y, err := now.Probe(r.set.Train, rows, 0, steps)
		if err != nil {
			return err
		}
		if i == 0 { // warm-up
			steps = probeSteps(took)
			d, n = make([]float64, len(x)), make([]float64, len(y))
			continue
		}
		addTo(d, x, alternations)
		addTo(n, y, alternations)
	}
	e := &event.LayerVerdicts{}
	for _, pair := range counterparts(dense.Model, now.Model) {
		q := dense.Model.Params[pair.dense.Param]
		v, kept, why := event.LayerVerdict{Name: pair.dense.Name, Shape: q.Shape, DenseMS: d[pair.dense.Node] / 1e6}, 0, ""
		for _, i := range pair.now {
			l := now.Model.Layers()[i]
			p := now.Model.Params[l.Param]
			v.Shape, v.RunsAs, why = p.Shape, now.Choices[i].Format.String(), now.Choices[i].Why
			v.NowMS += n[l.Node] / 1e6
			kept += p.Shape.Len() - p.Mask.Zeros()
		}
		if len(pair.now) > 1 {
			v.Shape = q.Shape
		}
		v.Zeros = 1 - float64(kept)/float64(q.Shape.Len())
		_, card := cardOf(r.dev)
		pairs := card && v.RunsAs == tensor.NM24.String() // where they pay, in training as well
		v.Text = gain(v, why, pairs || len(pair.now) > 1 || !q.Shape.Equal(v.Shape), r.timeName())
		if pairs {
			v.Text += "; " + why
		}
		if len(pair.now) > 1 {
			v.Text = "two factors: " + v.Text
		}
		e.Layers = append(e.Layers, v)
	}
	return r.emit(e)
}

func addTo(sum, x []float64, n int) {
	for i := range sum {
		sum[i] += x[i] / float64(n)
	}
}

// gain is the verdict of one layer in words. A layer that still runs the dense
// kernel at its old size gained nothing, whatever the clock's noise says; 2:4 does
// so in the training steps that are timed, on the processor. changed: it does not.
func gain(v event.LayerVerdict, why string, changed bool, time string) string {
	f := 0.0
	if v.NowMS > 0 {
		f = v.DenseMS / v.NowMS
	}
	switch {
	case v.Zeros == 0:
		return "left dense"
	case (v.RunsAs == tensor.Dense.String() || v.RunsAs == tensor.NM24.String()) && !changed:
		return why
	case f >= 1.05:
		return fmt.Sprintf("%.1f× less %s", f, time)
	case f > 0.95:
		return fmt.Sprintf("no gain here: %.0f %% zeros, the same %s within 5 %%", 100*v.Zeros, time)
	}
	return fmt.Sprintf("no gain here: %.0f %% zeros, but slower than dense", 100*v.Zeros)
}

// wrote is the stage's evidence.
func wrote(files int) string {
	if files == 1 {
		return "1 file written, read again and compared"
	}
	return fmt.Sprintf("%d files written, read again and compared", files)
}
