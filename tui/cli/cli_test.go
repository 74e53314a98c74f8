package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pare/sessions"
	"pare/sessions/tied"
)

// The test binary stands in for the program: runs start it again.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == sessions.Verb || os.Getenv("PARE_TEST_MAIN") != "" {
		tied.Hold()
		os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	dir, err := os.MkdirTemp("", "pare-cli-")
	if err != nil {
		panic(err)
	}
	if err := tied.Begin(); err != nil {
		panic(err)
	}
	os.Setenv("XDG_CACHE_HOME", dir) // prices are the machine's, but not the user's
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// call runs the command line in this process.
func call(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = Main(append([]string{"--sessions", t.TempDir()}, args...), nil, &o, &e)
	return code, o.String(), e.String()
}

func TestMistakesAreOneLine(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"nonsense"}, 2, "no built-in model"},
		{[]string{"run", "--nonsense"}, 2, "unknown flag"},
		{[]string{"run", "--target", "1.2"}, 2, "prune.target"},
		{[]string{"run", "--target", "high"}, 2, "--target"},
		{[]string{"attach", "--hz", "11"}, 2, "--hz 11: give 1 to 10"},
		{[]string{"attach", "--theme", "pink"}, 2, "--theme \"pink\": choose auto, dark, light or mono"},
		{[]string{"run", "--model", "gpt-nano", "--data", write("rows.csv", "a,b,label\n1,2,x\n3,4,y\n")}, 1, "gpt-nano is a language model: it learns which token follows from running text"},
		{[]string{"run", "--model", "gpt-nano", "--data", "iris"}, 1, "iris has samples with labels: give text (kjv, a .txt file"},
		{[]string{"gpt-nano", "--data", write("rows.tsv", "a\tlabel\n1\tx\n3\ty\n")}, 1, "or a model for samples: mlp or lenet-300-100 for numbers, bert-mini for texts with labels"},
		{[]string{"run", "--pattern", "diagonal"}, 2, "element, block4x1, block8x1, block16x1, 2:4, 2:4-both, neuron"},
		{[]string{"run", "--model", "./missing.onnx"}, 1, "missing.onnx"},
		{[]string{"run", "--data", "./missing.csv"}, 1, "missing.csv"},
		{[]string{"run", "missing.toml"}, 2, "missing.toml"},
		{[]string{"run", write("typo.toml", "version = 1\n[prune]\ntarge = 0.5\n")}, 2, "unknown key \"prune.targe\"; `pare run --example` lists the keys"},
		{[]string{"run", write("recipe.json", `{"seed": 1}`)}, 2, "a recipe is TOML: `pare run --example` prints one"},
		{[]string{"inspect", "meta-llama/Llama-2-7b"}, 1, "meta-llama/Llama-2-7b does not exist: check the path; nothing is downloaded"},
		{[]string{"run", write("new.toml", "version = 99\n")}, 2, "newer"},
		{[]string{"run", write("bad.toml", "version = [\n")}, 2, "line"},
		{[]string{"run", write("text.toml", "[train]\nepochs = \"x\"\n")}, 2, "train.epochs must be a whole number, not text; a recipe is TOML"},
		{[]string{"run", write("frac.toml", "[train]\nepochs = 1.5\n")}, 2, "not a number with a fraction"},
		{[]string{"run", write("sect.toml", "train = 3\n")}, 2, "train must be a section"},
		{[]string{"run", write("list.toml", "[deploy]\nformats = \"onnx\"\n")}, 2, "deploy.formats must be a list"},
		{[]string{"run", "--data", "iris", "--classes", "a,b,a"}, 2, "data.classes names \"a\" twice: give each class once"},
		{[]string{"run", write("empty.toml", " \n")}, 2, "is empty: `pare run --example` prints a recipe, `pare run` alone takes the defaults"},
		{[]string{"run", write("neg.toml", "seed = -1\n")}, 2, "-1 is negative"},
		{[]string{"run", write("opt.toml", "[train]\noptimizer = \"x\"\n")}, 2, "choose one of sgd"},
		{[]string{"run", "--epochs", "x"}, 2, "--epochs \"x\": give a whole number; see `pare run --help`"},
		{[]string{"run", "--seed", "-1"}, 2, "--seed \"-1\": give a whole number from 0"},
		{[]string{"run", "--json=maybe"}, 2, "give true or false"},
		{[]string{"run", "--epochs"}, 2, "--epochs needs a value: give a whole number"},
		{[]string{"run", "-q"}, 2, "unknown flag -q"},
		{[]string{"run", "--lr", "nan"}, 2, "--lr NaN"},
		{[]string{"run", "--lr", "0"}, 2, "--lr 0"},
		{[]string{"run", "--floor", "nan"}, 2, "floor"},
		{[]string{"run", "--batch", "0"}, 2, "--batch 0"},
		{[]string{"run", "--accumulate", "0"}, 2, "--accumulate 0"},
		{[]string{"run", "--batch", "4", "--accumulate", "5"}, 2, "train.accumulate = 5"},
		{[]string{"run", "--model", "mlp", "--data", "iris", "--recompute"}, 1, "train.recompute"},
		{[]string{"run", "--threads", "-1"}, 2, "--threads -1"},
		{[]string{"run", "--model", ""}, 2, "--model is empty"},
		{[]string{"run", "a", "b"}, 2, "pare run takes one RECIPE.toml, so not also \"b\""},
		{[]string{"a", "b"}, 2, "pare takes one MODEL"},
		{[]string{"sessions", "frob"}, 2, "pare sessions has no verb \"frob\": choose export, list"},
		{[]string{"sessions", "rm"}, 2, "pare sessions rm needs SESSION"},
		{[]string{"doctor", "x"}, 2, "takes no argument"},
		{[]string{"bench", "kernels", "--window", "5"}, 2, "like 60ms"},
		{[]string{"predict", "lenet-300-100", "--input", "nofile"}, 1, "nofile does not exist"},
		{[]string{"replay", "--speed", "0"}, 2, "give 0.0625 to 4096"},
		{[]string{"serve"}, 2, "pare serve needs --keys FILE"},
		{[]string{"serve", "--keys", "k", "--most", "0"}, 2, "--most 0: give 1 to 1000"},
		{[]string{"serve", "--keys", "k"}, 1, "no sessions"},
		{[]string{"serve", "--y"}, 2, "unknown flag --y"},
		{[]string{"perseus"}, 2, "not in this version"},
		{[]string{"inspect"}, 2, "pare inspect needs MODEL"},
		{[]string{"inspect", write("no.onnx", "hello")}, 1, "no.onnx"},
		{[]string{"predict", "lenet-300-100"}, 2, "--input"},
		{[]string{"predict", "lenet-300-100", "--input", "x.txt", "--text", "a"}, 2, "not both"},
		{[]string{"predict", "lenet-300-100", "--input", write("in.json", `{"input":{"shape":[1,3],"data":[1,2,3]}}`)}, 1, "does not fit"},
		{[]string{"attach", "nobody"}, 1, "no sessions"},
		{[]string{"sessions"}, 2, "list"},
		{[]string{"sessions", "rm", "nobody"}, 1, "no sessions"},
		{[]string{"hw", "show", "nobody"}, 1, "pare hw list"},
		{[]string{"data", "show", "./missing"}, 1, "missing"},
		{[]string{"sessions", "list", "--device", "cuda"}, 2, "pare sessions list does nothing with --device: leave it out"},
		{[]string{"replay", "--seed", "3"}, 2, "does nothing with --seed"},
		{[]string{"bench", "card", "--threads", "2"}, 2, "does nothing with --threads"},
		{[]string{"inspect", "./net.onnx", "--seed", "3"}, 2, "pare inspect draws nothing for ./net.onnx, which has its weights: leave --seed out"},
		{[]string{"hw", "estimate", "./net.onnx", "--seed", "3"}, 2, "leave --seed out"},
		{[]string{"predict", t.TempDir(), "--input", "in.npy", "--seed", "3"}, 2, "leave --seed out"},
		{[]string{"predict", "lenet-300-100", "--input", "nofile", "--seed", "3"}, 1, "nofile does not exist"},
	} {
		code, out, errs := call(t, c.args...)
		if code != c.code || !strings.Contains(errs, c.want) {
			t.Errorf("pare %s: exit %d, %q; want exit %d and %q", strings.Join(c.args, " "), code, errs, c.code, c.want)
		}
		for _, w := range []string{"strconv", "struct", "arg(s)", "core.", ": toml:", "stat "} {
			if strings.Contains(errs, w) {
				t.Errorf("pare %s: %q speaks of %q", strings.Join(c.args, " "), errs, w)
			}
		}
		if strings.Count(errs, "\n") != 1 || out != "" {
			t.Errorf("pare %s: want exactly one line on stderr, got %q and on stdout %q", strings.Join(c.args, " "), errs, out)
		}
	}
}

func TestEveryVerbHasHelp(t *testing.T) {
	for _, v := range []string{"", "demo", "run", "attach", "serve", "sessions", "sessions list", "sessions show", "sessions resume", "sessions rm", "report", "bench", "bench sparsity", "bench control", "inspect", "predict", "doctor", "hw", "hw list", "hw show", "energy", "energy last-points", "energy emissions", "energy log", "energy gpai", "energy metrics", "data", "data list", "data show"} {
		code, out, errs := call(t, append(strings.Fields(v), "--help")...)
		if code != 0 || errs != "" || !strings.Contains(out, "usage: pare") {
			t.Errorf("pare %s --help: exit %d, %q %q", v, code, out, errs)
		}
	}
}

// TestMachineFlagsAreOfVerbs: a verb that is misspelt in their table would refuse them.
func TestMachineFlagsAreOfVerbs(t *testing.T) {
	root := new(env).root()
	for name, verbs := range machineFlags {
		for _, v := range verbs {
			if c, _, err := root.Find(strings.Fields(v)[1:]); err != nil || c.CommandPath() != v {
				t.Errorf("--%s is for %q, which is no verb: %v", name, v, err)
			}
		}
	}
}

// TestServeSaysHowToWatch: the line that a teacher writes on the blackboard.
func TestServeSaysHowToWatch(t *testing.T) {
	if got := watchWith("127.0.0.1:2222"); !strings.Contains(got, "ssh -p 2222 127.0.0.1 ") || !strings.Contains(got, "--listen :2222") {
		t.Errorf("on this machine: %q", got)
	}
	if got := watchWith("[::]:2222"); !strings.Contains(got, "ssh -p 2222 ") || strings.Contains(got, "--listen") {
		t.Errorf("everywhere: %q", got)
	}
	if got := watchWith("192.0.2.7:22"); got != "watch it with: ssh -p 22 192.0.2.7" {
		t.Errorf("at an address: %q", got)
	}
}

// TestPredictHelp: who brings inputs must know whether they are raw.
func TestPredictHelp(t *testing.T) {
	_, out, _ := call(t, "predict", "--help")
	for _, w := range []string{"nothing is normalised", "(x × scale − mean) / std", "logits"} {
		if !strings.Contains(strings.ReplaceAll(out, "\n", " "), w) {
			t.Errorf("the help says nothing of %q:\n%s", w, out)
		}
	}
}
