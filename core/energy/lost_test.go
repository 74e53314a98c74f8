package energy

import (
	"testing"
	"time"
)

// A machine so busy that the sampler itself is late: the source is not lost, nor are values
// impossible that nobody has read. Only one that takes hangAfter does not answer.
func TestLateSamplerIsNoLoss(t *testing.T) {
	f := newFake().add(pkg0)
	m := f.open(t)
	f.pass(m, time.Second, 10*time.Millisecond)
	f.advance(3 * time.Second)
	if l := m.Lost(); len(l) != 0 {
		t.Errorf("%+v", l)
	}
	f.advance(3 * time.Second)
	if l := m.Lost(); len(l) != 1 || l[0].Why != "does not answer" || l[0].For != 6*time.Second {
		t.Errorf("%+v", l)
	}
	f.sample(m)
	if l := m.Lost(); len(l) != 0 {
		t.Errorf("%+v", l)
	}
}
