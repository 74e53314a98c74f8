package plan

import (
	"fmt"
	"strings"

	"pare/core/device"
	"pare/core/tensor"
)

// PairsOf is what a device measured of 2:4 products when it compiled a plan; What says what
// the plan is for.
type PairsOf struct {
	What string
	Of   []device.Paired
}

// Measured is PairsOf a compiled plan. Most devices measure nothing.
func Measured(what string, e device.Exec) PairsOf {
	if p, ok := e.(device.Pairer); ok {
		return PairsOf{what, p.Pairs()}
	}
	return PairsOf{What: what}
}

// Settle says in the choices of 2:4 layers what a device made of them: where no product of
// a layer leaves anything out, it runs dense.
func Settle(cs []Choice, all ...PairsOf) {
	for i := range cs {
		c := &cs[i]
		if c.Format != tensor.NM24 {
			continue
		}
		used, texts, unfit := false, []string(nil), ""
		for _, m := range all {
			var l []string
			timed := false
			for _, p := range m.Of {
				if p.W == c.Param {
					l, used, timed = append(l, pairText(p)), used || p.Used, timed || p.Used || p.MS > 0
				}
			}
			switch text := m.What + ": " + strings.Join(l, ", "); {
			case timed:
				texts = append(texts, text)
			case len(l) > 0 && unfit == "":
				unfit = text
			}
		}
		if len(texts) == 0 && unfit != "" {
			texts = []string{unfit}
		}
		if len(texts) == 0 {
			continue
		}
		if c.Why = strings.Join(texts, "; "); !used {
			c.Format, c.Why = tensor.Dense, "no gain here by 2:4; "+c.Why
		}
	}
}

// pairText is one product in words.
func pairText(p device.Paired) string {
	what := "forward"
	if p.Kernel == device.LinearDX {
		what = "back"
	}
	switch {
	case p.Used && p.MS > 0:
		return fmt.Sprintf("%s 2:4 (%.3g ms, dense %.3g)", what, p.MS, p.Dense)
	case p.Used:
		return what + " 2:4"
	case p.MS > 0:
		return fmt.Sprintf("%s dense (%.3g ms, 2:4 %.3g)", what, p.Dense, p.MS)
	}
	return what + " dense (" + p.Why + ")"
}
