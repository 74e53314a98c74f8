package energy

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// writeTree writes zones as real files, frozen at time 0.
func writeTree(t testing.TB, root string, zs ...rz) {
	t.Helper()
	for _, z := range zs {
		dir := filepath.Join(root, z.dir)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Skip(err) // folder names with colons
		}
		for name, text := range map[string]string{
			"name": z.name + "\n", "max_energy_range_uj": fmt.Sprintln(z.max), "energy_uj": fmt.Sprintln(z.at(0)),
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}
