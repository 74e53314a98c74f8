package cli

import (
	"fmt"
	"math"
	"strconv"
	"text/tabwriter"

	"pare/core/data"
)

// shownColumns and shownRows are how much of a table is shown.
const (
	shownColumns = 12
	shownRows    = 3
)

// raw are the values of a sample as the source has them.
func raw(d *data.Data, s *data.Set, i int) ([]float32, error) {
	x, err := s.Sample(i)
	if err != nil || len(d.Prep.Mean) == 0 {
		return x, err
	}
	inner := len(x) / len(d.Prep.Mean)
	for k := range x {
		c := k / inner
		v := (float64(x[k])*d.Prep.Std[c] + d.Prep.Mean[c]) / d.Prep.Scale
		if math.Abs(v) < 1e-6*d.Prep.Std[c]/d.Prep.Scale {
			v = 0 // what a float32 leaves of it
		}
		x[k] = float32(v)
	}
	return x, nil
}

// showRows prints the columns of a table with their mean and deviation, and the values
// of the first training samples.
func (e *env) showRows(d *data.Data) error {
	n := min(shownRows, d.Train.N())
	rows := make([][]float32, n)
	w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	printf(w, "\ncolumn\tmean\tdeviation")
	for i := range rows {
		var err error
		if rows[i], err = raw(d, d.Train, i); err != nil {
			return err
		}
		printf(w, "\tsample %d", i+1)
	}
	fmt.Fprintln(w)
	f := d.Train.F()
	for k := range min(f, shownColumns) {
		name := "value " + strconv.Itoa(k+1)
		if d.Columns != nil {
			name = quoted(d.Columns[k], 40)
		}
		printf(w, "%s\t%.4g\t%.4g", name, d.Prep.Mean[k]/d.Prep.Scale, d.Prep.Std[k]/d.Prep.Scale)
		for _, x := range rows {
			printf(w, "\t%.4g", x[k])
		}
		fmt.Fprintln(w)
	}
	if f > shownColumns {
		printf(w, "… and %d more\n", f-shownColumns)
	}
	printf(w, "label\t\t")
	for i := range rows {
		printf(w, "\t%s", quoted(d.Classes[d.Train.Labels[i]], 20))
	}
	fmt.Fprintln(w)
	return w.Flush()
}
