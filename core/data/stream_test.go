package data

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// TestStreamed: a set that is kept in a file gives the same bits as one in memory.
func TestStreamed(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	kjv, err := readText(bytes.NewReader(kjvText), int64(len(kjvText)), "kjv.txt")
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	table.WriteString("a,b,colour,kind\n")
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 400 {
		fmt.Fprintf(&table, "%d,%g,%s,%s\n", i, r.NormFloat64(), []string{"red", "blue"}[r.IntN(2)], []string{"x", "y", "z"}[i%3])
	}
	dir := place(t, map[string][]byte{
		"table.csv":     []byte(table.String()),
		"reviews.jsonl": []byte(reviews(func(x, l string) string { return fmt.Sprintf("{\"text\": %q, \"label\": %q}\n", x, l) })),
		"kjv.txt":       []byte(kjv),
		"books/1.txt":   []byte(kjv[:500_001]),
		"books/2.txt":   gz(t, []byte(kjv[500_001:])),
		"parts/train/1": nil, "parts/train/a.txt": []byte(kjv[:800_000]), "parts/test.txt": []byte(kjv[800_000:900_000]),
	})
	const small, text = 1000, 3_700_000
	for _, c := range []struct {
		name, path string
		o          Options
		memory     int64
	}{
		{"table", "table.csv", Options{Seed: 3}, small},
		{"table, given", "table.csv", Options{Prep: &Prep{Scale: 2, Mean: []float64{1, 2, 3, 4}, Std: []float64{1, 2, 3, 4}}}, small},
		{"bytes", "reviews.jsonl", Options{Tokens: 30}, small},
		{"characters", "reviews.jsonl", Options{Tokens: 30, Tokenizer: Chars}, small},
		{"words", "reviews.jsonl", Options{Tokens: 10, Tokenizer: bert}, 500},
		{"images", "../pictures", Options{}, small},
		{"float images", "../colour.npz", Options{Normalize: ScaleOnly}, small},
		{"array", "../table.npz", Options{}, 300},
		{"text, characters", "kjv.txt", Options{}, text},
		{"text, a block", "kjv.txt", Options{Seed: 9, Tokenizer: Bytes, Tokens: 64}, text},
		{"text, words", "kjv.txt", Options{Tokenizer: bert}, text},
		{"folder of text", "books", Options{Seed: 4}, text},
		{"text with splits", "parts", Options{Tokens: 50}, 2_000_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(dir, c.path)
			if rest, ok := strings.CutPrefix(c.path, "../"); ok {
				path = filepath.Join("testdata", rest)
			}
			want, err := Open(path, c.o)
			if err != nil {
				t.Fatal(err)
			}
			c.o.Memory = c.memory
			got, err := Open(path, c.o)
			if err != nil {
				t.Fatal(err)
			}
			if want.Train.Streamed() || !got.Train.Streamed() {
				t.Fatalf("in a file: %v, then %v", want.Train.Streamed(), got.Train.Streamed())
			}
			if got.Hash != want.Hash || !slices.Equal(got.Prep.Mean, want.Prep.Mean) || !slices.Equal(got.Prep.Std, want.Prep.Std) {
				t.Errorf("hash %s of %s, preprocessing %+v of %+v", got.Hash, want.Hash, got.Prep, want.Prep)
			}
			if want.Text != nil && got.Text.Chars != want.Text.Chars {
				t.Errorf("characters %q of %q", got.Text.Chars, want.Text.Chars)
			}
			sameSamples(t, got.Train, want.Train)
			sameSamples(t, got.Val, want.Val)
			sameSamples(t, got.Test, want.Test)
		})
	}
	if left, err := filepath.Glob(filepath.Join(os.Getenv("XDG_CACHE_HOME"), "pare", "*")); runtime.GOOS == "linux" && (err != nil || len(left) > 0) {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// sameSamples compares two sets in batches of shuffled rows.
func sameSamples(t *testing.T, got, want *Set) {
	t.Helper()
	if got.N() != want.N() || !slices.Equal(got.Shape, want.Shape) {
		t.Fatalf("%d samples of %v, want %d of %v", got.N(), got.Shape, want.N(), want.Shape)
	}
	per := len(want.Labels) / want.N()
	f := want.F()
	order := Order(want.N(), 1, 1)
	var a, b Batch
	for lo := 0; lo < len(order); lo += 7 {
		rows := order[lo:min(lo+7, len(order))]
		if err := a.Read(got, rows); err != nil {
			t.Fatal(err)
		}
		if err := b.Read(want, rows); err != nil {
			t.Fatal(err)
		}
		for i := range rows {
			p, q := int(a.Rows[i]), int(b.Rows[i])
			if !slices.Equal(a.X[p*f:(p+1)*f], b.X[q*f:(q+1)*f]) || !slices.Equal(a.Labels[p*per:(p+1)*per], b.Labels[q*per:(q+1)*per]) {
				t.Fatalf("sample %d differs", rows[i])
			}
		}
	}
}

// endless is a table of n rows that nobody holds.
type endless struct {
	n    int
	line func(b []byte, i int) []byte
	at   int
	rest []byte
	heap uint64 // the most that was live while it was read
}

func (e *endless) Seek(int64, int) (int64, error) {
	e.at, e.rest = 0, nil
	return 0, nil
}

func (e *endless) Read(p []byte) (int, error) {
	if len(e.rest) == 0 {
		if e.at == e.n {
			return 0, io.EOF
		}
		b := make([]byte, 0, 1<<16)
		for e.at < e.n && len(b) < 1<<15 {
			b = e.line(b, e.at)
			e.at++
		}
		if e.rest = b; e.at/2000 > (e.at-300)/2000 {
			e.heap = max(e.heap, live())
		}
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

// live is the heap that is in use.
func live() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// footprint reads n rows with 1 MiB for samples and returns the live heap: the most
// while reading, and after it.
func footprint(t testing.TB, n int, line func(b []byte, i int) []byte, o Options) (peak, after uint64) {
	t.Helper()
	live() // what has a finaliser or lies in a pool goes with the second collection
	before := live()
	e := &endless{n: n, line: line}
	o.Memory = 1 << 20
	d, err := readTable(e, "t.csv", o)
	if err != nil {
		t.Fatal(err)
	}
	if !d.Train.Streamed() {
		t.Fatal("the set is in memory")
	}
	var b Batch
	for lo := 0; lo+64 <= d.Train.N(); lo += 64 * 16 {
		rows := make([]int32, 64)
		for i := range rows {
			rows[i] = int32(lo + i)
		}
		if err := b.Read(d.Train, rows); err != nil {
			t.Fatal(err)
		}
	}
	after = max(live(), before) - before
	runtime.KeepAlive(d)
	return max(e.heap, before) - before, after
}

// wide is a row of 64 numbers and a label; wordy one of text.
func wide(b []byte, i int) []byte {
	for k := range 64 {
		b = fmt.Appendf(b, "%d.5,", (i*7+k*13)%100)
	}
	return fmt.Appendf(b, "%c\n", 'x'+byte(i%3))
}

func wordy(b []byte, i int) []byte {
	b = append(b, '"')
	for k := range 30 {
		b = fmt.Appendf(b, "word%d ", (i*7+k*13)%100)
	}
	return fmt.Appendf(b, "\",%c\n", 'x'+byte(i%3))
}

// perSample is what a streamed set may keep of each sample, in bytes: label, split,
// place in the file, and each of these once more while it is opened.
const perSample = 40

// TestFootprint: four times the rows take no more memory but for what is kept of each
// sample. In memory they would take 256 or 512 bytes a sample.
func TestFootprint(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	for name, c := range map[string]struct {
		line func(b []byte, i int) []byte
		o    Options
	}{
		"numbers":    {wide, Options{}},
		"text":       {wordy, Options{Tokenizer: Bytes, Tokens: 128}},
		"characters": {wordy, Options{Tokenizer: Chars, Tokens: 128}},
	} {
		const n = 10_000
		peak1, after1 := footprint(t, n, c.line, c.o)
		peak4, after4 := footprint(t, 4*n, c.line, c.o)
		t.Logf("%s: %d rows: %d KiB at most, %d KiB after; %d rows: %d and %d KiB", name, n, peak1>>10, after1>>10, 4*n, peak4>>10, after4>>10)
		if allowed := uint64(3*n*perSample + 1<<20); peak4 > peak1+allowed || after4 > after1+allowed {
			t.Errorf("%s: %d rows take %d KiB, %d rows %d KiB", name, n, max(peak1, after1)>>10, 4*n, max(peak4, after4)>>10)
		}
	}
}

// TestFootprintPictures: the same for a folder of images.
func TestFootprintPictures(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	take := func(n int) uint64 {
		dir := place(t, map[string][]byte{"one.png": grey(t, 99, 50, 60)})
		for i := range n {
			to := filepath.Join(dir, "all", string(rune('a'+i%2)), fmt.Sprintf("%05d.png", i))
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Link(filepath.Join(dir, "one.png"), to); err != nil {
				t.Skip(err)
			}
		}
		live() // see footprint
		before := live()
		d, err := Open(filepath.Join(dir, "all"), Options{Memory: 1 << 18, Size: []int{48, 48}})
		if err != nil {
			t.Fatal(err)
		}
		if !d.Train.Streamed() || d.Train.F() != 48*48 {
			t.Fatalf("%v in memory", d.Train.Shape)
		}
		after := live()
		runtime.KeepAlive(d)
		return max(after, before) - before
	}
	one, four := take(200), take(800)
	t.Logf("200 images: %d KiB, 800: %d KiB", one>>10, four>>10)
	if four > one+600*300 { // a path and perSample; the pixels are 2304 bytes
		t.Errorf("200 images take %d KiB, 800 take %d KiB", one>>10, four>>10)
	}
}

// BenchmarkStreamed reads tables of growing size with 1 MiB for samples and reports the
// live heap.
func BenchmarkStreamed(b *testing.B) {
	b.Setenv("XDG_CACHE_HOME", b.TempDir())
	for _, n := range []int{10_000, 40_000, 160_000} {
		b.Run(fmt.Sprintf("rows=%d", n), func(b *testing.B) {
			var peak uint64
			for b.Loop() {
				p, _ := footprint(b, n, wide, Options{})
				peak = max(peak, p)
			}
			b.ReportMetric(float64(peak)/(1<<20), "MiB-peak")
			b.ReportMetric(float64(n)*64*4/(1<<20), "MiB-samples")
		})
	}
}
