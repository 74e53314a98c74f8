//go:build !static && linux && (amd64 || arm64)

package nvml

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"
)

// stub is a libnvidia-ml with the header's own declarations, so that the C
// compiler checks our layout: a struct or an argument that is off gives other
// numbers.
const stub = `
#include <string.h>
typedef struct dev { int id; } *nvmlDevice_t;
typedef enum { NVML_SUCCESS = 0, NVML_UNSUP = 3, NVML_NOTFOUND = 6 } nvmlReturn_t;
typedef enum { T_DOUBLE, T_UINT, T_ULONG, T_ULL, T_SLL, T_INT, T_USHORT } nvmlValueType_t;
typedef union { double dVal; int siVal; unsigned int uiVal; unsigned long ulVal; unsigned long long ullVal; signed long long sllVal; unsigned short usVal; } nvmlValue_t;
typedef struct { unsigned int fieldId; unsigned int scopeId; long long timestamp; long long latencyUsec; nvmlValueType_t valueType; nvmlReturn_t nvmlReturn; nvmlValue_t value; } nvmlFieldValue_t;
static struct dev devs[3] = {{0}, {1}, {7}};
static int up;
nvmlReturn_t nvmlInit_v2(void) { up++; return 0; }
nvmlReturn_t nvmlShutdown(void) { up--; return 0; }
nvmlReturn_t nvmlSystemGetDriverVersion(char *b, unsigned int n) { strncpy(b, "580.159.04", n); return 0; }
nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *n) { *n = up == 1 ? 2 : 99; return 0; }
nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int i, nvmlDevice_t *d) { if (i > 1) return NVML_NOTFOUND; *d = &devs[i]; return 0; }
nvmlReturn_t nvmlDeviceGetHandleByUUID(const char *u, nvmlDevice_t *d) {
	if (!strcmp(u, "GPU-b")) { *d = &devs[1]; return 0; }
	if (!strcmp(u, "MIG-x")) { *d = &devs[2]; return 0; }
	return NVML_NOTFOUND;
}
nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t d, char *b, unsigned int n) { strncpy(b, d->id ? "NVIDIA B" : "NVIDIA H100 80GB HBM3", n); return 0; }
nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t d, char *b, unsigned int n) { strncpy(b, d->id ? "GPU-b" : "GPU-a", n); return 0; }
nvmlReturn_t nvmlDeviceGetTotalEnergyConsumption(nvmlDevice_t d, unsigned long long *e) { if (d->id) return NVML_UNSUP; *e = 0x123456789abcULL; return 0; }
nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t d, int n, nvmlFieldValue_t *v) {
	for (int i = 0; i < n; i++) {
		v[i].timestamp = 1; v[i].latencyUsec = 2; v[i].nvmlReturn = 0;
		switch (v[i].fieldId) {
		case 83: v[i].valueType = T_ULL; v[i].value.ullVal = 0x123456789abdULL; break;
		case 186: if (v[i].scopeId == 0 && d->id) { v[i].nvmlReturn = NVML_UNSUP; break; }
			v[i].valueType = T_UINT; v[i].value.ullVal = ~0ULL; v[i].value.uiVal = 71234 + v[i].scopeId; break;
		case 185: v[i].valueType = T_INT; v[i].value.siVal = -5; break;
		case 187: v[i].valueType = T_DOUBLE; v[i].value.dVal = 200000; break;
		case 188: v[i].valueType = T_ULONG; v[i].value.ulVal = 700000; break;
		case 189: v[i].valueType = T_USHORT; v[i].value.ullVal = ~0ULL; v[i].value.usVal = 65000; break;
		default: v[i].nvmlReturn = NVML_UNSUP;
		}
	}
	return 0;
}
typedef struct { unsigned long long timeStamp; nvmlValue_t sampleValue; } nvmlSample_t;
nvmlReturn_t nvmlDeviceGetSamples(nvmlDevice_t d, int type, unsigned long long last, nvmlValueType_t *k, unsigned int *n, nvmlSample_t *v) {
	unsigned int i = 0;
	if (d->id || type) return NVML_UNSUP;
	*k = T_UINT;
	for (unsigned long long t = 1000; t < 1005; t++) if (t > last && i < *n) { v[i].timeStamp = t; v[i].sampleValue.ullVal = ~0ULL; v[i].sampleValue.uiVal = 70000 + t; i++; }
	*n = i;
	return i ? 0 : NVML_NOTFOUND;
}
nvmlReturn_t nvmlDeviceGetArchitecture(nvmlDevice_t d, unsigned int *a) { *a = 9; return 0; }
nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t d, unsigned int *now, unsigned int *pending) { if (!d->id) return NVML_UNSUP; *now = 1; *pending = 0; return 0; }
nvmlReturn_t nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvmlDevice_t m, nvmlDevice_t *d) { if (m->id != 7) return 2; *d = &devs[1]; return 0; }
`

// build compiles C into a shared library, or skips where there is no compiler.
func build(t *testing.T, source string) string {
	t.Helper()
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler here to check the layout of structs with; their size has been tested above")
	}
	dir := t.TempDir()
	c, so := filepath.Join(dir, "nvml.c"), filepath.Join(dir, "libnvidia-ml.so.1")
	if err := os.WriteFile(c, []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(cc, "-shared", "-fPIC", "-o", so, c).CombinedOutput(); err != nil {
		t.Skipf("cc: %v: %s", err, out)
	}
	return so
}

func TestLayoutAgainstC(t *testing.T) {
	if s := unsafe.Sizeof(fieldValue{}); s != 40 {
		t.Fatalf("nvmlFieldValue_t has %d bytes here, 40 in the header", s)
	}
	l, err := Open(build(t, stub))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if v, err := l.Driver(); v != "580.159.04" || err != nil {
		t.Error(v, err)
	}
	if n, err := l.Count(); n != 2 || err != nil {
		t.Error(n, err)
	}
	if _, err := l.ByIndex(2); !errors.Is(err, NotFound) {
		t.Error(err)
	}
	d, err := l.ByIndex(0)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := d.Name(); s != "NVIDIA H100 80GB HBM3" || err != nil {
		t.Error(s, err)
	}
	if s, err := d.UUID(); s != "GPU-a" || err != nil {
		t.Error(s, err)
	}
	if v, err := d.Energy(); v != 0x123456789abc || err != nil {
		t.Error(v, err)
	}
	if _, err := d.Power(); !errors.Is(err, NoFunction) {
		t.Errorf("a function that the library lacks: %v", err)
	}
	if a, err := d.Architecture(); a != Hopper || err != nil {
		t.Error(a, err)
	}
	if m, err := d.MIG(); m || err != nil {
		t.Error(m, err)
	}
	if _, err := d.Parent(); !errors.Is(err, ErrNotSlice) {
		t.Error(err)
	}
	for f, want := range map[Field]int64{TotalEnergy: 0x123456789abd, PowerInstant: 71234, PowerAverage: -5, PowerMinLimit: 200000, PowerMaxLimit: 700000, PowerDefaultCap: 65000} {
		if v, err := d.Field(f, GPU); v != want || err != nil {
			t.Errorf("field %d: %d %v, want %d", f, v, err, want)
		}
	}
	if _, err := d.Field(999, GPU); !errors.Is(err, NotSupported) {
		t.Error(err)
	}
	if v, err := d.PowerSamples(1002); len(v) != 2 || v[0] != (PowerSample{1003, 71003}) || v[1] != (PowerSample{1004, 71004}) || err != nil {
		t.Error(v, err)
	}
	if v, err := d.PowerSamples(1004); len(v) != 0 || err != nil {
		t.Errorf("none since: %v %v", v, err)
	}
	b, err := l.ByUUID("GPU-b")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Field(PowerInstant, GPU); !errors.Is(err, NotSupported) {
		t.Errorf("GPU scope of a module: %v", err)
	}
	if v, err := b.Field(PowerInstant, Module); v != 71235 || err != nil {
		t.Error(v, err)
	}
	if _, err := b.Energy(); !errors.Is(err, NotSupported) {
		t.Error(err)
	}
	if _, err := b.PowerSamples(0); !errors.Is(err, NotSupported) {
		t.Error(err)
	}
	if m, err := b.MIG(); !m || err != nil {
		t.Error(m, err)
	}
	s, err := l.ByUUID("MIG-x")
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Parent()
	if err != nil {
		t.Fatal(err)
	}
	if u, _ := p.UUID(); u != "GPU-b" {
		t.Errorf("parent %q", u)
	}
	if _, err := l.ByUUID("GPU-none"); !errors.Is(err, NotFound) {
		t.Error(err)
	}
}

func TestOpenWhatIsNoNVML(t *testing.T) {
	if _, err := Open("/nowhere/libnvidia-ml.so.1"); err == nil || !strings.Contains(err.Error(), "no NVML library") {
		t.Error(err)
	}
	if _, err := Open(build(t, "int x(void) { return 1; }")); err == nil || !strings.Contains(err.Error(), "is no NVML") {
		t.Error(err)
	}
	noDriver := "int nvmlInit_v2(void) { return 9; } int nvmlDeviceGetCount_v2(void) { return 0; } int nvmlDeviceGetHandleByIndex_v2(void) { return 0; }"
	if _, err := Open(build(t, noDriver)); !errors.Is(err, NoDriver) {
		t.Error(err)
	}
}
