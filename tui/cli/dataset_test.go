package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pare/core/data"
)

// write makes a file in a folder and returns its path.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	p := filepath.Join(dir, name)
	if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// flowers are rows of two numbers, a category and a label.
func flowers(n int, line string) string {
	var b strings.Builder
	for i := range n {
		k := i % 3
		fmt.Fprintf(&b, line, float64(k)+float64(i%7)/10, float64(i%5)-float64(k), []string{"red", "blue"}[i%2], []string{"rose", "iris", "lily"}[k])
	}
	return b.String()
}

var weights = regexp.MustCompile(`(?m)^weights ([0-9a-f]+)$`)

// TestRunOnOwnData: all five stages on kinds of data that people have, and a saved
// recipe gives the same weights again.
func TestRunOnOwnData(t *testing.T) {
	dir := t.TempDir()
	const sets = "../../core/data/testdata/"
	for _, c := range []struct{ name, recipe string }{
		{"CSV", "[model]\nname = \"mlp\"\n[data]\npath = '" + write(t, dir, "a.csv", "a,b,colour,kind\n"+flowers(60, "%g,%g,%s,%s\n")) + "'\n"},
		{"JSON lines", "[model]\nname = \"mlp\"\n[data]\nlabel_map = {rose = \"lily\"}\npath = '" + write(t, dir, "a.jsonl", flowers(60, "{\"a\": %g, \"b\": %g, \"colour\": %q, \"kind\": %q}\n")) + "'\n"},
		{"npz", "[model]\nname = \"lenet-300-100\"\n[data]\npath = '" + sets + "grey.npz'\nsplit_seed = 5\n"},
		{"images", "[model]\nname = \"lenet-5\"\n[data]\npath = '" + sets + "pictures'\nsize = [16, 16]\nchannels = 1\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := filepath.Join(t.TempDir(), "sessions")
			r := write(t, t.TempDir(), "r.toml", "version = 1\n"+c.recipe+"[floor]\npoints = 100.0\n[train]\nepochs = 20\nbatch = 8\n[prune]\nepochs = 2\ntarget = 0.5\npattern = \"element\"\n[deploy]\nformats = [\"packed\", \"safetensors\", \"onnx\"]\n")
			run := func(r string) string {
				code, out, errs := call(t, "run", r, "--plain", "--sessions", root)
				if code != 0 && code != 3 || !strings.Contains(out, ".onnx (") {
					t.Fatalf("exit %d: %s\n%s", code, errs, out)
				}
				m := weights.FindStringSubmatch(out)
				if m == nil {
					t.Fatalf("no weights in\n%s", out)
				}
				return m[1]
			}
			first := run(r)
			found, err := filepath.Glob(filepath.Join(root, "*", "recipe.toml"))
			if err != nil || len(found) != 1 {
				t.Fatalf("%v, %v", found, err)
			}
			saved, err := os.ReadFile(found[0])
			if err != nil {
				t.Fatal(err)
			}
			for _, key := range []string{"classes = [", "mean = [", "std = ["} {
				if !strings.Contains(string(saved), key) {
					t.Errorf("no %s in the saved recipe:\n%s", key, saved)
				}
			}
			if c.name != "CSV" {
				return // one is enough: every run takes seconds
			}
			if again := run(write(t, t.TempDir(), "r.toml", string(saved))); again != first {
				t.Errorf("the saved recipe ends in weights %s, the first run in %s", again, first)
			}
		})
	}
}

// TestRunStreamed: a set that is kept in a file ends in the same weights.
func TestRunStreamed(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	var b strings.Builder
	for i := range 5000 {
		for k := range 63 {
			fmt.Fprintf(&b, "%d,", (i*(k+3)+k)%17-i%2*k%5)
		}
		fmt.Fprintf(&b, "%c\n", 'x'+i%2)
	}
	path := write(t, t.TempDir(), "wide.csv", b.String())
	var got []string
	for _, memory := range []string{"", "memory_mb = 1\n"} {
		r := write(t, t.TempDir(), "r.toml", "version = 1\n[model]\nname = \"mlp\"\n[data]\n"+memory+"path = '"+path+"'\n[train]\nepochs = 1\n[floor]\npoints = 100.0\n[prune]\nepochs = 1\ntarget = 0.5\nscore = \"snip\"\npattern = \"element\"\n[deploy]\nformats = [\"packed\"]\n")
		code, out, errs := call(t, "run", r, "--plain", "--sessions", filepath.Join(t.TempDir(), "sessions"))
		m := weights.FindStringSubmatch(out)
		if code != 0 && code != 3 || m == nil {
			t.Fatalf("exit %d: %s\n%s", code, errs, out)
		}
		got = append(got, m[1])
	}
	if got[0] != got[1] {
		t.Errorf("in memory %s, in a file %s", got[0], got[1])
	}
}

// TestDataList: what is not on this machine says so, and how to get it.
func TestDataList(t *testing.T) {
	t.Setenv("PARE_DATA", t.TempDir())
	_, out, _ := call(t, "data", "list")
	_, lines, _ := call(t, "data", "list", "--json")
	for _, i := range data.Builtin() {
		if said := strings.Contains(out, i.Description+"; not here: "+i.Hint); said == i.Ready {
			t.Errorf("%s is here: %v; the list says\n%s", i.Name, i.Ready, out)
		}
		if want := fmt.Sprintf(`{"name":%q,"about":%q,"ready":%v`, i.Name, i.Description, i.Ready); !strings.Contains(lines, want) {
			t.Errorf("no %s in\n%s", want, lines)
		}
	}
}

// TestDataShow: columns, rows, counts and images of each kind of data.
func TestDataShow(t *testing.T) {
	t.Setenv("LC_ALL", "C.UTF-8")
	dir := t.TempDir()
	const sets = "../../core/data/testdata/"
	table := write(t, dir, "a.csv", "a,b,colour,kind\n"+flowers(60, "%g,%g,%s,%s\n"))
	var said strings.Builder
	for i := range 30 {
		fmt.Fprintf(&said, "a %s film, \"number\" %d\t%s\n", []string{"fine", "dull"}[i%2], i, []string{"pos", "neg"}[i%2])
	}
	texts := write(t, dir, "b.tsv", "sentence\tlabel\n"+said.String())
	for _, c := range []struct {
		args string
		want []string
	}{
		{table, []string{"60 rows, a header, separated by comma; label: kind", "42 train, 6 validation, 12 test", "\ncolour=blue ", "class  train  validation  test\niris   14     2           4\n", "label "}},
		{texts, []string{"texts with a label each", "byte, 256 ids, 128 tokens a sample", ": a fine film, \"number\" 2\n", "\nneg    10     2           3\n"}},
		{texts + " --tokenizer char --tokens 8", []string{"8 tokens a sample", "longer than 8 tokens and cut off there", "    pos: a fine f\n"}},
		{sets + "grey.npz", []string{"6×5 grey image, [1 6 5]", "x_train: uint8, 45×6×5", "test: as the source has it", "\n0      13     2           5\n"}},
		{sets + "pictures", []string{"42 images of 6×5, as 6×5 colour", "\nant    9      1           4\n", "▒▒▒▒▒  ▒▒▒▒▒  ▒▒▒▒▒\nant    bee    cat\n"}},
		{sets + "pictures --size 8,8 --channels 1", []string{"as 8×8 grey: cropped around the centre"}},
		{sets + "table.npz", []string{"X: float64, 60×4", "\nvalue 1 ", "\nlabel "}},
		{"iris", []string{"\npetal_length_cm ", "setosa"}},
	} {
		code, out, errs := call(t, append([]string{"data", "show"}, strings.Fields(c.args)...)...)
		for _, w := range c.want {
			if code != 0 || !strings.Contains(out, w) {
				t.Errorf("%s: exit %d %q: no %q in\n%s", c.args, code, errs, w, out)
			}
		}
		if strings.Contains(out, "\x1b") {
			t.Errorf("%s: colours that nobody asked for", c.args)
		}
	}
	t.Setenv("CLICOLOR_FORCE", "1")
	t.Setenv("COLORTERM", "truecolor")
	t.Setenv("TERM", "xterm-256color")
	if _, out, _ := call(t, "data", "show", sets+"pictures"); strings.Count(out, "▀") != 3*5*3 || !strings.Contains(out, "\x1b[38;2;") {
		t.Errorf("no images in colour in\n%q", out)
	}
	t.Setenv("LC_ALL", "C")
	if _, out, _ := call(t, "data", "show", sets+"pictures"); !strings.Contains(out, "\n=====") && !strings.Contains(out, "+") || strings.Contains(out, "▒") {
		t.Errorf("no images in ASCII in\n%s", out)
	}
}

// TestDataShowRefuses: one clear line for each kind of bad file.
func TestDataShowRefuses(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct{ text, want string }{
		"empty.csv":   {"", "is empty"},
		"gap.csv":     {"a,b,kind\n1,2,x\n3,,y\n", "gap.csv:3:3: b is missing"},
		"ragged.tsv":  {"a\tkind\n1\tx\n1\t2\ty\n", "ragged.tsv:3: has 3 cells, the first row has 2"},
		"broken.json": {"{\"a\": 1, \"kind\": \"x\"}\n{\"a\": }\n", "broken.json:2: is no JSON value on one line"},
		"keys.jsonl":  {"{\"a\": 1, \"kind\": \"x\"}\n{\"b\": 1, \"kind\": \"x\"}\n", "keys.jsonl:2: has \"b\", which the first row has not"},
		"x.npy":       {"\x93NUMPY\x01\x00", "x.npy"},
		"a.npz":       {"hello", "is no .npz file"},
		"sheet.xlsx":  {"PK\x03\x04", "an Excel workbook"},
		"photo.png":   {"\x89PNG\r\n", "is a picture: give the folder above"},
		"data.bin":    {"ab\x00c\n", "is not text"},
	} {
		path := write(t, dir, name, c.text)
		code, out, errs := call(t, "data", "show", path)
		if code != 1 || out != "" || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, c.want) {
			t.Errorf("%s: exit %d, %q, %q, want %q in it", name, code, out, errs, c.want)
		}
	}
}
