package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pare/core/event"
	"pare/sessions"
	"pare/tui/plain"
)

const evil = "a\x1b]0;owned\x07\x1b[2J\rb\tc\nd\u009bm"

// TestTablesAreHarmless: names that come from files of others do not reach the terminal
// as commands, and keep the table's lines and columns.
func TestTablesAreHarmless(t *testing.T) {
	check := func(what, got string) {
		t.Helper()
		if i := strings.IndexFunc(got, func(r rune) bool { return r != '\n' && (r < ' ' || r >= 0x7f && r < 0xa0) }); i >= 0 {
			t.Errorf("%s: control character at byte %d of %q", what, i, got)
		}
	}
	var out bytes.Buffer
	e := &env{out: &out}
	s := sessions.Summary{ID: evil, Model: evil, Data: evil, Status: "done", Verdict: evil, Acc: 0.5, TestAcc: -1}
	bad := sessions.Summary{ID: evil, Damage: evil}
	if err := e.printList("dir", []sessions.Summary{s, bad}, true); err != nil {
		t.Fatal(err)
	}
	check("sessions list", out.String())
	if n := strings.Count(out.String(), "\n"); n != 3 {
		t.Errorf("sessions list: %d lines of 3:\n%s", n, out.String())
	}
	check("scan", plain.ScanTable(&event.Scan{Of: 1, Levels: []float64{0.5}, Rows: []event.ScanRow{{Name: evil, Refused: evil}}}))

	var errs bytes.Buffer
	Main([]string{evil}, os.Stdin, &bytes.Buffer{}, &errs)
	check("an error", errs.String())
	dir := t.TempDir()
	file := filepath.Join(dir, "t.csv")
	text := "x,\"y\x1b[2J\",label\n"
	for i := range 40 {
		text += []string{"1,2,\"ro\x1b[31mse\"\n", "3,4,lily\n"}[i%2]
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	Main([]string{"data", "show", file}, os.Stdin, &out, &errs)
	check("data show", out.String())
	if !strings.Contains(out.String(), "lily") {
		t.Errorf("data show shows nothing:\n%s\n%s", out.String(), errs.String())
	}
}
