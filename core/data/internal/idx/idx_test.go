package idx

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// file builds an idx file.
func file(kind byte, dims []uint32, data []byte) []byte {
	b := []byte{0, 0, kind, byte(len(dims))}
	for _, d := range dims {
		b = binary.BigEndian.AppendUint32(b, d)
	}
	return append(b, data...)
}

func zip(b []byte) []byte {
	var w bytes.Buffer
	z := gzip.NewWriter(&w)
	if _, err := z.Write(b); err != nil {
		panic(err)
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return w.Bytes()
}

// readAll reads every item, one at a time.
func readAll(b []byte) ([]byte, error) {
	r, err := New(bytes.NewReader(b), int64(len(b)), "f")
	if err != nil {
		return nil, err
	}
	var out []byte
	buf := make([]byte, r.Item())
	for range r.N() {
		if err := r.Next(buf); err != nil {
			return nil, err
		}
		out = append(out, buf...)
	}
	return out, r.Finish()
}

func TestRead(t *testing.T) {
	data := []byte("abcdefghijkl")
	plain := file(ubyte, []uint32{2, 3, 2}, data)
	for name, b := range map[string][]byte{"plain": plain, "gzip": zip(plain)} {
		got, err := readAll(b)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	// A lavish gzipped file is counted first, then read.
	big := make([]byte, 1<<20)
	big[77] = 1
	got, err := readAll(zip(file(ubyte, []uint32{1 << 10, 1 << 10}, big)))
	if err != nil || !bytes.Equal(got, big) {
		t.Errorf("lavish gzip: %d bytes, %v", len(got), err)
	}
}

func TestErrors(t *testing.T) {
	ok := file(ubyte, []uint32{2, 2}, []byte("abcd"))
	badSum := zip(ok)
	badSum[len(badSum)-6] ^= 1
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"empty", nil, "f: is empty"},
		{"three bytes", []byte{0, 0, 8}, "f: is cut short: fetch it again"},
		{"magic", []byte("\x89PNG1234"), "f: is not an idx file: it starts with bytes 89 50, not 00 00"},
		{"float", file(0x0d, []uint32{1}, make([]byte, 4)), "f: element type 0x0d (float32) is not read: write the data as unsigned bytes (0x08)"},
		{"odd type", file(0x42, []uint32{1}, make([]byte, 4)), "f: element type 0x42 (unknown) is not read: write the data as unsigned bytes (0x08)"},
		{"no axes", file(ubyte, nil, nil), "f: has 0 axes: 1 (labels), 3 (images) or 4 (images with channels) are read"},
		{"five axes", file(ubyte, []uint32{1, 1, 1, 1, 1}, []byte{1}), "f: has 5 axes: 1 (labels), 3 (images) or 4 (images with channels) are read"},
		{"cut axes", file(ubyte, []uint32{2, 2}, nil)[:9], "f: is cut short: fetch it again"},
		{"no items", file(ubyte, []uint32{0, 2}, nil), "f: holds no items"},
		{"empty items", file(ubyte, []uint32{5, 0, 2}, nil), "f: items of shape 5×0: one item has from 1 to 16777216 bytes"},
		{"huge axis", file(ubyte, []uint32{1 << 31}, nil), "f: axis 0 of its header has size 2147483648: the file is damaged"},
		{"huge item", file(ubyte, []uint32{1, 1 << 20, 1 << 20}, nil), "f: items of shape 1×1048576×1048576: one item has from 1 to 16777216 bytes"},
		{"huge product", file(ubyte, []uint32{1<<31 - 1, 1 << 23}, nil), "f: is cut short: its header (2147483647×8388608) promises 18014398501093376 bytes, 0 follow: fetch it again"},
		{"short", ok[:len(ok)-1], "f: is cut short: its header (2×2) promises 4 bytes, 3 follow: fetch it again"},
		{"long", append(ok[:len(ok):len(ok)], 1, 2), "f: has 2 bytes after the data its header (2×2) promises: fetch it again"},
		{"gzip short", zip(ok[:len(ok)-1]), "f: is cut short: it ends in item 2 of 2: fetch it again"},
		{"gzip long", zip(append(ok[:len(ok):len(ok)], 1)), "f: has bytes after the data its header (2×2) promises: fetch it again"},
		{"gzip lies", zip(file(ubyte, []uint32{1 << 20, 1 << 10}, []byte("abcd"))), "f: its header (1048576×1024) promises 1073741824 bytes, 4 follow: fetch it again"},
		{"gzip checksum", badSum, "f: is damaged (gzip: invalid checksum): fetch it again"},
		{"gzip cut", zip(ok)[:20], "f: is cut short: it ends in item 1 of 2: fetch it again"},
		{"gzip head", []byte{0x1f, 0x8b, 9, 9, 9, 9, 9, 9, 9, 9}, "f: is damaged (gzip: invalid header): fetch it again"},
	} {
		_, err := readAll(c.b)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s:\n got %v\nwant %s", c.name, err, c.want)
		}
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(filepath.Join(dir, "none")); !os.IsNotExist(err) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "is not a regular file") {
		t.Errorf("folder: %v", err)
	}
}

// FuzzRead looks for panics, and for more memory than the file accounts for.
func FuzzRead(f *testing.F) {
	ok := file(ubyte, []uint32{3, 2, 2}, []byte("abcdefghijkl"))
	f.Add(ok)
	f.Add(zip(ok))
	f.Add(ok[:7])
	f.Add(zip(file(ubyte, []uint32{1 << 30, 2, 2}, nil)))
	f.Fuzz(func(t *testing.T, b []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := New(bytes.NewReader(b), int64(len(b)), "f")
		runtime.ReadMemStats(&after)
		// Buffers and gzip's window are constant.
		if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20+8*uint64(len(b)) {
			t.Fatalf("%d bytes allocated for the header of %d bytes", used, len(b))
		}
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Fatalf("error of several lines: %q", err)
			}
			return
		}
		need := int64(r.N()) * int64(r.Item())
		buf := make([]byte, r.Item())
		for range r.N() {
			if err := r.Next(buf); err != nil {
				if need > lavish*int64(len(b)) {
					t.Fatalf("%d bytes promised by %d and not there: %v", need, len(b), err)
				}
				return
			}
		}
		_ = r.Finish() // any error, no panic
	})
}
