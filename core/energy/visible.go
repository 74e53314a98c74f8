package energy

import (
	"fmt"
	"strconv"
	"strings"
)

// visibleDevices names the cards that CUDA lets a process use. It looks like the
// variable itself: numbers in the order of the PCI bus, starts of UUIDs
// ("GPU-8932f937"), slices ("MIG-…").
const visibleDevices = "CUDA_VISIBLE_DEVICES"

// visible is the choice of cards: the one that the work runs on, else CUDA's.
func (o Options) visible() (value string, set bool) {
	if o.Card != "" {
		return o.Card, true
	}
	return o.env(visibleDevices)
}

// hidden says why a card is left out.
func (o Options) hidden() string {
	if o.Card != "" {
		return "the work does not run on it"
	}
	return "hidden by " + visibleDevices
}

// chooseCards picks, of the cards with these UUIDs, those that the value of
// CUDA_VISIBLE_DEVICES allows, as CUDA itself reads it: the first entry that
// names no card hides the ones after it; empty hides all. A card named twice, or
// by two of its slices, counts once. parent gives the UUID of the card that a
// slice belongs to. The note says what is worth knowing.
func chooseCards(value string, set bool, uuids []string, parent func(slice string) (string, error)) (picked []int, note string) {
	if !set {
		for i := range uuids {
			picked = append(picked, i)
		}
		return picked, ""
	}
	if strings.TrimSpace(value) == "" {
		return nil, visibleDevices + " is empty: it hides all cards"
	}
	taken := map[int]bool{}
	for _, entry := range strings.Split(value, ",") {
		i, why := chooseCard(strings.TrimSpace(entry), uuids, parent)
		if why != "" {
			note = fmt.Sprintf("%s=%s: %s; this entry and those after it name no card", visibleDevices, value, why)
			break
		}
		if !taken[i] {
			taken[i] = true
			picked = append(picked, i)
		}
	}
	if note == "" && len(picked) < len(uuids) {
		note = fmt.Sprintf("%s=%s: %d of %d cards", visibleDevices, value, len(picked), len(uuids))
	}
	return picked, note
}

// chooseCard is the index of the card that an entry names, or why it names none.
func chooseCard(entry string, uuids []string, parent func(string) (string, error)) (int, string) {
	if n, err := strconv.Atoi(entry); err == nil {
		if n < 0 || n >= len(uuids) {
			return 0, fmt.Sprintf("there is no card %d", n)
		}
		return n, ""
	}
	if rest, ok := strings.CutPrefix(entry, "MIG-GPU-"); ok { // MIG-GPU-UUID/instance/instance, before driver 470
		uuid, _, _ := strings.Cut(rest, "/")
		entry = "GPU-" + uuid
	} else if strings.HasPrefix(entry, "MIG-") {
		uuid, err := parent(entry)
		if err != nil {
			return 0, fmt.Sprintf("%s: %v", entry, err)
		}
		entry = uuid
	}
	if !strings.HasPrefix(strings.ToUpper(entry), "GPU-") {
		return 0, fmt.Sprintf("%q is neither a number nor a UUID", entry)
	}
	found := -1
	for i, u := range uuids {
		if len(u) >= len(entry) && strings.EqualFold(u[:len(entry)], entry) {
			if found >= 0 {
				return 0, fmt.Sprintf("%q fits more than one card", entry)
			}
			found = i
		}
	}
	if found < 0 {
		return 0, fmt.Sprintf("no card is called %q", entry)
	}
	return found, ""
}
