package cli

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"pare/core"
)

// recipeKeys says what each key of a recipe means. A key with a sample stands
// commented out in the example: its default is nothing, or depends on the model.
var recipeKeys = map[string]struct{ text, sample string }{
	"version": {"of the recipe's format", ""},
	"name":    {"for you; nothing depends on it", `"first try"`},
	"seed":    {"of weights and data order", ""},
	"auto":    {"go through all stages without waiting for a person; `pare run` always does", ""},

	"model.name": {"zoo model; `pare inspect NAME` shows it", ""},
	"model.path": {".onnx file, .safetensors file written by pare, folder of Hugging Face, or of a PEFT adapter, which is merged into the base it names; instead of name", `"net.onnx"`},

	"data.name":       {"built-in data set; `pare data list` shows them", ""},
	"data.path":       {"instead of name: CSV, TSV or JSON-lines file, .npz or .npy, text, or a folder of images by class, of train.csv and test.csv, of .npy or idx files, or of text", `"digits.csv"`},
	"data.label":      {"label column of a table; by default the one called label or target, or class if it stands first, else the last", `"digit"`},
	"data.val":        {"share kept for validation if the data has no such split; each class keeps its share", "0.1"},
	"data.test":       {"share kept for the test", "0.2"},
	"data.split_seed": {"draws these splits; 0 by default, not the run's seed", "0"},
	"data.classes":    {"names of the classes in the order of their labels; those of the data by default, numbers by size, other names by alphabet", `["cat", "dog"]`},
	"data.label_map":  {"other names for labels of tables, arrays and folders of images; two with one name are one class", `{kitten = "cat"}`},
	"data.categories": {"columns of a table that hold one of few texts become a 0 or 1 for each of these; found by default", `["colour=red", "colour=blue"]`},
	"data.text":       {"columns of a table that are classified by their words; others are left out", `["title", "body"]`},
	"data.pair":       {"the two columns of data.text are a pair, such as question and answer, and get segments; else texts are joined", "true"},
	"data.tokenizer":  {"of text: char, byte, or the path of a tokenizer.json; by default the model's own, else char for running text and byte for a table", `"byte"`},
	"data.tokens":     {"of text: tokens a sample, at most those a folder's model takes; texts of a table are cut off or filled up", "128"},
	"data.vocab":      {"of the tokenizer char: its characters in the order of their ids; those of the training part by default", `"\n abcdefghijklmnopqrstuvwxyz"`},
	"data.size":       {"of images from files, [rows, columns]; by default theirs if all have one size up to 64×64, else 32×32", "[32, 32]"},
	"data.channels":   {"of images from files: 1 (grey) or 3; by default 1 if all files are grey", "1"},
	"data.layout":     {"of images in arrays: chw or hwc; found by their sizes by default", `"hwc"`},
	"data.shape":      {"the columns of a table are the pixels of an image of [channels, rows, columns]", "[1, 28, 28]"},
	"data.normalize":  {"what the next three become if left out, from the training split: std (mean 0, deviation 1), scale (bytes by 1/255) or none", `"std"`},
	"data.scale":      {"inputs are (x × scale − mean) / std; computed from the training split by default", "0.00392"},
	"data.mean":       {"one a channel or column", "[0.286]"},
	"data.std":        {"one a channel or column", "[0.353]"},
	"data.memory_mb":  {"MiB that samples may take in memory; a larger set is kept in a file in the cache folder during the run", "1024"},

	"train.epochs":       {"of the dense baseline, 0 = evaluate only", ""},
	"train.batch":        {"samples a step; this and the rest of [train] is the model's published set-up by default", "64"},
	"train.accumulate":   {"parts that a batch runs in, one after the other: the weights move once, by the mean over all of it, and a part's values are all that memory holds; batch norm sees each part alone; 0 or 1: in one go", "4"},
	"train.recompute":    {"values inside a model's blocks (layers of a transformer, residual blocks) are made again for their gradients, not kept: equal bits, less memory, the forward part once more", "false"},
	"train.optimizer":    {"sgd, momentum, nesterov, adam or adamw", `"momentum"`},
	"train.lr":           {"learning rate", "0.02"},
	"train.momentum":     {"from 0, below 1", "0.9"},
	"train.weight_decay": {"L2; decoupled for adamw", "0.0005"},
	"train.schedule":     {"of the learning rate: constant, cosine or step", `"cosine"`},
	"train.warmup":       {"steps over which the learning rate rises at the start", "0"},

	"prune.score":        {"what goes first: magnitude, snip, taylor, movement, movement-soft or random", ""},
	"prune.pattern":      {"what is removed: element, block4x1, block8x1, block16x1, 2:4, 2:4-both, neuron, head, width or layer", ""},
	"prune.distribution": {"layer: the same share in each; global: over all layers; erk: less from small layers; sensitivity: what a scan says costs least", ""},
	"prune.schedule":     {"oneshot, cubic or linear (gradually), constant, iterative (in levels) or earlybird (the baseline ends early)", ""},
	"prune.target":       {"share of zeros among the prunable weights, 0.9 = 90 %", ""},
	"prune.epochs":       {"length of the stage (iterative: of each level; earlybird: 0 = what the baseline has left)", ""},
	"prune.every":        {"cubic, linear, constant: steps between two changes of the masks, 0 = a twentieth of the ramp", ""},
	"prune.ramp":         {"cubic, linear: share of the stage over which the target is reached, 0 = three quarters; shorter saves more training and leaves more steps to recover", "0.3"},
	"prune.levels":       {"iterative: number of levels", ""},
	"prune.round_to":     {"neuron, width: keep a multiple of so many channels; 0 = any number on a processor, whose kernels take 16 at a time, 8 on a card", "16"},
	"prune.rewind_step":  {"iterative: −1 none, else go back to the weights of this step of the baseline", ""},
	"prune.lr":           {"learning rate of the stage; half the baseline's by default, its own after a rewind or an early bird", "0.01"},
	"prune.lr_schedule":  {"constant, cosine or step", ""},
	"prune.skip":         {"layers left dense", `["out"]`},
	"prune.by_hand":      {"patterns that mask: share of zeros of these layers at the target; the distribution is over the others", `{fc1 = 0.95, out = 0.5}`},
	"prune.penalty":      {"movement-soft: weight of the penalty on the scores, at the target; 0 = 100", "0.0"},
	"prune.permute":      {"2:4: channels change places first, so that it keeps more; the model computes the same", "false"},
	"prune.control":      {"iterative with rewind: random-ticket or random-reinit, what a lottery ticket must beat; none by default", `""`},
	"prune.distance":     {"earlybird: the mask has settled when it moves by less over 5 epochs; 0 = 0.1", "0.0"},

	"scan.levels":  {"of the sensitivity scan: shares that each layer, or group of channels, loses in turn", "[0.3, 0.5, 0.7, 0.8, 0.9]"},
	"scan.samples": {"validation samples that it evaluates a level on; by default up to 2000, of text up to 20000 tokens", "2000"},

	"distill.alpha":       {"share of the dense model's logits in the loss of stage 3: (1−alpha)·CE + alpha·T²·KL; none by default", "0.5"},
	"distill.temperature": {"T, by which both logits are divided first; 2 by default", "2.0"},

	"lowrank":          {"low rank in stage 3; several tables are several steps, in order", ""},
	"lowrank.method":   {"lora or rslora (the rest is frozen, merged at the end), or svd (two factors where they are measured to be faster)", `"lora"`},
	"lowrank.layers":   {"names, or what stands behind their last dots; all linear layers by default", `["q_proj", "v_proj"]`},
	"lowrank.rank":     {"of the adapters or factors", "8"},
	"lowrank.energy":   {"svd, instead of rank: share of the squared singular values that is kept", "0.9"},
	"lowrank.alpha":    {"adapters count alpha/rank, with rslora alpha/√rank; the rank by default", "16.0"},
	"lowrank.dropout":  {"of the adapters' inputs; not with masks", "0.05"},
	"lowrank.train":    {"layers and norms that train in full beside the adapters", `["out"]`},
	"lowrank.lr":       {"learning rate from here on; the stage's by default", "0.001"},
	"lowrank.after":    {"epochs of stage 3 before this step", "0"},
	"lowrank.measured": {"svd: written by pare once it has timed the layers: ranks holds the outcome", "true"},
	"lowrank.ranks":    {"svd: the layers that become two factors, and their ranks", "{fc1 = 40}"},

	"floor.points":   {"accepted loss of accuracy in percentage points under the baseline", ""},
	"floor.accuracy": {"lowest accuracy accepted, 0.88 = 88 %, instead of points", "0.88"},
	"floor.pause":    {"under the floor the run goes back to the last checkpoint above it and pauses there, so that a person can set another target or roll back; without a person (`pare run`) it goes on", "true"},

	"budget.joules":  {"what the run may spend, in J; none by default. Of several limits the first that is spent acts", "5000"},
	"budget.kwh":     {"the same in kWh", "0.2"},
	"budget.money":   {"the same in grid.currency", "1.5"},
	"budget.gco2e":   {"the same in grams of CO2e", "20"},
	"budget.seconds": {"wall time; waiting for a person is not counted", "1800"},
	"budget.action":  {"when the next epoch would exceed it, or it is spent in stage 4 or 5: stop (with a checkpoint, exit code 4; `pare branch` with a larger one goes on from there), warn, or target (while sparsifying: take the zeros reached; exit code 5 where there are none yet; in stages 4 and 5: go on)", `"target"`},

	"grid.country":       {"where the electricity comes from, for CO2e: a code of three letters or a name", `"FRA"`},
	"grid.region":        {"or a cloud region; `pare energy carbon` lists both", `"gcp/europe-west9"`},
	"grid.g_per_kwh":     {"or your own figure, gCO2e per kWh", "56.0"},
	"grid.price_per_kwh": {"what a kWh costs, in grid.currency", "0.21"},
	"grid.currency":      {"of the price", `"EUR"`},
	"grid.pue":           {"energy of the facility over that of its machines, 1 by default; CO2e and money are of the facility", "1.2"},

	"energy.wall":         {"CSV file that a wall meter writes while the run goes on (timestamp,watts or timestamp,joules); PARE_WALL by default", `"plug.csv"`},
	"energy.idle_seconds": {"how long the power of the idle machine is measured before the baseline, with a counter; 0 = not", "3.0"},

	"hardware.profile": {"profile that predictions are made for (`pare hw list`); what the run computes on by default", `"generic-x86-cpu"`},
	"hardware.device":  {"auto and cpu: the processor; cuda (float32), cuda:tf32, cuda:bf16 (least energy): an NVIDIA card; ref: slow and exact", ""},
	"hardware.threads": {"worker threads, 0 = all", ""},

	"deploy.formats": {"files to write", ""},

	"plan":     {"what formats of weights cost, as measured when the run began; written by pare into a saved recipe, so that it runs on the same kernels", ""},
	"decision": {"what a person did during the run that this recipe was saved from; repeated at the same steps", ""},
}

// exampleRecipe is a recipe with every key, its meaning and its default.
func exampleRecipe() (string, error) {
	var s strings.Builder
	s.WriteString("# A recipe for `pare run`. Each key has its default here and may be left out;\n# those behind a # are examples.\n\n")
	if err := exampleKeys(&s, "", reflect.ValueOf(*core.DefaultRecipe())); err != nil {
		return "", err
	}
	return s.String(), nil
}

func exampleKeys(s *strings.Builder, section string, v reflect.Value) error {
	var parts []int // sections come after the plain keys
	for i := range v.NumField() {
		f := v.Type().Field(i)
		tag, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
		key := strings.TrimPrefix(section+"."+tag, ".")
		doc := recipeKeys[key]
		if f.Type.Kind() == reflect.Struct || f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct {
			parts = append(parts, i)
			continue
		}
		line := "# " + tag + " = " + doc.sample
		if doc.sample == "" {
			b, err := toml.Marshal(map[string]any{tag: v.Field(i).Interface()})
			if err != nil {
				return err
			}
			line = strings.ReplaceAll(strings.TrimSpace(string(b)), "'", `"`)
		}
		fmt.Fprintf(s, "%-30s # %s\n", line, doc.text)
	}
	for _, i := range parts {
		f := v.Type().Field(i)
		tag, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
		if doc, ok := recipeKeys[tag]; ok && tag == "lowrank" { // as many as wanted, none by default
			fmt.Fprintf(s, "\n# [[%s]] # %s\n", tag, doc.text)
			for k := range f.Type.Elem().NumField() {
				key, _, _ := strings.Cut(f.Type.Elem().Field(k).Tag.Get("toml"), ",")
				if d, ok := recipeKeys[tag+"."+key]; ok {
					fmt.Fprintf(s, "%-30s # %s\n", "#   "+key+" = "+d.sample, d.text)
				}
			}
			continue
		}
		if doc, ok := recipeKeys[tag]; ok { // written by pare, not by hand
			fmt.Fprintf(s, "\n# [%s] %s\n", tag, doc.text)
			continue
		}
		fmt.Fprintf(s, "\n[%s]\n", tag)
		if err := exampleKeys(s, tag, v.Field(i)); err != nil {
			return err
		}
	}
	return nil
}
