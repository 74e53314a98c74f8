package event

import "maps"

// Chosen tells of choices that a device made by the clock, such as by which algorithm a
// product runs, before they take effect. A resumed run has the same ones.
type Chosen struct {
	Stage   Stage             `json:"stage"`
	Step    int64             `json:"step"`
	On      string            `json:"on"`      // what they hold for: the hardware and its libraries
	Choices map[string]string `json:"choices"` // by what each is for
}

// chosen adds choices to those of their hardware. Whoever holds the old maps keeps them.
func (s *State) chosen(b *Chosen) {
	all := maps.Clone(s.Chosen)
	if all == nil {
		all = map[string]map[string]string{}
	}
	on := maps.Clone(all[b.On])
	if on == nil {
		on = map[string]string{}
	}
	maps.Copy(on, b.Choices)
	all[b.On], s.Chosen = on, all
}
