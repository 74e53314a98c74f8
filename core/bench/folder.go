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

	"pare/core/data/tokenizer"
	"pare/core/device"
	"pare/core/device/cpu"
	"pare/core/model/hf"
	"pare/core/plan"
)

// FolderOptions of a folder of Hugging Face that is run by us and by transformers, on
// the same texts, each with its own tokenizer.
type FolderOptions struct {
	Tokens, Batch, Threads, Rounds int
	Python                         string // interpreter with torch and transformers
}

// FolderResult says how far apart the two are, and how fast.
type FolderResult struct {
	Task      hf.Task `json:"task"`
	Texts     int     `json:"texts"`
	Tokens    int     `json:"tokens"`    // of a sequence, padding included
	Words     int     `json:"words"`     // tokens of all texts that are no padding
	OtherIDs  int     `json:"other_ids"` // texts whose ids differ
	MaxDiff   float64 `json:"max_diff"`  // of the outputs, at tokens that are no padding
	Largest   float64 `json:"largest"`   // output of transformers
	Embedding float64 `json:"embedding"` // largest difference of the texts' embeddings (mean over tokens, of length 1); 0 but for bare encoders
	Ours      Speed   `json:"ours"`
	Theirs    Speed   `json:"theirs"`
}

// Speed is a median over rounds with the extremes.
type Speed struct {
	PerSec float64 `json:"sequences_per_s"`
	Lo     float64 `json:"lo"`
	Hi     float64 `json:"hi"`
}

// Folder runs the model of dir on texts, whose number is cut to whole batches.
func Folder(dir string, texts []string, o FolderOptions) (*FolderResult, error) {
	if o.Batch < 1 || o.Rounds < 1 || o.Tokens < 2 || len(texts) < o.Batch {
		return nil, fmt.Errorf("%d texts in batches of %d, %d rounds, %d tokens: need one batch, one round and two tokens at least", len(texts), o.Batch, o.Rounds, o.Tokens)
	}
	texts = texts[:len(texts)/o.Batch*o.Batch]
	d, err := hf.Open(dir)
	if err != nil {
		return nil, err
	}
	task, err := d.Task()
	if err != nil {
		return nil, err
	}
	if task == hf.ImageClassifier {
		return nil, fmt.Errorf("model %s is an %s: this bench has texts only", dir, task)
	}
	ids, err := padded(dir, texts, o.Tokens, d.Config.Pad)
	if err != nil {
		return nil, err
	}
	ex, n, err := folderExec(d, o)
	if err != nil {
		return nil, err
	}
	defer ex.Close() //nolint:errcheck // nothing left to do with it
	tmp, err := os.MkdirTemp("", "pare-folder-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp) //nolint:errcheck // a temporary folder
	p, err := startPeers(o.Python)
	if err != nil {
		return nil, err
	}
	defer p.close()
	arch := ""
	if len(d.Config.Archs) > 0 {
		arch = d.Config.Archs[0]
	}
	theirs := filepath.Join(tmp, "out.f32")
	r, err := p.ask(question{Op: "open", What: "folder", Model: dir, Net: arch, Texts: texts, Sizes: []int{o.Tokens}, Batch: o.Batch, Threads: o.Threads, IDs: filepath.Join(tmp, "ids.i32"), Weights: theirs})
	if err != nil {
		return nil, fmt.Errorf("transformers: %w", err)
	}
	res := &FolderResult{Task: task, Texts: len(texts), Tokens: o.Tokens}
	out := make([]float32, len(texts)*n)
	var speeds [2][]float64
	for round := range o.Rounds + 1 { // the first fills caches
		start := time.Now()
		for i := 0; i < len(texts); i += o.Batch {
			if _, err := ex.Run(&device.Step{X: ids[i*o.Tokens : (i+o.Batch)*o.Tokens], N: o.Batch, Out: out[i*n : (i+o.Batch)*n]}); err != nil {
				return nil, err
			}
		}
		mine := time.Since(start).Seconds()
		q, err := p.ask(question{Op: "steps", ID: r.ID, Count: 1})
		time.Sleep(rest)
		if err != nil {
			return nil, fmt.Errorf("transformers: %w", err)
		}
		if len(q.Losses) != 1 { // the seconds without writing the outputs
			return nil, errors.New("transformers told no time")
		}
		if round > 0 {
			speeds[0] = append(speeds[0], float64(len(texts))/mine)
			speeds[1] = append(speeds[1], float64(len(texts))/q.Losses[0])
		}
	}
	res.Ours, res.Theirs = speedOf(speeds[0]), speedOf(speeds[1])
	return res, res.compare(ids, out, filepath.Join(tmp, "ids.i32"), theirs, d.Config.Pad)
}

// padded are the ids of texts, cut and filled up to t tokens.
func padded(dir string, texts []string, t int, pad *int) ([]float32, error) {
	tok, err := tokenizer.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("tokenizer of %s: %w", dir, err)
	}
	fill, known := tok.Pad()
	if pad != nil {
		fill, known = int32(*pad), true
	}
	ids := make([]float32, 0, len(texts)*t)
	for i, s := range texts {
		e, err := tok.Encode(s, tokenizer.Options{MaxTokens: t})
		if err != nil {
			return nil, fmt.Errorf("text %d: %w", i, err)
		}
		if len(e.IDs) < t && !known {
			return nil, fmt.Errorf("text %d has %d tokens and the tokenizer no padding: ask for at most so many tokens", i, len(e.IDs))
		}
		for k := range t {
			if k < len(e.IDs) {
				ids = append(ids, float32(e.IDs[k]))
			} else {
				ids = append(ids, float32(fill))
			}
		}
	}
	return ids, nil
}

// folderExec compiles the model; n are the outputs of a sequence.
func folderExec(d *hf.Dir, o FolderOptions) (device.Exec, int, error) {
	m, err := d.Build(hf.Options{Tokens: o.Tokens})
	if err != nil {
		return nil, 0, err
	}
	dev := cpu.New()
	p, err := plan.Build(m, dev, plan.Options{Mode: plan.Infer, Batch: o.Batch})
	if err != nil {
		return nil, 0, err
	}
	ex, err := device.Alone(dev, p, plan.Weights(m, nil), 0, o.Threads, func(i int) []float32 { return m.Params[i].Data })
	v := m.Values[m.Output]
	return ex, v.C * max(v.Seq, 1), err
}

func speedOf(l []float64) Speed {
	slices.Sort(l)
	return Speed{l[len(l)/2], l[0], l[len(l)-1]}
}

// compare reads what transformers made of the texts.
func (r *FolderResult) compare(ids, out []float32, idsFile, outFile string, pad *int) error {
	a, errA := os.ReadFile(idsFile)
	b, errB := os.ReadFile(outFile)
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	if len(a) != 4*len(ids) || len(b) != 4*len(out) {
		return fmt.Errorf("transformers made %d ids and %d outputs, we %d and %d", len(a)/4, len(b)/4, len(ids), len(out))
	}
	word := make([]bool, len(ids))
	other := map[int]bool{}
	for i, id := range ids {
		if word[i] = pad == nil || int(id) != *pad; word[i] {
			r.Words++
		}
		if int32(binary.LittleEndian.Uint32(a[4*i:])) != int32(id) {
			other[i/r.Tokens] = true
		}
	}
	r.OtherIDs = len(other)
	theirs := make([]float32, len(out))
	for i := range theirs {
		theirs[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	each := len(out) / len(ids) // outputs of a token; 0: of a sequence
	for i, x := range theirs {
		if each > 0 && !word[i/each] {
			continue
		}
		r.Largest = max(r.Largest, math.Abs(float64(x)))
		r.MaxDiff = max(r.MaxDiff, math.Abs(float64(x)-float64(out[i])))
	}
	if r.Task != hf.BareEncoder {
		return nil
	}
	for i := range r.Texts {
		mine, yours := embed(out, word, i, r.Tokens, each), embed(theirs, word, i, r.Tokens, each)
		for k := range mine {
			r.Embedding = max(r.Embedding, math.Abs(mine[k]-yours[k]))
		}
	}
	return nil
}

// embed is a text's embedding as sentence transformers make it: the mean over its
// tokens, scaled to length 1.
func embed(out []float32, word []bool, text, tokens, c int) []float64 {
	e, n, length := make([]float64, c), 0, 0.0
	for t := text * tokens; t < (text+1)*tokens; t++ {
		if word[t] {
			n++
			for k := range e {
				e[k] += float64(out[t*c+k])
			}
		}
	}
	for k := range e {
		e[k] /= float64(max(n, 1))
		length += e[k] * e[k]
	}
	for k := range e {
		e[k] /= math.Sqrt(max(length, 1e-24))
	}
	return e
}
