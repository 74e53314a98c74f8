package cuda

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unsafe"

	"pare/core/device/cuda/internal/cufake"
)

// TestConvEmulated runs the source of kernels/conv_mma.cu on the processor, by
// testdata/emulate.hh, with the launches that the device makes, and compares with loops in
// float64. It needs a C++ compiler of a system with 64 bits.
func TestConvEmulated(t *testing.T) {
	m := newEmulator(t)
	compare := func(t *testing.T, k *convCase, precision Precision) {
		card := cufake.New(1 << 26)
		card.OnLaunch = func(name string, grid, block [3]int, shared int, args []unsafe.Pointer) error {
			return m.run(card, name, grid, block, shared, args)
		}
		k.compare(t, With(card, nil, precision), 1)
		for _, name := range []string{"mma_conv", "mma_conv_dx", "mma_conv_dw"} {
			if card.Calls(name) != 1 {
				t.Errorf("%s ran %d times", name, card.Calls(name))
			}
		}
	}
	all := convTilings
	defer func() { convTilings = all }()
	for i, one := range all {
		convTilings = []convTiling{one}
		precision := []Precision{BF16, TF32}[i%2]
		k := &convCase{n: 3, c: 20, h: 7, w: 9, out: 70, win: even(3, 2, 1), bias: true, accum: true}
		t.Run(fmt.Sprintf("%v/%d×%d", precision, one.rows(), one.cols()), func(t *testing.T) { compare(t, k, precision) })
	}
	convTilings = all
	for _, precision := range []Precision{BF16, TF32} {
		for i, k := range convCases() {
			if precision == TF32 && !k.skew && i%6 != 1 { // it goes by bf16's ways but for the words
				continue
			}
			t.Run(fmt.Sprintf("%v/%v", precision, k), func(t *testing.T) { compare(t, k, precision) })
		}
	}
}

// TestConvInPieces: where the places of a batch are too many for the kernels to count, they
// run for some samples at a time, to the same outputs.
func TestConvInPieces(t *testing.T) {
	m := newEmulator(t)
	all := convPlaces
	defer func() { convPlaces = all }()
	for _, accum := range []bool{false, true} {
		k := &convCase{n: 5, c: 8, h: 12, w: 10, out: 16, win: even(3, 1, 1), bias: true, accum: accum}
		convPlaces = 2*16*12*10 + 1 // two samples of the output
		card := cufake.New(1 << 26)
		card.OnLaunch = func(name string, grid, block [3]int, shared int, args []unsafe.Pointer) error {
			return m.run(card, name, grid, block, shared, args)
		}
		k.compare(t, With(card, nil, BF16), 1)
		for _, name := range []string{"mma_conv", "mma_conv_dx", "mma_conv_dw"} {
			if card.Calls(name) != 3 {
				t.Errorf("%s ran %d times for 5 samples, 2 at a time", name, card.Calls(name))
			}
		}
	}
}

// emulator compiles kernels for the processor, each set of defines once.
type emulator struct {
	compiler, dir string
	built         map[string]string // by file and defines
}

// newEmulator skips the test where there is no compiler, and in the short form.
func newEmulator(t *testing.T) *emulator {
	t.Helper()
	if testing.Short() {
		t.Skip("compiles C++")
	}
	compiler, err := osexec.LookPath("g++")
	if err != nil {
		t.Skip("the kernels' source is run with g++, which is not here")
	}
	return &emulator{compiler: compiler, dir: t.TempDir(), built: map[string]string{}}
}

var params = regexp.MustCompile(`extern "C" __global__ void(?:\s+__launch_bounds__\([^)]*\))?\s+(\w+)\s*\(([^)]*)\)`)

// forProcessor is a program's source without the functions that have PTX, which
// emulate.hh has in their place.
func forProcessor(file string) string {
	var out, piece strings.Builder
	for line := range strings.Lines(source("common.cuh") + source(file)) {
		piece.WriteString(line)
		inside := line[0] == '\t' || line[0] == '\n' || line[0] == '#' || strings.HasSuffix(line, "{\n")
		if inside && piece.Len() > 1 && !(line[0] == '#' && piece.Len() == len(line)) {
			continue
		}
		switch text := piece.String(); {
		case strings.Contains(text, "struct Make<bf16>"):
			out.WriteString("template <> struct Make<bf16> {\n\tstatic bf16 of(float x) { return {bf16_bits(x)}; }\n};\n")
		case !strings.Contains(text, "asm"):
			out.WriteString(text)
		}
		piece.Reset()
	}
	s := regexp.MustCompile(`(?m)^\s*extern __shared__.*$`).ReplaceAllString(out.String()+piece.String(), "")
	return strings.ReplaceAll(s, "__shared__", "static")
}

// build compiles a program that runs any kernel that its file has with these defines, and
// returns where it is.
func (m *emulator) build(kernel string, defines []string) (string, error) {
	file := fileOf()[kernel]
	key := file + " " + strings.Join(defines, " ")
	if p := m.built[key]; p != "" {
		return p, nil
	}
	header, err := os.ReadFile("testdata/emulate.hh")
	if err != nil {
		return "", err
	}
	text := string(header) + params.ReplaceAllStringFunc(forProcessor(file), func(head string) string {
		k := params.FindStringSubmatch(head)
		var args []string
		for i, p := range strings.Split(k[2], ",") {
			p = strings.TrimSpace(p)
			args = append(args, fmt.Sprintf("*(%s *)slots[%d]", strings.TrimSpace(p[:strings.LastIndexAny(p, " *")+1]), i))
		}
		return fmt.Sprintf("extern \"C\" void %[1]s(%[2]s);\nstatic Listed listed_%[1]s(\"%[1]s\", [] { %[1]s(%[3]s); });\n%[4]s", k[1], k[2], strings.Join(args, ", "), head)
	})
	from, to := filepath.Join(m.dir, fmt.Sprint(len(m.built), ".cc")), filepath.Join(m.dir, fmt.Sprint(len(m.built)))
	if err := os.WriteFile(from, []byte(text), 0o600); err != nil {
		return "", err
	}
	options := []string{"-std=c++17", "-O1", "-w", "-U_FORTIFY_SOURCE", "-fno-strict-aliasing", "-ffp-contract=off", "-o", to, from}
	for _, d := range defines {
		options = append(options, "-D"+d)
	}
	if out, err := osexec.Command(m.compiler, options...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", key, err, out)
	}
	m.built[key] = to
	return to, nil
}

// run does a launch with the card's memory.
func (m *emulator) run(card *cufake.Card, name string, grid, block [3]int, shared int, args []unsafe.Pointer) error {
	program, err := m.build(name, card.Defines(name))
	if err != nil {
		return err
	}
	var b bytes.Buffer
	word := func(v uint64) { b.Write(binary.LittleEndian.AppendUint64(nil, v)) }
	n := 0
	for range card.Pieces() {
		n++
	}
	word(uint64(n))
	for at, data := range card.Pieces() {
		word(uint64(at))
		word(uint64(len(data)))
		b.Write(data)
	}
	for _, v := range append(append(grid[:], block[:]...), shared) {
		b.Write(binary.LittleEndian.AppendUint32(nil, uint32(v)))
	}
	slots := make([]byte, 32*128)
	var types []string
	for _, k := range params.FindAllStringSubmatch(source(fileOf()[name]), -1) {
		if k[1] == name {
			types = strings.Split(k[2], ",")
		}
	}
	if len(types) != len(args) {
		return fmt.Errorf("kernel %s takes %d arguments, not %d", name, len(types), len(args))
	}
	for i, a := range args {
		size := uintptr(4)
		switch t := types[i]; {
		case strings.Contains(t, "*"), strings.Contains(t, "i64"):
			size = 8
		case strings.Contains(t, "Shape"):
			size = unsafe.Sizeof(convShape{})
		case strings.Contains(t, "Window"):
			size = unsafe.Sizeof(window{})
		}
		copy(slots[i*128:], unsafe.Slice((*byte)(a), size))
	}
	b.Write(slots)
	at := filepath.Join(m.dir, "launch")
	if err := os.WriteFile(at, b.Bytes(), 0o600); err != nil {
		return err
	}
	if out, err := osexec.Command(program, at, name).CombinedOutput(); err != nil {
		return fmt.Errorf("kernel %s on %v blocks: %w: %s", name, grid, err, out)
	}
	after, err := os.ReadFile(at)
	if err != nil {
		return err
	}
	from := 8
	for _, data := range card.Pieces() {
		from += 16
		from += copy(data, after[from:from+len(data)])
	}
	return nil
}
