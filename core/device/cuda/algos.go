package cuda

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"pare/core/device/cuda/internal/cu"
)

// Large products are timed with several algorithms, and the fastest is taken: which one
// that is may change from process to process, and with it the last bits of a run. What
// was chosen is therefore kept in the user's cache folder, by card and library, so that
// a run that is resumed on this machine goes on with the same bits.

// algorithms are those that were chosen here, by product.
type algorithms struct {
	file  string // "" when the system names no place
	known map[string]string
	fresh bool // something is not in the file yet
}

// algorithmsOf reads what is kept for a card. A file that cannot be read holds nothing.
func algorithmsOf(card cu.Info, library string) *algorithms {
	a := &algorithms{known: map[string]string{}}
	dir, err := os.UserCacheDir()
	if err != nil {
		return a
	}
	name := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '.' {
			return r
		}
		return '-'
	}, fmt.Sprintf("products-%s-%s.json", card.Name, library))
	a.file = filepath.Join(dir, "pare", "cuda", name)
	if b, err := os.ReadFile(a.file); err == nil && json.Unmarshal(b, &a.known) != nil {
		a.known = map[string]string{}
	}
	return a
}

// keep writes what is new, aside and renamed: a reader sees the old file or the new one.
func (a *algorithms) keep() error {
	if !a.fresh || a.file == "" {
		return nil
	}
	a.fresh = false
	all := map[string]string{} // another process may have written meanwhile
	if b, err := os.ReadFile(a.file); err == nil && json.Unmarshal(b, &all) != nil {
		all = map[string]string{}
	}
	maps.Copy(all, a.known)
	b, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(a.file), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(a.file), ".products-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // renamed by then
	_, err = f.Write(append(b, '\n'))
	if err = firstError(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), a.file)
}

// prepare finds a product's algorithm once for each shape.
func (c *card) prepare(p cu.Product) (cu.Prepared, error) {
	if q, ok := c.products[p]; ok {
		return q, nil
	}
	name := fmt.Sprintf("%+v", p)
	if algo, ok := c.algos.known[name]; ok {
		if q, err := c.blas.PrepareWith(p, algo); err == nil {
			c.products[p] = q
			return q, nil
		}
	}
	q, err := c.blas.Prepare(p)
	if err != nil {
		return nil, err
	}
	c.products[p], c.algos.known[name], c.algos.fresh = q, q.Algo(), true
	return q, nil
}
