package data

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// raw leaves the values of n columns as they are.
func rawPrep(n int) *Prep {
	p := &Prep{Scale: 1}
	for range n {
		p.Mean, p.Std = append(p.Mean, 0), append(p.Std, 1)
	}
	return p
}

func readString(s string, o Options) (*Data, error) {
	return readTable(strings.NewReader(s), "t.csv", o)
}

// Dialects of one table: whatever the form, the same data.
func TestTableForms(t *testing.T) {
	const plain = "a,b,kind\n1,-2.5,x\n3e2,4,y\n5,6,x\n7,8,y\n9,10,x\n11,12,y\n"
	want, err := readString(plain, Options{Prep: rawPrep(2), Seed: 4})
	if err != nil {
		t.Fatal(err)
	}
	checkData(t, want)
	if !slices.Equal(want.Classes, []string{"x", "y"}) || !slices.Equal(want.Columns, []string{"a", "b"}) {
		t.Errorf("%q, %q", want.Classes, want.Columns)
	}
	_, body, _ := strings.Cut(plain, "\n")
	for name, s := range map[string]string{
		"byte order mark": "\ufeff" + plain,
		"CRLF":            strings.ReplaceAll(plain, "\n", "\r\n"),
		"semicolons":      strings.ReplaceAll(plain, ",", ";"),
		"tabs":            strings.ReplaceAll(plain, ",", "\t"),
		"spaces":          strings.ReplaceAll(plain, ",", " , "),
		"blank lines":     strings.ReplaceAll(plain, "\n", "\n\n"),
		"no header":       body,
		"no end of line":  strings.TrimSuffix(plain, "\n"),
		"quotes":          strings.ReplaceAll(strings.ReplaceAll(plain, "x", `"x"`), "a,b", `"a","b"`),
		"gzip":            string(gz(t, []byte(plain))),
	} {
		got, err := readString(s, Options{Prep: rawPrep(2), Seed: 4})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got.Hash != want.Hash {
			t.Errorf("%s: other data: %v", name, got.Notes)
		}
	}
	for name, s := range map[string]string{
		"named label":    "kind,a,b\nx,1,-2.5\ny,3e2,4\nx,5,6\ny,7,8\nx,9,10\ny,11,12\n",
		"numeric header": "kind,1,2\nx,1,-2.5\ny,3e2,4\nx,5,6\ny,7,8\nx,9,10\ny,11,12\n",
	} {
		got, err := readString(s, Options{Prep: rawPrep(2), Seed: 4, LabelColumn: "kind"})
		if err != nil || got.Hash != want.Hash {
			t.Errorf("%s: %v", name, err)
		}
	}
	got, err := readString("x,1,-2.5\ny,3e2,4\nx,5,6\ny,7,8\nx,9,10\ny,11,12\n", Options{Prep: rawPrep(2), Seed: 4, LabelColumn: "1"})
	if err != nil || got.Hash != want.Hash || !slices.Equal(got.Columns, []string{"column 2", "column 3"}) {
		t.Errorf("label by number: %v", err)
	}
}

func TestTableClasses(t *testing.T) {
	for _, c := range []struct {
		labels []string
		want   []string
	}{
		{[]string{"10", "9", "-1"}, []string{"-1", "9", "10"}}, // numbers by size
		{[]string{"10", "9", "b"}, []string{"10", "9", "b"}},   // else by alphabet
		{[]string{"größer", "klein"}, []string{"größer", "klein"}},
		{[]string{"tea, green", "coffee"}, []string{"coffee", "tea, green"}},
	} {
		var b strings.Builder
		for i := range 4 * len(c.labels) {
			fmt.Fprintf(&b, "%d,%q\n", i, c.labels[i%len(c.labels)])
		}
		d, err := readString(b.String(), Options{Prep: rawPrep(1)})
		if err != nil {
			t.Errorf("%q: %v", c.labels, err)
			continue
		}
		if !slices.Equal(d.Classes, c.want) {
			t.Errorf("%q: classes %q, want %q", c.labels, d.Classes, c.want)
		}
		for _, s := range []*Set{d.Train, d.Val, d.Test} {
			for i, l := range s.Labels {
				if want := c.labels[int(s.X[i])%len(c.labels)]; d.Classes[l] != want {
					t.Errorf("row %v has class %q, want %q", s.X[i], d.Classes[l], want)
				}
			}
		}
	}
}

// Whatever numbers are written, they come back, each once, with their class.
func TestTableRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(6, 40).Draw(t, "rows")
		f := rapid.IntRange(1, 5).Draw(t, "columns")
		comma := rapid.SampledFrom([]string{",", ";", "\t"}).Draw(t, "comma")
		var b strings.Builder
		for k := range f {
			fmt.Fprintf(&b, "c%d%s", k, comma)
		}
		b.WriteString("label\n")
		rows := map[string]int{}
		for i := range n {
			key := ""
			for range f {
				v := rapid.Float32Range(-1e30, 1e30).Draw(t, "v")
				key += fmt.Sprint(math.Float32bits(v+0), " ") // -0 is 0
				b.WriteString(strconv.FormatFloat(float64(v+0), 'g', -1, 32) + comma)
			}
			fmt.Fprintf(&b, "%d\n", i%2)
			rows[key+strconv.Itoa(i%2)]++
		}
		d, err := readString(b.String(), Options{Prep: rawPrep(f), Seed: rapid.Uint64().Draw(t, "seed")})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []*Set{d.Train, d.Val, d.Test} {
			for i, l := range s.Labels {
				key := ""
				for _, v := range s.X[i*f : (i+1)*f] {
					key += fmt.Sprint(math.Float32bits(v), " ")
				}
				key += d.Classes[l]
				if rows[key]--; rows[key] < 0 {
					t.Fatalf("row %s of the splits is not in the file, or too often", key)
				}
			}
		}
		if d.Train.N()+d.Val.N()+d.Test.N() != n {
			t.Fatalf("%d rows became %d, %d and %d", n, d.Train.N(), d.Val.N(), d.Test.N())
		}
	})
}

func TestTableErrors(t *testing.T) {
	const head = "len,width,kind\n1,2,x\n"
	rows := strings.Repeat("1,2,x\n3,4,y\n", 5)
	for _, c := range []struct {
		name, in, label, want string
	}{
		{"empty", "", "", "t.csv: is empty"},
		{"blank", " \r\n\n", "", "t.csv: is empty"},
		{"header only", "a,b,c\n", "", "t.csv: has a header but no rows"},
		{"one column", "a\n1\n", "", "t.csv:1: has one column only: a table needs values and a label, separated by comma, semicolon or tab"},
		{"text cell", head + "1,wide,x\n", "", `t.csv:3:3: width is "wide", not a number: write text as numbers, remove the column, or name it as the label column`},
		{"missing cell", head + "1,2,x\n,2,x\n", "", `t.csv:4:1: len is missing (""): fill it in, or remove the row`},
		{"question mark", head + "1, ?,x\n", "", `t.csv:3:3: width is missing ("?"): fill it in, or remove the row`},
		{"NaN", head + "1,NaN,x\n", "", "t.csv:3:3: width is NaN: NaN and infinity cannot be trained on: fill in a number, or remove the row"},
		{"infinity", head + "-Inf,1,x\n", "", "t.csv:3:1: len is -Inf: NaN and infinity cannot be trained on: fill in a number, or remove the row"},
		{"too large", head + "1,1e39,x\n", "", `t.csv:3:3: width is "1e39", too large for float32 (3.4e38): rescale the column`},
		{"decimal comma", "len;width;kind\n1,5;2;x\n", "", `t.csv:2:1: len is "1,5": write decimals with a point`},
		{"missing label", head + "1,2,\n", "", `t.csv:3:5: the label (kind) is missing (""): fill it in, or remove the row`},
		{"long cell", head + "1," + strings.Repeat("ü", 50) + ",x\n", "", `t.csv:3:3: width is "` + strings.Repeat("ü", 40) + `…", not a number: write text as numbers, remove the column, or name it as the label column`},
		{"ragged", head + "1,2\n", "", "t.csv:3: has 2 cells, the first row has 3: every row needs the same columns"},
		{"quotes", head + "1,\"2\"3,x\n", "", `t.csv:3:5: a quotation mark is out of place: write "" for one inside a quoted cell`},
		{"open quote", head + "1,2,\"x\n", "", `t.csv:3:8: a quotation mark is out of place: write "" for one inside a quoted cell`},
		{"open quote, more rows", head + "1,\"2,x\n1,2,x\n1,2,x\n", "", `t.csv:3: a quotation mark is out of place: a cell opens with one in this row and was read on to line 5: close it`},
		{"mixed first row", "len,2,kind\n" + rows, "", `t.csv:1:1: column 1 is "len", not a number: write text as numbers, remove the column, or name it as the label column (the first row was taken as data because it holds numbers: if it is a header, give every column a name)`},
		{"one class", "a,kind\n1,x\n2,x\n3,x\n", "", `t.csv: every row has the label "x" (kind): there is nothing to tell apart with one class`},
		{"numeric target", "a,price\n1,10.5\n2,11.5\n3,12.5\n4,13.5\n", "", "t.csv: price has 4 different values in 4 rows, so it is no label (a class needs at least 3 rows): name the label column"},
		{"small class", "a,kind\n" + strings.Repeat("1,x\n2,y\n", 5) + "3,zebra\n4,zebra\n", "", `t.csv:12: class "zebra" has only 2 rows: it needs at least 3, one each for training, validation and test: add rows, or remove the class`},
		{"nameless column", ",a,kind\n0,1,x\n", "", "t.csv:1: column 1 has no name: name it, or remove it if it only numbers the rows"},
		{"no such column", head, "colour", `t.csv: has no column "colour": choose one of len, width, kind`},
		{"column number", head, "4", `t.csv: has no column "4": choose one of len, width, kind`},
		{"no header, name", "1,2,3\n", "kind", `t.csv: has no header, so label column "kind" must be a number from 1 to 3`},
		{"newline and escape in a name", "\"a\n\x1b[2Jb\",kind\n,x\n", "", `t.csv:3:1: a [2Jb is missing (""): fill it in, or remove the row`},
		{"two of a name", "kind,a,kind\nx,1,y\n", "kind", `t.csv:1: columns 1 and 3 are both named "kind": rename one, or give the label column by its number`},
		{"Excel", "PK\x03\x04....", "", "t.csv: is a zip archive or an Excel workbook: export the sheet as CSV"},
		{"idx", "\x00\x00\x08\x03....", "", "t.csv: is an idx file: give the folder that holds the four idx files"},
		{"UTF-16", "\xff\xfea\x00", "", "t.csv: is UTF-16 text: save it as UTF-8"},
		{"binary", "ab\x00c\n", "", "t.csv: is not text: give " + forms},
		{"old Mac", "a,b\r1,2\r", "", "t.csv: ends its lines with a bare carriage return: save it with LF or CRLF"},
		{"bad gzip", "\x1f\x8b\x00\x00\x00\x00\x00\x00\x00\x00", "", "t.csv: is damaged (gzip: invalid header): fetch it again"},
		{"cut gzip", string(gz(t, bytes.Repeat([]byte(head), 9))[:30]), "", "t.csv: is cut short: fetch it again"},
	} {
		_, err := readString(c.in, Options{LabelColumn: c.label})
		if err == nil || err.Error() != c.want {
			t.Errorf("%s:\n got %v\nwant %s", c.name, err, c.want)
		}
	}
	_, err := readString("a,kind\n"+strings.Repeat("1,x\n2,y\n", 5), Options{Prep: rawPrep(2)})
	if want := "t.csv: preprocessing: 2 means and 2 deviations for samples with 1 columns: give one of each per column"; err == nil || err.Error() != want {
		t.Errorf("preprocessing of other data: %v, want %s", err, want)
	}
}

func TestOpenTable(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "pets.csv.gz")
	if err := os.WriteFile(path, gz(t, []byte("a,kind\n"+strings.Repeat("1,x\n2,y\n", 5))), 0o644); err != nil {
		t.Fatal(err)
	}
	d, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	checkData(t, d)
	if d.Name != "pets" || d.Source != path {
		t.Errorf("%s from %s", d.Name, d.Source)
	}
	if want := "10 rows, a header, separated by comma; label: kind"; len(d.Notes) != 1 || d.Notes[0] != want {
		t.Errorf("notes %q, want %q", d.Notes, want)
	}
}

// FuzzTable looks for panics, errors of several lines and data that consumers
// could not use.
func FuzzTable(f *testing.F) {
	f.Add([]byte("a,b,kind\n1,2,x\n3,4,y\n5,6,x\n7,8,y\n1,1,x\n2,2,y\n"), "")
	f.Add([]byte("\ufeffx;1\r\ny;2\r\nx;3\r\ny;4\r\nx;5\r\ny;6\r\n"), "1")
	f.Add([]byte("a\t\"k\n\"\n1\tx"), "a")
	f.Add(gz(f, []byte("a,b\n1,2\n")), "b")
	f.Fuzz(func(t *testing.T, b []byte, label string) {
		d, err := readTable(bytes.NewReader(b), "t.csv", Options{LabelColumn: label})
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Fatalf("error of several lines: %q", err)
			}
			return
		}
		checkData(t, d)
		if len(d.Classes) < 2 || len(d.Columns) != d.Train.F() {
			t.Fatalf("%d classes, %d columns of %d", len(d.Classes), len(d.Columns), d.Train.F())
		}
	})
}

// TestTableFolder: a table for each split, of the same columns.
func TestTableFolder(t *testing.T) {
	rows := func(n, from int) []byte {
		b := []byte("a,colour,kind\n")
		for i := from; i < from+n; i++ {
			b = fmt.Appendf(b, "%d,%s,%c\n", i, []string{"red", "blue"}[i%2], 'x'+i%3)
		}
		return b
	}
	dir := place(t, map[string][]byte{"train.csv": rows(60, 0), "test.csv.gz": gz(t, rows(12, 100)), "README.md": []byte("hello")})
	d, err := Open(dir, Options{Prep: rawPrep(3)})
	if err != nil {
		t.Fatal(err)
	}
	checkData(t, d)
	if d.Train.N() != 54 || d.Val.N() != 6 || d.Test.N() != 12 || !slices.Equal(d.Columns, []string{"a", "colour=blue", "colour=red"}) {
		t.Errorf("%d, %d, %d of %q", d.Train.N(), d.Val.N(), d.Test.N(), d.Columns)
	}
	for i := range 12 {
		if x := d.Test.X[3*i : 3*i+3]; x[0] != float32(100+i) || x[1]+x[2] != 1 || x[1] != float32(i%2) || d.Test.Labels[i] != int32((100+i)%3) {
			t.Errorf("test sample %d is %v of class %d", i, x, d.Test.Labels[i])
		}
	}
	want := []string{"60 rows, a header, separated by comma; label: kind", "12 rows of test.csv.gz", "validation: 10 % of the training rows, stratified by class", "test: as the source has it"}
	if !slices.Equal(d.Notes, want) {
		t.Errorf("notes %q, want %q", d.Notes, want)
	}
	for name, c := range map[string]struct {
		files map[string][]byte
		want  string
	}{
		"no label":  {map[string][]byte{"test.csv": []byte("a,colour\n1,red\n")}, "test.csv: has the columns a and the label colour, train.csv has a, colour and kind: all tables of a folder need the same"},
		"category":  {map[string][]byte{"test.csv": []byte("a,colour,kind\n1,grey,x\n")}, `test.csv:2:3: colour is "grey", which is none of blue, red`},
		"two":       {map[string][]byte{"train.tsv": []byte("a\tb\n")}, "both train.csv and train.tsv are its training part: keep one"},
		"no rows":   {map[string][]byte{"val.csv": []byte("a,colour,kind\n")}, "val.csv: has a header but no rows"},
		"no number": {map[string][]byte{"dev.csv": []byte("a,colour,kind\nten,red,x\n")}, `dev.csv:2:1: a is "ten", not a number`},
	} {
		c.files["train.csv"] = rows(60, 0)
		_, err := Open(place(t, c.files), Options{})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want %q in it", name, err, c.want)
		}
	}
}

// TestUsualLabel: which column is the label if none is named.
func TestUsualLabel(t *testing.T) {
	for head, want := range map[string]string{
		"a,b,c": "c", "label,b,c": "label", "a,Target,c": "Target", "class,b,c": "class", "a,class,c": "c", "label,b,target": "target", "class,label,c": "c",
	} {
		d, err := readString(head+"\n"+strings.Repeat("1,1,1\n2,2,2\n", 5), Options{})
		if err != nil || !strings.HasSuffix(d.Notes[0], "; label: "+want) {
			t.Errorf("%s: %v, want label %s", head, err, want)
		}
	}
}
