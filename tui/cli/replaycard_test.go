package cli

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReplayOfACard: what a run of all five stages on an H200 recorded (PERFORMANCE.md of
// core/device/cuda) is replayed, listed and reported on a machine that may have none, with the
// card's joules as measured.
func TestReplayOfACard(t *testing.T) {
	from, root := "../../sessions/testdata/neat-robin", t.TempDir()
	dir := filepath.Join(root, "neat-robin")
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	packed, err := os.Open(filepath.Join(dir, "events.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close() //nolint:errcheck // only read
	z, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	log, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "events.jsonl"), log, 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := call(t, "replay", "neat-robin", "--plain", "--speed", "4096", "--sessions", root)
	if code != 0 || errs != "" {
		t.Fatalf("%d %q", code, errs)
	}
	for _, want := range []string{
		"85,202,688 42,690,744", "GPU ms per step 11.5 ±1 % 7.23 ±3 % −37 %", "7.99 J B ±21 % 4.92 J B ±25 %", "h.11.mlp.c_fc 1552×768 49.5 %", "PASS 30.7 % against a floor of 20.5 %",
		"weights 07c5d49f279d335eaa316ca505990219", "end of the replay: 1m35s of the run's time",
	} {
		if !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if code, out, errs := call(t, "sessions", "list", "--sessions", root); code != 0 || !strings.Contains(out, "neat-robin") || !strings.Contains(out, "PASS") {
		t.Errorf("%d %q %q", code, out, errs)
	}
	file := filepath.Join(root, "report.html")
	if code, _, errs := call(t, "report", "neat-robin", "-o", file, "--sessions", root); code != 0 {
		t.Fatalf("%d %q", code, errs)
	}
	if b, err := os.ReadFile(file); err != nil || !strings.Contains(string(b), "nvml") || !strings.Contains(string(b), "gpt-small") {
		t.Errorf("the report does not speak of the card: %v", err)
	}
}
