package cu

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unsafe"
)

const (
	rtcVersion = iota
	rtcCreate
	rtcCompile
	rtcDestroy
	rtcCubinSize
	rtcCubin
	rtcPTXSize
	rtcPTX
	rtcLogSize
	rtcLog
	rtcErrorText
	rtcArchCount
	rtcArchs
)

var rtcLibrary = &description{
	name:    "nvrtc",
	linux:   []string{"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2"},
	windows: []string{"nvrtc64_130_0.dll", "nvrtc64_120_0.dll", "nvrtc64_112_0.dll"},
	majors:  []int{13, 12, 11},
	places:  places,
	beside:  "libnvrtc-builtins.so*",
	costs:   "no GPU: kernels are compiled with it",
	funcs: []string{
		rtcVersion: "nvrtcVersion", rtcCreate: "nvrtcCreateProgram", rtcCompile: "nvrtcCompileProgram", rtcDestroy: "nvrtcDestroyProgram",
		rtcCubinSize: "nvrtcGetCUBINSize", rtcCubin: "nvrtcGetCUBIN", rtcPTXSize: "nvrtcGetPTXSize", rtcPTX: "nvrtcGetPTX",
		rtcLogSize: "nvrtcGetProgramLogSize", rtcLog: "nvrtcGetProgramLog", rtcErrorText: "nvrtcGetErrorString",
		rtcArchCount: "nvrtcGetNumSupportedArchs", rtcArchs: "nvrtcGetSupportedArchs",
	},
}

// rtcBadOption is NVRTC_ERROR_INVALID_OPTION.
const rtcBadOption = 5

// compiler keeps NVRTC to one goroutine at a time, which versions before 12 need.
var compiler sync.Mutex

// Compile makes machine code for the card that info describes: source is CUDA C++ and
// name its file's, for messages; each of defines is a macro, "N" or "N=4". What was
// compiled before comes from a cache on disk. An NVRTC that does not know the card
// makes PTX of its newest architecture below, which the driver translates.
func Compile(info Info, name, source string, defines []string) ([]byte, error) {
	lib, err := rtcLibrary.open(driverVersion() / 1000)
	if err != nil {
		return nil, fmt.Errorf("cuda: compile %s: %w", name, err)
	}
	archs, err := architectures(lib, info)
	if err != nil {
		return nil, fmt.Errorf("cuda: compile %s: %w", name, err)
	}
	options := []string{"--std=c++17", "-default-device"}
	for _, d := range defines {
		options = append(options, "-D"+d)
	}
	key := cacheKey(rtcText(lib), archs, options, name, source)
	if image := cached(key); image != nil {
		return image, nil
	}
	var all error
	for _, arch := range archs {
		image, err := compile(lib, name, source, append([]string{"--gpu-architecture=" + arch}, options...), strings.HasPrefix(arch, "sm_"))
		if err == nil {
			keep(key, image)
			return image, nil
		}
		all = errors.Join(all, fmt.Errorf("cuda: compile %s for %s: %w", name, arch, err))
		var e *Error
		if !errors.As(err, &e) || e.Code != rtcBadOption {
			break // the source is at fault, not the choice of architecture
		}
	}
	return nil, all
}

// CompileFor is Compile for a Driver's card.
func CompileFor(d Driver, name, source string, defines []string) ([]byte, error) {
	if c, ok := d.(Compiler); ok {
		return c.Compile(name, source, defines)
	}
	return Compile(d.Info(), name, source, defines)
}

// architectures are those to try for a card, the best first: its own with all that is
// particular to it (sm_90a), its own, or PTX of the newest one that is older.
func architectures(lib *library, info Info) ([]string, error) {
	var n int32
	if err := rtcFail(lib, "count the architectures", lib.call(rtcArchCount, uintptr(unsafe.Pointer(&n)))); err != nil {
		return nil, err
	}
	known := make([]int32, max(n, 1))
	if err := rtcFail(lib, "list the architectures", lib.call(rtcArchs, uintptr(unsafe.Pointer(&known[0])))); err != nil {
		return nil, err
	}
	own := int32(10*info.Major + info.Minor)
	if slices.Contains(known, own) {
		if info.Major >= 9 {
			return []string{fmt.Sprintf("sm_%da", own), fmt.Sprintf("sm_%d", own)}, nil
		}
		return []string{fmt.Sprintf("sm_%d", own)}, nil
	}
	slices.Sort(known)
	for _, k := range slices.Backward(known) {
		if k < own && k > 0 {
			return []string{fmt.Sprintf("compute_%d", k)}, nil
		}
	}
	return nil, fmt.Errorf("%s knows no architecture for compute capability %d.%d: it begins at %d.%d", lib.file, info.Major, info.Minor, known[0]/10, known[0]%10)
}

// compile runs NVRTC once.
func compile(lib *library, name, source string, options []string, cubin bool) ([]byte, error) {
	compiler.Lock()
	defer compiler.Unlock()
	src, file := append([]byte(source), 0), append([]byte(name), 0)
	var prog uintptr
	if err := rtcFail(lib, "take the source", lib.call(rtcCreate, uintptr(unsafe.Pointer(&prog)), uintptr(unsafe.Pointer(&src[0])), uintptr(unsafe.Pointer(&file[0])), 0, 0, 0)); err != nil {
		return nil, err
	}
	defer func() { lib.call(rtcDestroy, uintptr(unsafe.Pointer(&prog))) }()
	argv := make([]*byte, len(options))
	for i, o := range options {
		argv[i] = &append([]byte(o), 0)[0]
	}
	if r := lib.call(rtcCompile, prog, uintptr(len(argv)), uintptr(unsafe.Pointer(&argv[0]))); r != 0 {
		log, err := fetch(lib, rtcLogSize, rtcLog, prog)
		return nil, errors.Join(rtcFail(lib, "compile", r), logLines(text(log)), err)
	}
	if cubin {
		return fetch(lib, rtcCubinSize, rtcCubin, prog)
	}
	return fetch(lib, rtcPTXSize, rtcPTX, prog)
}

// fetch reads what a program holds: its size by one function, its bytes by another.
func fetch(lib *library, size, get int, prog uintptr) ([]byte, error) {
	var n uintptr
	if err := rtcFail(lib, "ask for the size", lib.call(size, prog, uintptr(unsafe.Pointer(&n)))); err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, errors.New("nvrtc: it left nothing")
	}
	b := make([]byte, n)
	if err := rtcFail(lib, "fetch the result", lib.call(get, prog, uintptr(unsafe.Pointer(&b[0])))); err != nil {
		return nil, err
	}
	return b, nil
}

// logLines keeps what of a compiler's log says something, a line each: file(line): what.
func logLines(log string) error {
	var out []string
	for line := range strings.Lines(log) {
		line = strings.TrimRight(line, " \r\n")
		if t := strings.TrimSpace(line); t == "" || strings.Trim(t, "^~") == "" {
			continue
		}
		out = append(out, line)
	}
	if out == nil {
		return nil
	}
	return errors.New(strings.Join(out, "\n"))
}

func rtcFail(lib *library, op string, code int) error {
	if code == 0 {
		return nil
	}
	e := &Error{Library: "nvrtc", Op: op, Code: code, Name: fmt.Sprintf("nvrtcResult %d", code)}
	if at := invoke(lib.fn[rtcErrorText], uintptr(code)); at != 0 {
		e.Name = cText(*(**byte)(unsafe.Pointer(&at)))
	}
	return e
}

// rtcText is the version of NVRTC.
func rtcText(lib *library) string {
	var major, minor int32
	if lib.call(rtcVersion, uintptr(unsafe.Pointer(&major)), uintptr(unsafe.Pointer(&minor))) != 0 {
		return ""
	}
	return fmt.Sprintf("%d.%d", major, minor)
}
