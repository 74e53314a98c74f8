package cu

import (
	"errors"
	"fmt"
)

// What errors of this package may be, for errors.Is.
var (
	ErrNoDriver = errors.New("no NVIDIA driver that CUDA can use")
	ErrNoCard   = errors.New("no such NVIDIA card")
	// ErrBusy says that a card is there and cannot be had now: another process has it for
	// itself, or its compute mode forbids every process.
	ErrBusy        = errors.New("the card is taken or closed to this process")
	ErrNoLibrary   = errors.New("library not found")
	ErrOutOfMemory = errors.New("the card's memory is full")
	// ErrLost says that nothing can be done with the card in this process any more:
	// it fell off the bus, had an uncorrectable error or a kernel of ours went astray.
	ErrLost = errors.New("the card is lost to this process")
	// ErrUnsupported says that a library has no algorithm for a product.
	ErrUnsupported = errors.New("the library has no algorithm for this")
	ErrClosed      = errors.New("the card is closed")
)

// Error is what a library answered.
type Error struct {
	Library string // "", of the driver; else "cublasLt", "cusparseLt", "nvrtc"
	Op      string // what was tried
	Code    int    // CUresult, cublasStatus_t, …
	Name    string // CUDA_ERROR_ILLEGAL_ADDRESS
	Text    string // "an illegal memory access was encountered"
}

func (e *Error) Error() string {
	s := "cuda: "
	if e.Library != "" {
		s += e.Library + ": "
	}
	s += e.Op + ": " + e.Name
	if e.Text != "" {
		s += " (" + e.Text + ")"
	}
	if e.Is(ErrBusy) {
		s += ": the card is there: `nvidia-smi` shows who has it, and in which compute mode it is"
	}
	return s
}

// Is sorts the codes under the sentinels above.
func (e *Error) Is(target error) bool {
	switch e.Library {
	case "":
		return target != nil && driverKinds[e.Code] == target
	case "cublasLt", "cusparseLt": // cusparseStatus_t 2 is CUSPARSE_STATUS_ALLOC_FAILED
		switch target {
		case ErrOutOfMemory:
			return e.Code == 3 && e.Library == "cublasLt" || e.Code == 2 && e.Library == "cusparseLt"
		case ErrUnsupported:
			return e.Code == 15 && e.Library == "cublasLt" || e.Code == 10 && e.Library == "cusparseLt"
		}
	}
	return false
}

// Codes of CUresult (cuda.h) that this package's callers tell apart.
const (
	CodeOutOfMemory    = 2
	CodeNotInitialized = 3
	CodeUnavailable    = 46
	CodeNoDevice       = 100
	CodeInvalidDevice  = 101
	CodeECC            = 214
	CodeIllegalAddress = 700
	CodeLaunchFailed   = 719
	CodeUnknown        = 999
)

var driverKinds = map[int]error{
	CodeOutOfMemory:    ErrOutOfMemory,
	CodeNotInitialized: ErrNoDriver, 34: ErrNoDriver, 35: ErrNoDriver, 36: ErrNoDriver, 802: ErrNoDriver, 803: ErrNoDriver, 804: ErrNoDriver,
	CodeNoDevice: ErrNoCard, CodeInvalidDevice: ErrNoCard, CodeUnavailable: ErrBusy,
	4: ErrLost, CodeECC: ErrLost, 220: ErrLost, 226: ErrLost, CodeIllegalAddress: ErrLost, 702: ErrLost, 709: ErrLost, 710: ErrLost,
	714: ErrLost, 715: ErrLost, 716: ErrLost, 717: ErrLost, 718: ErrLost, CodeLaunchFailed: ErrLost, 721: ErrLost, 810: ErrLost, CodeUnknown: ErrLost,
}

var driverNames = map[int]string{
	CodeOutOfMemory: "CUDA_ERROR_OUT_OF_MEMORY", CodeNotInitialized: "CUDA_ERROR_NOT_INITIALIZED", CodeUnavailable: "CUDA_ERROR_DEVICE_UNAVAILABLE",
	CodeNoDevice: "CUDA_ERROR_NO_DEVICE", CodeInvalidDevice: "CUDA_ERROR_INVALID_DEVICE", CodeECC: "CUDA_ERROR_ECC_UNCORRECTABLE",
	CodeIllegalAddress: "CUDA_ERROR_ILLEGAL_ADDRESS", CodeLaunchFailed: "CUDA_ERROR_LAUNCH_FAILED", CodeUnknown: "CUDA_ERROR_UNKNOWN",
}

// Fault is the driver's error of a code, for where no driver is there to name it.
func Fault(op string, code int) *Error {
	name, ok := driverNames[code]
	if !ok {
		name = fmt.Sprintf("CUresult %d", code)
	}
	return &Error{Op: op, Code: code, Name: name}
}

// blasNames are those of cublasStatus_t (cublas_api.h).
var blasNames = map[int]string{
	1: "CUBLAS_STATUS_NOT_INITIALIZED", 3: "CUBLAS_STATUS_ALLOC_FAILED", 7: "CUBLAS_STATUS_INVALID_VALUE", 8: "CUBLAS_STATUS_ARCH_MISMATCH",
	11: "CUBLAS_STATUS_MAPPING_ERROR", 13: "CUBLAS_STATUS_EXECUTION_FAILED", 14: "CUBLAS_STATUS_INTERNAL_ERROR", 15: "CUBLAS_STATUS_NOT_SUPPORTED",
	16: "CUBLAS_STATUS_LICENSE_ERROR",
}

// sparseNames are those of cusparseStatus_t (cusparse.h).
var sparseNames = map[int]string{
	1: "CUSPARSE_STATUS_NOT_INITIALIZED", 2: "CUSPARSE_STATUS_ALLOC_FAILED", 3: "CUSPARSE_STATUS_INVALID_VALUE", 4: "CUSPARSE_STATUS_ARCH_MISMATCH",
	5: "CUSPARSE_STATUS_MAPPING_ERROR", 6: "CUSPARSE_STATUS_EXECUTION_FAILED", 7: "CUSPARSE_STATUS_INTERNAL_ERROR",
	8: "CUSPARSE_STATUS_MATRIX_TYPE_NOT_SUPPORTED", 9: "CUSPARSE_STATUS_ZERO_PIVOT", 10: "CUSPARSE_STATUS_NOT_SUPPORTED",
	11: "CUSPARSE_STATUS_INSUFFICIENT_RESOURCES",
}

// status is the error of a library's code, nil for 0.
func status(library, op string, code int, names map[int]string) error {
	if code == 0 {
		return nil
	}
	name, ok := names[code]
	if !ok {
		name = fmt.Sprintf("status %d", code)
	}
	return &Error{Library: library, Op: op, Code: code, Name: name}
}
