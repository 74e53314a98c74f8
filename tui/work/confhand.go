package work

import (
	"math"
	"slices"
	"strings"

	"pare/core"
	"pare/core/event"
)

// The form's last fields are the layers, each with its share of zeros by hand, or left to
// the spread.

const (
	byHand   = "by hand " // a layer's name follows
	asSpread = -0.01      // a notch below 0 %
)

// handFields are the layers that may have a share by hand.
func handFields(r *core.Recipe, layers []event.Layer) (l []field) {
	for _, x := range layers {
		if !x.Prunable || slices.Contains(r.Prune.Skip, x.Name) {
			continue
		}
		h, ok := r.Prune.ByHand[x.Name]
		if !ok {
			h = asSpread
		}
		l = append(l, field{key: byHand + x.Name, label: x.Name, kind: slider, num: h, lo: asSpread, hi: 0.999, step: 0.01, unset: "as spread"})
	}
	return l
}

// setByHand takes the fields into r, which shares its map with the run's recipe. A layer
// that has no field keeps what the recipe says.
func (f *form) setByHand(r *core.Recipe) {
	by := map[string]float64{}
	for name, h := range r.Prune.ByHand {
		by[name] = h
	}
	for i := range f.fields {
		x := &f.fields[i]
		name, ok := strings.CutPrefix(x.key, byHand)
		was, has := by[name]
		switch {
		case !ok:
		case x.open():
			delete(by, name)
		case !has || x.num != was: // one that nobody changed is not rounded
			by[name] = math.Round(1e4*x.num) / 1e4
		}
	}
	if r.Prune.ByHand = by; len(by) == 0 {
		r.Prune.ByHand = nil
	}
}

// open reports whether the field holds no value of its own.
func (f *field) open() bool { return f.unset != "" && f.num < 0 }

// turn moves the chosen field by one notch; one without a value begins at the target.
func (f *form) turn(dir int) {
	x := &f.fields[f.at]
	if x.open() && dir > 0 {
		x.num, x.touched = f.get("target").num, true
		return
	}
	x.turn(dir)
}
