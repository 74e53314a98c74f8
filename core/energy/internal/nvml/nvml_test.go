package nvml

import (
	"encoding/binary"
	"math"
	"testing"
)

func TestNumberRefusesWhatIsNone(t *testing.T) {
	for kind, v := range map[uint32]uint64{0: math.Float64bits(math.NaN()), 3: math.MaxUint64, 7: 1} {
		f := fieldValue{id: 83, kind: kind}
		binary.NativeEndian.PutUint64(f.value[:], v)
		if n, err := f.number(); err == nil {
			t.Errorf("type %d: %d", kind, n)
		}
	}
}

func TestReturnsSayWhatToThink(t *testing.T) {
	for r := Return(-1); r < 30; r++ {
		if r.Error() == "" {
			t.Errorf("%d", r)
		}
	}
	if Success.err() != nil || GPULost.err() == nil {
		t.Error("success is no error, a lost card is one")
	}
}
