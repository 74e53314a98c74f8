package core

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"pare/core/device"
	"pare/core/event"
	"pare/core/plan"
)

// PlanSpec is what choices of kernels follow from.
type PlanSpec struct {
	// Prices are what the formats of weights cost, filled in when the run starts, before
	// any choice is made.
	plan.Prices
	// Chosen are choices that devices made by the clock while a run went on, such as by
	// which algorithm a product runs, by hardware and by what each is for. The run's log
	// holds them; they stand here in a recipe that was saved from it.
	Chosen map[string]map[string]string `toml:"chosen,omitempty" json:"chosen,omitempty"`
}

// Check refuses what cannot be prices or choices.
func (p PlanSpec) Check() error {
	line := func(s string, most int) bool {
		return s != "" && len(s) <= most && !slices.ContainsFunc([]rune(s), func(r rune) bool { return !unicode.IsPrint(r) })
	}
	for on, choices := range p.Chosen {
		if !line(on, 300) {
			return fmt.Errorf("plan.chosen.%.40q: give a card and its library in one line", on)
		}
		for what, choice := range choices {
			if !line(what, 300) || !line(choice, 1000) {
				return fmt.Errorf("plan.chosen: %.40q = %.40q for %s is no choice of a device: take [plan.chosen] out", what, choice, on)
			}
		}
	}
	return p.Prices.Check()
}

// With adds the choices of a log.
func (p *PlanSpec) With(chosen map[string]map[string]string) {
	all := map[string]map[string]string{}
	for _, from := range []map[string]map[string]string{p.Chosen, chosen} {
		for on, choices := range from {
			if all[on] == nil {
				all[on] = map[string]string{}
			}
			maps.Copy(all[on], choices)
		}
	}
	p.Chosen = nil
	if len(all) > 0 {
		p.Chosen = all
	}
}

// elsewhere says that a resumed run goes on with another instruction set or device than it
// had. Formats keep following the prices of its recipe, of which each device takes those it has
// kernels for.
func (r *run) elsewhere() []event.Warning {
	res := r.cfg.Resume
	if res == nil || res.Log == nil || res.Log.Started.Device == "" {
		return nil
	}
	was, name, isa := res.Log.Started, r.dev.Name(), r.dev.ISA()
	if was.Device == name && was.ISA == isa {
		return nil
	}
	return []event.Warning{{
		Text: fmt.Sprintf("this run last ran on %s (%s) and goes on on %s (%s): kernels and formats are chosen for that, and the last bits of what follows will differ", was.Device, was.ISA, name, isa),
		Fix:  "for equal bits go on with the device and instruction set it had before",
	}}
}

// keeping is the device with the choices that the recipe and the log know. warn is what to
// say of them.
func (r *run) keeping(dev device.Device) (device.Device, []event.Warning) {
	c, ok := dev.(device.Chooser)
	if !ok {
		return dev, nil
	}
	known := PlanSpec{Chosen: r.r.Plan.Chosen}
	if res := r.cfg.Resume; res != nil && res.Log != nil {
		known.With(res.Log.Chosen)
	}
	on := c.Chooses()
	var warn []event.Warning
	if len(known.Chosen) > 0 && len(known.Chosen[on]) == 0 {
		others := strings.Join(slices.Sorted(maps.Keys(known.Chosen)), "; ")
		warn = []event.Warning{{
			Text: fmt.Sprintf("the algorithms of this run were chosen on %s; this is %s, where they are chosen anew: the last bits of what follows will differ", others, on),
			Fix:  "for equal bits go on with the card and libraries it had before",
		}}
	}
	return c.Keeping(known.Chosen[on], func(n device.Chosen) error {
		for _, text := range n.Said {
			if err := r.emit(&event.Warning{Text: text}); err != nil {
				return err
			}
		}
		if len(n.Choices) == 0 {
			return nil
		}
		return r.emit(&event.Chosen{Stage: r.loop.Stage, Step: r.loop.Step, On: on, Choices: n.Choices})
	}), warn
}
