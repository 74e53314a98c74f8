package cu

import (
	"fmt"
	"strings"
)

// Found is what a search for a library came to.
type Found struct {
	Name    string   `json:"name"`              // "cublasLt"
	OK      bool     `json:"ok"`                // it can be used
	Path    string   `json:"path,omitempty"`    // where it lies
	Version string   `json:"version,omitempty"` // its own; of the driver the newest CUDA it runs
	Missing []string `json:"missing,omitempty"` // functions that it lacks and that can be done without
	Error   string   `json:"error,omitempty"`   // why it cannot be used
	Costs   string   `json:"costs,omitempty"`   // what follows from that
}

// Report looks for the libraries and says what was found where. It opens them and
// takes none of a card's memory.
func Report() []Found {
	cuda := 0
	driver := Found{Name: driverLibrary.name}
	if l, err := driverLibrary.open(0); err != nil {
		driver.Error, driver.Costs = oneLine(err), driverLibrary.costs
	} else {
		v := driverVersion()
		cuda = v / 1000
		driver.Path, driver.Missing, driver.Version = l.file, l.missing, fmt.Sprintf("%d.%d", cuda, v%1000/10)
		if _, err := Cards(); err != nil {
			driver.Error, driver.Costs = oneLine(err), driverLibrary.costs
		} else {
			driver.OK = true
		}
	}
	out := []Found{driver}
	for _, r := range []struct {
		d       *description
		version func(*library) string
	}{{rtcLibrary, rtcText}, {ltLibrary, ltText}, {spLibrary, spText}} {
		f := Found{Name: r.d.name}
		if l, err := r.d.open(cuda); err != nil {
			f.Error, f.Costs = oneLine(err), r.d.costs
		} else {
			f.OK, f.Path, f.Missing, f.Version = true, l.file, l.missing, r.version(l)
		}
		out = append(out, f)
	}
	return out
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
