package cuda

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pare/core/device/cuda/internal/cu"
)

// TestAbsent: a card that is there and fails is not called missing.
func TestAbsent(t *testing.T) {
	answer := func(library string, code int) error {
		return fmt.Errorf("device cuda: %w", &cu.Error{Library: library, Op: "start the driver", Code: code})
	}
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"no libcuda":           {fmt.Errorf("%w: no libcuda.so.1", cu.ErrNoDriver), true},
		"the driver shows 0":   {fmt.Errorf("cuda: %w: the driver shows none", cu.ErrNoCard), true},
		"no device":            {answer("", cu.CodeNoDevice), true},
		"taken by another":     {answer("", cu.CodeUnavailable), false},
		"a driver too old":     {answer("", 35), false},
		"an error of memory":   {answer("", cu.CodeECC), false},
		"cublasLt is not here": {fmt.Errorf("H100: cublasLt: %w", cu.ErrNoLibrary), false},
		"cublasLt says 100":    {answer("cublasLt", cu.CodeNoDevice), false},
		"none":                 {nil, false},
	} {
		if got := Absent(c.err); got != c.want || errors.Is(c.err, cu.ErrNoCard) && !got {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestBusyIsSaid: of a card that is taken the error says that it is there, and where to look.
func TestBusyIsSaid(t *testing.T) {
	err := fmt.Errorf("device cuda: %w", cu.Fault("take the context of card H100", cu.CodeUnavailable))
	if !errors.Is(err, cu.ErrBusy) || errors.Is(err, cu.ErrNoCard) {
		t.Error("sorted wrongly")
	}
	if s := err.Error(); !strings.Contains(s, "CUDA_ERROR_DEVICE_UNAVAILABLE: the card is there: `nvidia-smi` shows who has it") {
		t.Error(s)
	}
}
