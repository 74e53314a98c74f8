package data

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pare/core/data/tokenizer"
)

// reviews is a table of texts, as lines by a function.
func reviews(line func(text, label string) string) string {
	var b strings.Builder
	for i := range 20 {
		label, word := "neg", "dull"
		if i%2 == 1 {
			label, word = "pos", "fine"
		}
		b.WriteString(line(fmt.Sprintf("a %s film, number %d of \"all\"", word, i), label))
	}
	return b.String()
}

func csvLine(text, label string) string {
	return `"` + strings.ReplaceAll(text, `"`, `""`) + `",` + label + "\n"
}

const bert = "tokenizer/testdata/tokenizer-bert"

func TestTextClasses(t *testing.T) {
	for name, in := range map[string]string{
		"CSV":            "text,label\n" + reviews(csvLine),
		"label first":    "label,text\n" + reviews(func(x, l string) string { return l + "," + strings.TrimSuffix(csvLine(x, "\n"), ",\n\n") + "\n" }),
		"TSV":            "sentence\tlabel\n" + reviews(func(x, l string) string { return x + "\t" + l + "\n" }),
		"JSON lines":     reviews(func(x, l string) string { return fmt.Sprintf("{\"text\": %q, \"label\": %q}\n", x, l) }),
		"JSON, label is": reviews(func(x, l string) string { return fmt.Sprintf("{\"label\": %q, \"text\": %q}\n", l, x) }),
		"no header":      reviews(csvLine),
	} {
		for _, c := range []struct {
			o          Options
			kind, text string
			vocab      int
			pad        int32
		}{
			{Options{Tokens: 16}, Bytes, "a dull film, num", 256, 0},
			{Options{Tokenizer: Chars, Tokens: 40}, Chars, `a dull film, number 0 of "all"`, 0, 0},
			{Options{Tokenizer: bert, Tokens: 12}, "wordpiece", "", 0, -1},
		} {
			d, err := readString(in, c.o)
			if err != nil {
				t.Errorf("%s, %q: %v", name, c.o.Tokenizer, err)
				continue
			}
			checkData(t, d)
			x := d.Text
			if x == nil || x.LM || x.Kind != c.kind || x.Len != c.o.Tokens || c.vocab > 0 && x.Vocab != c.vocab || c.pad >= 0 && x.Pad != c.pad || !slices.Equal(d.Classes, []string{"neg", "pos"}) {
				t.Fatalf("%s: %+v, classes %q", name, x, d.Classes)
			}
			if n := [3]int{d.Train.N(), d.Val.N(), d.Test.N()}; n != [3]int{14, 2, 4} {
				t.Errorf("%s: %v", name, n)
			}
			for _, s := range []*Set{d.Train, d.Val, d.Test} {
				for i, l := range s.Labels {
					ids := make([]int32, x.Len)
					for k := range ids {
						if ids[k] = int32(s.X[i*x.Len+k]); ids[k] < 0 || int(ids[k]) >= x.Vocab {
							t.Fatalf("%s: token %d of %d", name, ids[k], x.Vocab)
						}
					}
					if shown := x.Shown(ids); x.Kind != "wordpiece" && strings.Contains(shown, "fine") != (l == 1) {
						t.Errorf("%s: %q has label %d", name, shown, l)
					}
				}
			}
		}
	}
}

// TestTextsTokens: a tokenizer's file adds its special tokens, cuts and fills up as
// the library does.
func TestTextsTokens(t *testing.T) {
	in := "text,label\n" + strings.Repeat("the,a\n\"the one of the many, and so on until it is far too long for this\",b\n", 5)
	d, err := readString(in, Options{Tokenizer: bert, Tokens: 8})
	if err != nil {
		t.Fatal(err)
	}
	tok := d.Text.Tokens.(fileTokens)
	cls, _ := tok.ID("[CLS]")
	sep, _ := tok.ID("[SEP]")
	pad, known := tok.Pad()
	if !known || d.Text.Pad != pad {
		t.Errorf("pad %d, the tokenizer's is %d", d.Text.Pad, pad)
	}
	for i, l := range d.Train.Labels {
		x := d.Train.X[i*8 : i*8+8]
		if x[0] != float32(cls) {
			t.Errorf("%v does not begin with [CLS] (%d)", x, cls)
		}
		if last := x[7]; l == 0 && last != float32(pad) || l == 1 && last != float32(sep) {
			t.Errorf("class %d: %v ends neither in [PAD] (%d) nor [SEP] (%d)", l, x, pad, sep)
		}
	}
	own, err := readString(in, Options{ModelTokenizer: bert, Tokens: 8})
	if err != nil || own.Hash != d.Hash || own.Text.Path != bert {
		t.Errorf("by the tokenizer of the model: %+v, %v", own, err)
	}
	if own, err = readString(in, Options{ModelTokenizer: bert, Tokenizer: Bytes}); err != nil || own.Text.Kind != Bytes {
		t.Errorf("by byte, with a model that has its own: %v", err)
	}
	if want := "5 of 10 texts are longer than 8 tokens and cut off there"; !slices.Contains(d.Notes, want) {
		t.Errorf("notes %q, want %q", d.Notes, want)
	}
}

// TestTextsVocab: the characters of training, others as U+FFFD, and the same ids again
// by the vocabulary of a recipe.
func TestTextsVocab(t *testing.T) {
	in := "text,label\n" + reviews(csvLine)
	d, err := readString(in, Options{Tokenizer: Chars, Tokens: 40})
	if err != nil {
		t.Fatal(err)
	}
	if chars := []rune(d.Text.Chars); chars[0] != nul || len(chars) != d.Text.Vocab || !slices.Contains(chars, 'f') {
		t.Errorf("%q", d.Text.Chars)
	}
	again, err := readString(in, Options{Tokenizer: Chars, Tokens: 40, Vocab: d.Text.Chars})
	if err != nil || again.Hash != d.Hash || again.Text.Vocab != d.Text.Vocab {
		t.Errorf("with the vocabulary of the first: %v", err)
	}
	_, err = readString(in, Options{Tokenizer: Chars, Tokens: 40, Vocab: "\x00abc"})
	if err == nil || !strings.HasPrefix(err.Error(), "t.csv:2: the character ' '") {
		t.Errorf("with the vocabulary of other text: %v", err)
	}
}

func TestTextsErrors(t *testing.T) {
	many := reviews(csvLine)
	for name, c := range map[string]struct {
		in   string
		o    Options
		want string
	}{
		"missing text":    {"text,label\n" + many + ",pos\n", Options{}, "t.csv:22: the text is missing: fill it in, or remove the row"},
		"missing label":   {"text,label\n" + many + "\"good, it is\",\n", Options{}, "t.csv:22:15: the label (label) is missing (\"\"): fill it in, or remove the row"},
		"no text column":  {"a,label\n" + strings.Repeat("1,x\n2,y\n", 5), Options{Tokenizer: Bytes}, "t.csv: has no column of text (label: label), so there is nothing for a tokenizer"},
		"no such column":  {"text,label\n" + many, Options{TextColumns: []string{"body"}}, `t.csv: has no column "body": choose text columns of text`},
		"label as text":   {"text,label\n" + many, Options{TextColumns: []string{"label"}}, `t.csv: column "label" is the label and cannot be the text: name another label column`},
		"invalid UTF-8":   {"text,label\n" + many + "\"caf\xe9\",pos\n", Options{Tokenizer: Chars}, `t.csv:22: "caf\xe9" is not UTF-8 here: save it as UTF-8, or take the tokenizer byte`},
		"no such file":    {"text,label\n" + many, Options{Tokenizer: "nowhere"}, "tokenizer nowhere: "},
		"tokens":          {"text,label\n" + many, Options{Tokens: 1}, "1 tokens a sample: choose 2 to 1048576, such as 128"},
		"JSON, no key":    {"{\"text\":\"a b\",\"label\":1}\n{\"text\":\"c d\"}\n", Options{}, `t.csv:2: has no "label", which the first row has: fill it in, or remove the row`},
		"JSON, broken":    {"{\"text\":\"a b\",\"label\":1}\n{\"text\":\n", Options{}, "t.csv:2: is no JSON value on one line"},
		"JSON, null":      {"{\"text\":\"a b\",\"label\":1}\n{\"text\":\"a\",\"label\":null}\n", Options{}, `t.csv:2:24: the label (label) is missing (""): fill it in, or remove the row`},
		"JSON, one value": {"[{\"text\":\"a\"},\n{\"text\":\"b\"}]\n", Options{}, "t.csv: is one JSON value, not a row a line: write it so, e.g. by jq -c '.[]'"},
	} {
		_, err := readString(c.in, c.o)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s:\n got %v\nwant %s", name, err, c.want)
		}
	}
}

// TestJSONNumbers: rows of numbers, as columns or as one array, are what CSV gives.
func TestJSONNumbers(t *testing.T) {
	var csv, objects, arrays, nested strings.Builder
	csv.WriteString("a,b,kind\n")
	for i := range 12 {
		k := []string{"x", "y"}[i%2]
		fmt.Fprintf(&csv, "%d,%d.5,%s\n", i, i*i, k)
		fmt.Fprintf(&objects, "{\"a\": %d, \"b\": %d.5, \"kind\": %q}\n", i, i*i, k)
		fmt.Fprintf(&arrays, "[%d, %d.5, %q]\n", i, i*i, k)
		fmt.Fprintf(&nested, "{\"v\": [%d, %d.5], \"kind\": %q}\n", i, i*i, k)
	}
	want, err := readString(csv.String(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, in := range map[string]string{"objects": objects.String(), "arrays": arrays.String(), "nested": nested.String()} {
		d, err := readString(in, Options{})
		if err != nil || d.Hash != want.Hash || !slices.Equal(d.Classes, want.Classes) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCategories: columns of few texts beside numbers, and their order by a recipe.
func TestCategories(t *testing.T) {
	in := "size,colour,kind\n" + strings.Repeat("1,red,x\n2,blue,y\n3,green,x\n4,red,y\n", 4)
	d, err := readString(in, Options{Prep: rawPrep(4)})
	if err != nil {
		t.Fatal(err)
	}
	checkData(t, d)
	if want := []string{"size", "colour=blue", "colour=green", "colour=red"}; !slices.Equal(d.Columns, want) || !slices.Equal(d.Categories, want[1:]) {
		t.Fatalf("%q, %q", d.Columns, d.Categories)
	}
	at := map[float32]int{1: 3, 2: 1, 3: 2, 4: 3}
	for i := range d.Train.N() {
		x := d.Train.X[i*4 : i*4+4]
		if x[1]+x[2]+x[3] != 1 || x[at[x[0]]] != 1 {
			t.Errorf("%v", x)
		}
	}
	d, err = readString(in, Options{Categories: []string{"colour=red", "colour=blue", "colour=green", "colour=grey"}})
	if err != nil || d.Columns[1] != "colour=red" || d.Train.F() != 5 {
		t.Errorf("%q, %v", d.Columns, err)
	}
	_, err = readString(in, Options{Categories: []string{"colour=red", "colour=blue"}})
	if want := `t.csv:4:3: colour is "green", which is none of red, blue`; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

// TestTableImages: columns as pixels, the label in front.
func TestTableImages(t *testing.T) {
	in := "label,p0,p1,p2,p3,p4,p5\n" + strings.Repeat("7,0,1,2,3,4,5\n3,9,8,7,6,5,4\n", 6)
	d, err := readString(in, Options{Shape: []int{1, 2, 3}})
	if err != nil {
		t.Fatal(err)
	}
	checkData(t, d)
	if !slices.Equal(d.Train.Shape, []int{1, 2, 3}) || !slices.Equal(d.Classes, []string{"3", "7"}) || len(d.Prep.Mean) != 1 {
		t.Errorf("%v, %q, %+v", d.Train.Shape, d.Classes, d.Prep)
	}
	_, err = readString(in, Options{Shape: []int{1, 2, 2}})
	if err == nil || !strings.HasPrefix(err.Error(), "t.csv: data.shape = [1 2 2] does not fit 6 columns") {
		t.Errorf("%v", err)
	}
}

func FuzzTexts(f *testing.F) {
	f.Add([]byte("text,label\n"+reviews(csvLine)), Chars)
	f.Add([]byte(reviews(func(x, l string) string { return fmt.Sprintf("{\"text\": %q, \"label\": %q}\n", x, l) })), Bytes)
	f.Add([]byte("s\tlabel\n"+reviews(func(x, l string) string { return x + "\t" + l + "\n" })), "")
	f.Add([]byte("[1,2,\"a\"]\n[3,4,\"b\"]\n"), "")
	f.Fuzz(func(t *testing.T, b []byte, tok string) {
		if tok != "" && tok != Chars {
			tok = Bytes
		}
		d, err := readTable(strings.NewReader(string(b)), "t.jsonl", Options{Tokenizer: tok, Tokens: 8})
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Fatalf("error of several lines: %q", err)
			}
			return
		}
		checkData(t, d)
		if d.Text == nil {
			return
		}
		for _, v := range d.Train.X {
			if v < 0 || int(v) >= d.Text.Vocab {
				t.Fatalf("token %v of %d", v, d.Text.Vocab)
			}
		}
	})
}

// TestTextPairs: two columns of text are encoded as the tokenizer encodes a pair, in the
// order that is asked for, with the segment beside each id.
func TestTextPairs(t *testing.T) {
	in := "b,label,a\n" + strings.Repeat("the one,x,of many\n\"the one of the many, and so on, far too long for this\",y,and the other one\n", 5)
	for _, c := range []struct {
		text          []string
		first, second string
	}{{nil, "the one", "of many"}, {[]string{"a", "b"}, "of many", "the one"}} {
		d, err := readString(in, Options{Tokenizer: bert, Tokens: 12, TextColumns: c.text, Pair: true, LabelColumn: "label"})
		if err != nil {
			t.Fatal(err)
		}
		if x := d.Text; !x.Pair || x.LM || !slices.Equal(d.Train.Shape, []int{12, 2}) {
			t.Fatalf("%+v, %v", x, d.Train.Shape)
		}
		want, err := d.Text.Tokens.(fileTokens).EncodePair(c.first, c.second, tokenizer.Options{MaxTokens: 12, PadTo: 12})
		if err != nil {
			t.Fatal(err)
		}
		for i, l := range d.Train.Labels {
			x := d.Train.X[i*24 : i*24+24]
			if ids := d.Text.IDs(x); l == 0 && !slices.Equal(ids, want.IDs) {
				t.Errorf("ids %v, want %v", ids, want.IDs)
			}
			ones := 0
			for k := range 12 {
				if l == 0 && x[2*k+1] != float32(want.TypeIDs[k]) {
					t.Errorf("token %d is of segment %v, want %d", k, x[2*k+1], want.TypeIDs[k])
				}
				ones += int(x[2*k+1])
			}
			if ones == 0 || ones > 10 {
				t.Errorf("%d tokens of the second text", ones)
			}
		}
		if want := "5 of 10 texts are longer than 12 tokens and cut off there"; !slices.Contains(d.Notes, want) {
			t.Errorf("notes %q, want %q", d.Notes, want)
		}
	}
	for want, o := range map[string]Options{
		"has nothing to stand between two texts": {Pair: true},
		"a pair is two columns of text, not a":   {Tokenizer: bert, Pair: true, TextColumns: []string{"a"}},
		"b is missing: fill it in":               {Tokenizer: bert, Pair: true},
	} {
		o.LabelColumn = "label"
		in := in
		if strings.Contains(want, "missing") {
			in += ",x,alone\n"
		}
		if _, err := readString(in, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
