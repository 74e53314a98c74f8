package cuda

import (
	"fmt"
	"slices"
	"strings"

	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
	"pare/core/tensor"
)

// What can run 2:4 products changes with what is installed, and with it the formats of a run's
// weights. So a run keeps the libraries that were there when it first had weights with zeros,
// by their versions: with fewer of them it is refused where one would be needed, and others that
// come later are left alone.

const (
	// ways24 is what that choice is for.
	ways24 = "ways of 2:4 products"
	// noWays is the choice where nothing ran them.
	noWays = "none"
)

// keepWays makes the choice for a run that has none, when it gets a bank with zeros in matrices,
// and says so where the run gains less by its choice than a new one would.
// A run that has such weights when it is resumed and no choice is of a pare that did not keep it;
// if it never chose between dense and 2:4, nothing ran 2:4 then.
func (d Device) keepWays(ws []device.Weight) {
	c := d.choices
	if d.precision != BF16 || d.always || !slices.ContainsFunc(ws, func(w device.Weight) bool {
		return w.Format == tensor.NM24 || len(w.Shape) == 2 && w.Mask.Zeros() > 0
	}) {
		return
	}
	libs, _ := d.libraries()
	switch {
	case c.knows(ways24):
	case c.before():
		c.note(ways24, noWays)
	default:
		c.note(ways24, versions(libs, noWays))
	}
	if c.known[ways24] == noWays && len(libs) > 0 {
		c.say("2:4 weights of this run have dense products, since nothing ran them 2:4 when it chose; here %s does, which a new run takes where it is faster", versions(libs, ""))
	}
}

// before reports whether the run was resumed, has run nothing since, and has products of which
// none was chosen for 2:4.
func (c *choices) before() bool {
	if c.ran || len(c.known) == 0 {
		return false
	}
	for what := range c.known {
		if strings.HasPrefix(what, pairsKey) {
			return false
		}
	}
	return true
}

// versions are those of libraries, sorted, else none.
func versions(libs []cu.Sparse, none string) string {
	if len(libs) == 0 {
		return none
	}
	var all []string
	for _, l := range libs {
		all = append(all, l.Version())
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// ways are the libraries that the run chooses from, of those that are here. kept has all their
// versions. missing says which are not here: nothing can be chosen anew then.
func (d Device) ways() (libs []cu.Sparse, kept []string, missing error) {
	libs, err := d.libraries()
	if d.always || !d.choices.knows(ways24) {
		return libs, strings.Fields(versions(libs, "")), err
	}
	if way := d.choices.known[ways24]; way != noWays {
		kept = strings.Fields(way)
	}
	here := libs
	libs = slices.DeleteFunc(slices.Clone(here), func(l cu.Sparse) bool { return !slices.Contains(kept, l.Version()) })
	if len(libs) < len(kept) {
		missing = fmt.Errorf("%w: 2:4 products on %s were chosen among versions %s, here are %s", device.ErrKept, d.Chooses(), strings.Join(kept, " and "), versions(here, noWays))
	}
	return libs, kept, missing
}
