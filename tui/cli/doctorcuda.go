package cli

import (
	"fmt"
	"io"
	"strings"

	"pare/core/device/cuda"
)

// cudaRows is what doctor says of the GPU: its cards, and each library that was looked
// for. Where no driver is, only what is there is listed beside that.
func cudaRows(w io.Writer, list []cuda.Found) {
	driver := list[0]
	if driver.OK {
		fmt.Fprintf(w, "cuda\tCUDA %s by the driver\n", driver.Version)
	} else {
		fmt.Fprintf(w, "cuda\t%s\n", driver.Costs)
	}
	for _, c := range driver.Cards {
		fmt.Fprintf(w, "  card %d\t%s, %.0f GiB, compute capability %d.%d, %d multiprocessors, %s\n", c.Ordinal, c.Name, float64(c.Memory)/(1<<30), c.Major, c.Minor, c.SMs, c.UUID)
	}
	for i, f := range list {
		switch {
		case f.OK:
			fmt.Fprintf(w, "  %s\tok\t%s  %s\n", f.Name, f.Version, f.Path)
			if f.Missing != nil {
				fmt.Fprintf(w, "\t\tlacks %s\n", strings.Join(f.Missing, ", "))
			}
		case i == 0:
			fmt.Fprintf(w, "  %s\t–\t%s\n", f.Name, f.Error)
		case driver.OK:
			fmt.Fprintf(w, "  %s\t–\t%s; %s\n", f.Name, f.Error, f.Costs)
		}
	}
}
