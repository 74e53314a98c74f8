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
	Cards   []Info   `json:"cards,omitempty"`   // of the driver: what it shows
}

// Report looks for the libraries and says what was found where. It opens them and
// takes none of a card's memory.
func Report() []Found {
	cuda := 0
	driver := Found{Name: driverLibrary.name}
	if l, err := driverLibrary.open(0); err != nil {
		driver.Error, driver.Costs = why(driver.Name, err), driverLibrary.costs
	} else {
		v := driverVersion()
		cuda = v / 1000
		driver.Path, driver.Missing, driver.Version = l.file, l.missing, fmt.Sprintf("%d.%d", cuda, v%1000/10)
		if driver.Cards, err = Cards(); err != nil {
			driver.Error, driver.Costs = why(driver.Name, err), driverLibrary.costs
		}
		driver.OK = err == nil
	}
	out := []Found{driver}
	for _, r := range []struct {
		d       *description
		version func(*library) string
	}{{rtcLibrary, rtcText}, {ltLibrary, ltText}, {spLibrary, spText}} {
		f := Found{Name: r.d.name}
		if l, err := r.d.open(cuda); err != nil {
			f.Error, f.Costs = why(f.Name, err), r.d.costs
		} else {
			f.OK, f.Path, f.Missing, f.Version = true, l.file, l.missing, r.version(l)
		}
		out = append(out, f)
	}
	return out
}

// why is an error as a row of a list shows it, behind the library's name.
func why(name string, err error) string {
	s := strings.ReplaceAll(err.Error(), "\n", "; ")
	return strings.TrimPrefix(s, name+": "+ErrNoLibrary.Error()+": ")
}
