package core

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pare/core/data"
	"pare/core/event"
	"pare/core/graph"
	"pare/core/model/hf"
	"pare/core/model/peft"
	"pare/core/model/zoo"
)

// TestFolder: the five stages on a folder of Hugging Face end in a folder that holds
// what was pared; a model that config.json cannot express is told, and not written.
func TestFolder(t *testing.T) {
	for _, c := range []struct{ pattern, distribution, refused string }{
		{"neuron", "layer", ""},
		{"element", "global", ""},
		{"head", "layer", "it cannot express this model"},
	} {
		t.Run(c.pattern, func(t *testing.T) {
			r := verse(t)
			r.Model.Name, r.Model.Path = "", "model/hf/testdata/hf-gpt2"
			r.Train.Epochs, r.Prune.Epochs, r.Train.LR, r.Train.Optimizer = 1, 1, 1e-3, "adamw"
			r.Prune.Pattern, r.Prune.Distribution, r.Prune.Target = c.pattern, c.distribution, 0.2
			r.Deploy.Formats = []string{"hf"}
			var st MemStore
			code := runAll(t, r, nil, &st)
			s := &st.State
			if code != ExitOK && code != ExitVerdict || s.Done == nil {
				t.Fatalf("exit %d, %+v", code, s.Failures)
			}
			if c.refused != "" {
				said := ""
				for _, w := range s.Warnings {
					said += w.Text + "\n"
				}
				if !strings.Contains(said, "hf is not written") || !strings.Contains(said, c.refused) || len(s.Exports) > 0 {
					t.Errorf("%d files, warnings:\n%s", len(s.Exports), said)
				}
				return
			}
			if len(s.Exports) != 1 || s.Exports[0].Format != "hf" {
				t.Fatalf("exports %+v, warnings %+v", s.Exports, s.Warnings)
			}
			d, err := hf.Open(filepath.Dir(s.Exports[0].File))
			if err != nil {
				t.Fatal(err)
			}
			m, err := d.Graph(16)
			if err != nil {
				t.Fatal(err)
			}
			last, err := st.Load("final")
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range last.Model.Params {
				i := m.Param(p.Name)
				if i < 0 || !p.Shape.Equal(m.Params[i].Shape) {
					t.Fatalf("%s is not in the folder as %v", p.Name, p.Shape)
				}
				for k, x := range p.Data {
					if x != m.Params[i].Data[k] {
						t.Fatalf("%s: element %d is %g, in the folder %g", p.Name, k, x, m.Params[i].Data[k])
					}
				}
			}
		})
	}
}

// TestFolderMistakes: data that a folder's model cannot take are told in one line.
func TestFolderMistakes(t *testing.T) {
	for _, c := range []struct{ folder, data, want string }{
		{"hf-bert", "text", "text without labels trains a causal language model"},
		{"hf-gpt2", "image", "it takes text, the data are no text"},
		{"hf-vit", "text", "(image classifier): text without"},
		{"hf-llama", "long", "takes at most 64 tokens, the samples have 65: set data.tokens = 64, or fewer"},
		{"hf-bert", "table", "the folder has no tokenizer: put the model's own tokenizer.json into it"},
	} {
		r := verse(t)
		r.Model.Name, r.Model.Path = "", filepath.Join("model/hf/testdata", c.folder)
		if c.data == "image" {
			r.Data.Path, r.Data.Name, r.Data.Tokens = "", "fashion-mnist", 0
		}
		switch c.data {
		case "long":
			r.Data.Tokens = 65
		case "table":
			r.Data.Path, r.Data.Tokens, r.Data.Tokenizer = filepath.Join(t.TempDir(), "t.csv"), 8, ""
			if err := os.WriteFile(r.Data.Path, []byte("text,class\n"+strings.Repeat("a good day,yes\na bad one it was,no\n", 20)), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		_, err := Run(context.Background(), Config{Recipe: r, Store: &MemStore{Dir: t.TempDir()}, Session: "test"})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s with %s: %v", c.folder, c.data, err)
		}
	}
}

// TestZooFolders: the zoo's transformers are written as folders, without one they came
// from, and read again.
func TestZooFolders(t *testing.T) {
	for _, c := range []struct {
		name    string
		in      zoo.Input
		classes int
	}{
		{"gpt-nano", zoo.Input{C: 1, H: 1, W: 1, Tokens: 12, Vocab: 20}, 20},
		{"bert-mini", zoo.Input{C: 1, H: 1, W: 1, Tokens: 12, Vocab: 40, Pad: 3}, 5},
		{"bert-mini", zoo.Input{C: 1, H: 1, W: 1, Tokens: 12, Vocab: 40, Pad: -1}, 5},
		{"vit-tiny", zoo.Input{C: 1, H: 28, W: 28}, 10},
	} {
		m, _, err := zoo.New(c.name, 1, c.in, c.classes)
		if err != nil {
			t.Fatal(err)
		}
		files, err := hf.Files(m, nil, nil)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		dir := t.TempDir()
		for _, f := range files {
			var b bytes.Buffer
			if err := f.Write(&b); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, f.Name), b.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		back, err := readFolder(dir, m)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		back.Name = m.Name
		if back.WeightHash() != m.WeightHash() || len(back.Nodes) != len(m.Nodes) {
			t.Errorf("%s: read again it is another model", c.name)
		}
	}
}

// TestPrecheckFolder: a path that leads nowhere, and folders that are no model, are told at
// the prompt.
func TestPrecheckFolder(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ path, config, want string }{
		{"none", "", "none does not exist: check the path"},
		{"empty", "", "the folder has no config.json"},
		{"broken", "{", "config.json: unexpected end of JSON input: correct it"},
		{"bare", `{"model_type": "bert"}`, "no weights: put model.safetensors beside it"},
	} {
		r := DefaultRecipe()
		r.Model.Name, r.Model.Path = "", filepath.Join(dir, c.path)
		if c.path != "none" {
			if err := os.Mkdir(r.Model.Path, 0o777); err != nil {
				t.Fatal(err)
			}
		}
		if c.config != "" {
			if err := os.WriteFile(filepath.Join(r.Model.Path, "config.json"), []byte(c.config), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		if err := Precheck(r); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.path, err, c.want)
		}
	}
	r := DefaultRecipe()
	r.Model.Name, r.Model.Path = "", "model/hf/testdata/hf-bert"
	if err := Precheck(r); err != nil {
		t.Error(err)
	}
}

// TestFolderLength: samples are as long as the folder's model takes, where no length is given.
func TestFolderLength(t *testing.T) {
	r := DefaultRecipe()
	r.Model.Name, r.Model.Path = "", "model/hf/testdata/hf-bert"
	r.Data = DataSpec{Path: filepath.Join(t.TempDir(), "t.csv"), Tokenizer: "char"}
	if err := os.WriteFile(r.Data.Path, []byte("text,class\n"+strings.Repeat("a good day,yes\na bad one it was,no\n", 20)), 0o666); err != nil {
		t.Fatal(err)
	}
	d, err := openData(r)
	if err != nil || d.Text.Len != 64 {
		t.Errorf("%v, %+v", err, d)
	}
}

// TestSampleKeepsPadding: what the log says of the samples is what the data said, so
// that a model is opened for the configure screen as the run opened it.
func TestSampleKeepsPadding(t *testing.T) {
	for _, pad := range []int32{0, 3, -1} {
		set := &data.Data{Classes: []string{"no", "yes"}, Text: &data.Text{Vocab: 40, Len: 12, Pad: pad}, Train: &data.Set{Shape: []int{12}}, Val: &data.Set{}, Test: &data.Set{}}
		m, _, err := zoo.New("bert-mini", 1, SampleOf(set).input(), 2)
		if err != nil {
			t.Fatal(err)
		}
		r := &run{r: DefaultRecipe(), set: set, model: m}
		e := r.modelNow()
		again, _, err := zoo.New("bert-mini", 1, SampleIn(e).input(), 2)
		if err != nil {
			t.Fatal(err)
		}
		if SampleIn(e).Text.Pad != pad || !slices.EqualFunc(m.Nodes, again.Nodes, func(a, b graph.Node) bool { return slices.Equal(a.In, b.In) && a.Attrs.Pad == b.Attrs.Pad }) {
			t.Errorf("padding %d became %d", pad, SampleIn(e).Text.Pad)
		}
	}
}

// TestModelThatIsNaN: weights that are no numbers end a run at the first step, with the reason:
// there is no checkpoint to go back to.
func TestModelThatIsNaN(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("model/hf/testdata/hf-gpt2")); err != nil {
		t.Fatal(err)
	}
	weights := filepath.Join(dir, "model.safetensors")
	b, err := os.ReadFile(weights)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(weights, append(b[:len(b)-4], 0, 0, 0xc0, 0x7f), 0o666); err != nil { // the last value is NaN
		t.Fatal(err)
	}
	r := verse(t)
	r.Model.Name, r.Model.Path = "", dir
	r.Train.Epochs, r.Prune.Epochs = 1, 1
	code, err := Run(context.Background(), Config{Recipe: r, Store: &MemStore{}, Session: "nan"})
	if code != ExitError || err == nil || !strings.Contains(err.Error(), "the model's own weights") || strings.Contains(err.Error(), "checkpoint") {
		t.Errorf("exit %d, %v", code, err)
	}
}

// TestFolderGoesOnBesideAnAdapter: a run that was begun when a whole model's folder was taken
// as such goes on from its checkpoint, whatever base the adapter in it names; a new one, or
// one that has to begin again, is refused.
func TestFolderGoesOnBesideAnAdapter(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "model")
	if err := os.CopyFS(dir, os.DirFS("model/hf/testdata/hf-gpt2")); err != nil {
		t.Fatal(err)
	}
	r := verse(t)
	r.Model.Name, r.Model.Path = "", dir
	r.Train.Epochs, r.Prune.Epochs, r.Train.LR, r.Train.Optimizer = 1, 1, 1e-3, "adamw"
	r.Prune.Pattern, r.Prune.Distribution, r.Prune.Target = "element", "global", 0.2
	r.Deploy.Formats = []string{"hf"}
	whole := MemStore{}
	runAll(t, clone(t, r), nil, &whole)

	ctx, end := context.WithCancel(t.Context())
	st := MemStore{Dir: t.TempDir()}
	st.On = func(e event.Event) {
		if c, ok := e.Body.(*event.Checkpoint); ok && c.Name == "baseline" {
			end()
		}
	}
	if code, err := Run(ctx, Config{Recipe: clone(t, r), Store: &st, Session: "test"}); code != ExitInterrupted || err != nil {
		t.Fatalf("exit %d, %v", code, err)
	}
	st.On = nil
	if err := os.WriteFile(filepath.Join(dir, peft.ConfigFile), []byte(`{"peft_type":"LORA","r":4,"lora_alpha":8,"target_modules":["c_attn"],"base_model_name_or_path":"openai-community/gpt2"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, res := range []*Resume{nil, {Why: "crash"}} {
		other := MemStore{Dir: t.TempDir()}
		if code, err := Run(t.Context(), Config{Recipe: clone(t, r), Store: &other, Session: "test", Resume: res}); code != ExitError || err == nil || !strings.Contains(err.Error(), "which is no folder here") {
			t.Errorf("%+v: exit %d, %v", res, code, err)
		}
	}
	last := st.State.Checkpoints[len(st.State.Checkpoints)-1].Name
	runAll(t, clone(t, r), &Resume{Why: "stop", Log: &st.State, Checkpoint: last}, &st)
	if got, want := st.State.Done.Weights, whole.State.Done.Weights; got != want {
		t.Errorf("it ends in weights %s, never stopped in %s", got, want)
	}
	if len(st.State.Exports) != 1 {
		t.Errorf("exports %+v, warnings %+v", st.State.Exports, st.State.Warnings)
	}
}
