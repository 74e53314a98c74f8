package data

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// letters writes a BERT's vocab.txt of 40 tokens and a text of letters that follow one
// another, and returns their paths.
func letters(t *testing.T) (vocab, text string) {
	t.Helper()
	dir := t.TempDir()
	v := []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}
	for c := 'a'; c <= 'z'; c++ {
		v = append(v, string(c))
	}
	for c := 'a'; len(v) < 40; c++ {
		v = append(v, "##"+string(c))
	}
	var b strings.Builder
	for i := range 6000 {
		fmt.Fprintf(&b, "%c%c", 'a'+i%9, " \n"[min(i%30/29, 1)])
	}
	text = filepath.Join(dir, "letters.txt")
	for p, s := range map[string]string{filepath.Join(dir, "vocab.txt"): strings.Join(v, "\n") + "\n", text: b.String()} {
		if err := os.WriteFile(p, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "vocab.txt"), text
}

// all reads a whole set in the given order, and gives the samples in theirs.
func all(t *testing.T, s *Set, order []int32) (x [][]float32, labels [][]int32) {
	t.Helper()
	x, labels = make([][]float32, s.N()), make([][]int32, s.N())
	var b Batch
	for len(order) > 0 {
		n := min(7, len(order))
		if err := b.Read(s, order[:n]); err != nil {
			t.Fatal(err)
		}
		f := s.F()
		for i, r := range order[:n] {
			k := int(b.Rows[i])
			x[r], labels[r] = slices.Clone(b.X[k*f:(k+1)*f]), slices.Clone(b.Labels[k*f:(k+1)*f])
		}
		order = order[n:]
	}
	return x, labels
}

// TestMasked: samples are framed, 15 % of the tokens of each are labels, of these 80 % the
// mask, 10 % random and 10 % as they were; the rest is the text. Epochs differ, and the
// same epoch is the same in any order, in memory or from a file.
func TestMasked(t *testing.T) {
	vocab, text := letters(t)
	o := Options{Tokenizer: vocab, Tokens: 22, Masked: true}
	d, err := Open(text, o)
	if err != nil {
		t.Fatal(err)
	}
	if x := d.Text; !x.LM || !x.Masked || x.Len != 22 || x.Vocab != 40 || !slices.Equal(d.Train.Shape, []int{22}) {
		t.Fatalf("%+v, %v", x, d.Train.Shape)
	}
	plain, err := Open(text, Options{Tokenizer: vocab, Tokens: 20})
	if err != nil {
		t.Fatal(err)
	}
	o.Memory = 4096
	large, err := Open(text, o)
	if err != nil {
		t.Fatal(err)
	}
	if !large.Train.disk.(*maskedRows).base.Streamed() {
		t.Error("the large set is in memory")
	}
	count := map[string]int{}
	var before [][]float32
	for epoch := range 3 {
		s := d.Train.Drawn(9, epoch)
		x, labels := all(t, s, Order(s.N(), 1, 0))
		again, same := all(t, d.Train.Drawn(9, epoch), Order(s.N(), 2, 5))
		if !slices.EqualFunc(x, again, slices.Equal) || !slices.EqualFunc(labels, same, slices.Equal) {
			t.Fatalf("epoch %d differs when it is drawn again", epoch)
		}
		if e, _ := all(t, large.Train.Drawn(9, epoch), Order(large.Train.N(), 3, 1)); !slices.Equal(e[0], x[0]) {
			t.Errorf("from a file the first sample is %v, in memory %v", e[0], x[0])
		}
		if epoch > 0 && slices.EqualFunc(x, before, slices.Equal) {
			t.Errorf("epoch %d is masked like the one before", epoch)
		}
		before = x
		for i := range x {
			if x[i][0] != 2 || x[i][21] != 3 || labels[i][0] != NoLabel || labels[i][21] != NoLabel {
				t.Fatalf("sample %d is not framed: %v %v", i, x[i], labels[i])
			}
			n := 0
			for k := 1; k < 21; k++ {
				was, is := plain.Train.X[i*20+k-1], x[i][k]
				switch l := labels[i][k]; {
				case l == NoLabel && is != was:
					t.Fatalf("sample %d: token %d became %v without a label", i, k, is)
				case l == NoLabel:
				case float32(l) != was:
					t.Fatalf("sample %d: token %d has the label %d, not %v", i, k, l, was)
				case is == 4:
					n++
					count["mask"]++
				case is == was:
					n++
					count["same"]++
				default:
					n++
					count["other"]++
				}
			}
			if n != 3 {
				t.Fatalf("sample %d: %d of 20 tokens are labels, want 3", i, n)
			}
		}
	}
	all := float64(count["mask"] + count["same"] + count["other"])
	for k, want := range map[string]float64{"mask": 0.8, "same": 0.1, "other": 0.1} {
		if got := float64(count[k]) / all; got < want-0.04 || got > want+0.04 {
			t.Errorf("%s: %.3f of %.0f labels, want %.1f", k, got, all, want)
		}
	}
	twice, err := Open(text, Options{Tokenizer: vocab, Tokens: 22, Masked: true})
	if err != nil || twice.Hash != d.Hash || !slices.Equal(twice.Val.X, d.Val.X) || !slices.Equal(twice.Test.Labels, d.Test.Labels) {
		t.Errorf("opened again it is other data (%v)", err)
	}
	if d.Val.Streamed() || len(d.Val.Labels) != d.Val.N()*22 || d.Hash == plain.Hash || plain.Train.Drawn(9, 1) != plain.Train {
		t.Error("validation is not in memory, or plain data are taken for masked ones")
	}
}

// TestMaskedRefuses: without the mask's token, and without room for any token.
func TestMaskedRefuses(t *testing.T) {
	vocab, text := letters(t)
	for want, o := range map[string]Options{
		"needs its own tokenizer, byte has no token for the mask": {Tokenizer: Bytes, Masked: true},
		"leave no room beside the 2":                              {Tokenizer: vocab, Tokens: 2, Masked: true},
	} {
		if _, err := Open(text, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
