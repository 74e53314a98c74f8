package work

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pare/core"
	"pare/core/event"
	"pare/core/model/zoo"
)

// TestPickFolder: a folder with an encoder goes with a table of texts, whose shape is
// not known before it is read; one with a language model does not.
func TestPickFolder(t *testing.T) {
	table := filepath.Join(t.TempDir(), "t.csv")
	if err := os.WriteFile(table, []byte("text,class\na day,yes\na night,no\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"hf-bert", "hf-distilbert", "hf-vit", "hf-gpt2"} {
		r := core.DefaultRecipe()
		r.Model = core.ModelSpec{Path: filepath.Join("../../core/model/hf/testdata", folder)}
		r.Data = core.DataSpec{Path: table}
		p, _, err := checkPick(r)
		switch {
		case folder != "hf-gpt2" && (err != nil || p.Optimizer != "adamw"):
			t.Errorf("%s: %v, %+v", folder, err, p)
		case folder == "hf-gpt2" && (err == nil || !strings.Contains(err.Error(), "t.csv has samples with labels")):
			t.Errorf("%s on texts with labels: %v", folder, err)
		}
	}
}

// TestSetupOfAFolder: epochs are those of its set-up unless they were asked for, text
// has its fields, and a tokenizer that is not its own is warned of.
func TestSetupOfAFolder(t *testing.T) {
	open := func(o Options, folder string) *desk {
		d := testDesk(t, 80, 24, 0, false)
		r := core.DefaultRecipe()
		r.Model = core.ModelSpec{Path: filepath.Join("../../core/model/hf/testdata", folder)}
		r.Data = core.DataSpec{Name: "kjv"}
		d.o.Recipe, d.o.Epochs = r, o.Epochs
		work(d, d.toSetup())
		if d.page != pageSetup {
			t.Fatalf("%s: %s", folder, d.pick.err)
		}
		return d
	}
	d := open(Options{}, "hf-gpt2")
	if n := d.setup.get("epochs").num; n != 3 {
		t.Errorf("%g epochs, the set-up of a folder has 3", n)
	}
	got := bare(d.Render())
	for _, want := range []string{"tokenizer", "tokens a sample", "Devlin et al. 2019", "adapted"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "as published") {
		t.Errorf("a folder's set-up is called published:\n%s", got)
	}
	for d.setup.fields[d.setup.at].key != "tokenizer" {
		key(d, "down")
	}
	key(d, "right")
	if got := bare(d.Render()); !strings.Contains(got, "Beware") || !strings.Contains(got, "cut by char") {
		t.Errorf("char on a pretrained folder is not warned of:\n%s", got)
	}
	key(d, "down", "6", "4", "enter")
	r := d.setupRecipe()
	if r.Data.Tokenizer != "char" || r.Data.Tokens != 64 || !slices.Contains(r.Deploy.Formats, "hf") {
		t.Errorf("tokenizer %q, %d tokens, formats %v", r.Data.Tokenizer, r.Data.Tokens, r.Deploy.Formats)
	}
	if d := open(Options{Epochs: true}, "hf-gpt2"); d.setup.get("epochs").num != 15 {
		t.Errorf("%g epochs, 15 were asked for", d.setup.get("epochs").num)
	}
}

// TestSetupOffersValuesMadeAgain: where a model has a row of blocks, and nowhere else: a
// recipe that asks for it does not keep it for another model.
func TestSetupOffersValuesMadeAgain(t *testing.T) {
	for name, data := range map[string]string{"resnet-8": "fashion-mnist", "mlp": "iris"} {
		d := testDesk(t, 80, 24, 0, false)
		d.o.Recipe = core.DefaultRecipe()
		d.o.Recipe.Model, d.o.Recipe.Data = core.ModelSpec{Name: name}, core.DataSpec{Name: data}
		d.o.Recipe.Train.Recompute = true
		work(d, d.toSetup())
		if d.page != pageSetup {
			t.Fatalf("%s: %s", name, d.pick.err)
		}
		has := strings.Contains(bare(d.Render()), "values in blocks     made again: less memory")
		if want := name == "resnet-8"; has != want || d.setupRecipe().Train.Recompute != want {
			t.Errorf("%s: values made again %v on the screen, %v in the recipe", name, has, d.setupRecipe().Train.Recompute)
		}
		if !has {
			continue
		}
		for d.setup.fields[d.setup.at].key != "values" {
			key(d, "down")
		}
		key(d, "right")
		if d.setupRecipe().Train.Recompute {
			t.Error("made again, but kept was chosen")
		}
	}
}

// TestSetupSaysWhatComesFirst: of no epochs, that nothing is trained.
func TestSetupSaysWhatComesFirst(t *testing.T) {
	d := testDesk(t, 80, 24, 0, false)
	d.o.Recipe = core.DefaultRecipe()
	d.o.Recipe.Model, d.o.Recipe.Data = core.ModelSpec{Name: "mlp"}, core.DataSpec{Name: "iris"}
	work(d, d.toSetup())
	for epochs, say := range []string{"the model is evaluated first, as it is: ", "the baseline is trained first: "} {
		d.setup.get("epochs").num = float64(epochs)
		if !strings.Contains(bare(d.Render()), say) {
			t.Errorf("of %d epochs not %q:\n%s", epochs, say, bare(d.Render()))
		}
	}
}

// TestPresetIsPublishedOrNot: only what stands in its source so is called published.
func TestPresetIsPublishedOrNot(t *testing.T) {
	for _, i := range zoo.List() {
		_, p, err := zoo.New(i.Name, 1, i.Input, i.Classes)
		if err != nil {
			t.Fatal(err)
		}
		if say := presetText(p); strings.Contains(say, "as published") != p.Published || p.Source == "" || !strings.Contains(say, p.Source) {
			t.Errorf("%s: %q of %+v", i.Name, say, p)
		}
	}
	if say := presetText(zoo.Preset{}); strings.Contains(say, "published") {
		t.Errorf("no source, but %q", say)
	}
}

// TestDeployFormOffersWhatCanBeWritten: hf for folders; ONNX is not chosen where the
// model cannot be written so.
func TestDeployFormOffersWhatCanBeWritten(t *testing.T) {
	for _, folder := range []bool{true, false} {
		s := newStory().start("B").baselineDone("B").wait(event.Configure, "choose")
		d := testDesk(t, 120, 40, 0, false)
		f := &fake{id: "brisk-heron", log: s.es, alive: true, recipe: testRecipe()}
		if folder {
			f.recipe.Model = core.ModelSpec{Path: "../../core/model/hf/testdata/hf-vit"}
			f.recipe.Deploy.Formats = []string{"packed", "onnx", "hf"}
		}
		d.follow(f)
		for _, e := range s.es {
			d.fold(e)
		}
		d.run.recipe = f.recipe
		if len(d.openConf()) == 0 {
			t.Fatal("no form")
		}
		d.onEngine(engineMsg{onnx: "an operator has no form there"})
		r := d.confRecipe()
		if slices.Contains(r.Deploy.Formats, "onnx") {
			t.Errorf("ONNX is written where it cannot: %v", r.Deploy.Formats)
		}
		if has := d.conf.get(formatHF).key != ""; has != folder || slices.Contains(r.Deploy.Formats, "hf") != folder {
			t.Errorf("folder %v: hf offered %v, formats %v", folder, has, r.Deploy.Formats)
		}
		if v := d.conf.get("onnx").value(); v != "no: an operator has no form there" {
			t.Errorf("the form says %q", v)
		}
	}
}
