package cuda

import (
	"testing"

	"pare/core/device/cuda/internal/cu"
	"pare/core/device/cuda/internal/cufake"
)

// ofAge is a card of another architecture, whose driver knows of copy engines.
type ofAge struct {
	*cufake.Card
	major, minor int
}

func (c ofAge) Info() cu.Info {
	i := c.Card.Info()
	i.Major, i.Minor = c.major, c.minor
	return i
}

// TestOwn24IsHopper: no other card is handed a kernel for sm_90a, not even a later one.
func TestOwn24IsHopper(t *testing.T) {
	for _, c := range []struct {
		major, minor int
		maps, want   bool
	}{{9, 0, true, true}, {9, 0, false, false}, {8, 0, true, false}, {8, 9, true, false}, {10, 0, true, false}, {12, 0, true, false}} {
		card := cufake.New(1 << 20)
		card.Hopper = c.maps
		if got := With(ofAge{card, c.major, c.minor}, nil, BF16).own() != nil; got != c.want {
			t.Errorf("%d.%d, a driver that maps %t: a kernel of ours %t", c.major, c.minor, c.maps, got)
		}
	}
}
