package cuda

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"pare/core/device/cuda/internal/cu"
)

// tried24 are ways that no plan takes, beside which the first of tiles24 is timed.
var tried24 = []tile24{
	{256, 208, 208, 48, 2, 16, 4, 0}, // all tiles alike
	{256, 208, 128, 48, 2, 16, 4, 1},
	{256, 208, 128, 48, 3, 16, 3, 0},
	{256, 208, 128, 16, 6, 16, 4, 0},
}

// all is all of a tile.
func (t tile24) all() string {
	return fmt.Sprintf("%v-few%d-y%dx%d-stages%d-fro%d", t, t.few, t.part, t.parts, t.stages, t.fro)
}

// trial24 is a 2:4 product of small whole numbers, which come out exactly.
type trial24 struct {
	p             cu.Product
	x, w, c, bias []int32
	alpha, beta   int32
}

func newTrial24(p cu.Product, alpha, beta int32) *trial24 {
	r := rand.New(rand.NewPCG(uint64(p.M), uint64(p.N+p.K)))
	noise := func(n int) []int32 {
		v := make([]int32, n)
		for i := range v {
			v[i] = r.Int32N(5) - 2
		}
		return v
	}
	t := &trial24{p: p, x: noise(p.M * p.K), w: noise(p.N * p.K), c: noise(p.M * p.N), bias: noise(p.N), alpha: alpha, beta: beta}
	for i := 0; i < len(t.w); i += 4 { // w lies [N][K] here
		a := r.IntN(4)
		b := (a + 1 + r.IntN(3)) % 4
		t.w[i+a], t.w[i+b] = 0, 0
	}
	return t
}

// want is y, rounded to bf16.
func (t *trial24) want() []byte {
	p := t.p
	var out []byte
	for i := range p.M {
		for j := range p.N {
			s := int32(0)
			for k, v := range t.x[i*p.K : (i+1)*p.K] {
				s += v * t.w[j*p.K+k]
			}
			s = t.alpha*s + t.beta*t.c[i*p.N+j]
			if p.Epilogue != cu.None {
				s += t.bias[j]
			}
			if p.Epilogue == cu.ReLUBias {
				s = max(s, 0)
			}
			out = binary.LittleEndian.AppendUint16(out, bf16Of(float32(s)))
		}
	}
	return out
}

// placed are rows of a matrix in bf16, ld values apart, behind each row 7 where there is room.
func placed(v []int32, width, ld int) []byte {
	var out []byte
	for i, x := range v {
		out = binary.LittleEndian.AppendUint16(out, bf16Of(float32(x)))
		if i%width == width-1 {
			for range ld - width {
				out = binary.LittleEndian.AppendUint16(out, bf16Of(7))
			}
		}
	}
	return out
}

// TestGPUOwn24: every tile gives the product of whole numbers exactly, for ragged sizes, both
// sides, all epilogues, onto itself and beside it, and nothing behind rows is written; twice
// the same bits of noise.
func TestGPUOwn24(t *testing.T) {
	d := openCard(t)
	dev := With(d, nil, BF16)
	o := dev.own()
	if o == nil {
		t.Skip("no Hopper card")
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	put := func(b []byte) cu.Ptr {
		at, err := d.Alloc(int64(len(b)))
		check(err)
		t.Cleanup(func() { check(d.Release(at)) })
		check(d.Upload(at, b))
		return at
	}
	for i, size := range [][3]int{{8, 16, 16}, {256, 256, 64}, {264, 208, 144}, {1000, 400, 528}, {520, 1040, 2064}} {
		for _, down := range []bool{false, true} {
			var want []byte // of all tiles
			for _, tile := range append(tiles24[:len(tiles24):len(tiles24)], tried24...) {
				p := cu.Product{M: size[0], N: size[1], K: size[2], A: cu.BF16, B: cu.BF16, D: cu.BF16, BiasType: cu.BF16, TransB: !down}
				p.Epilogue = []cu.Epilogue{cu.None, cu.Bias, cu.ReLUBias}[i%3]
				p.LDA, p.LDD = p.K+8*(i%2), p.N+8*(i%3)
				x := newTrial24(p, int32(1+i%2), int32(i%4))
				t.Run(fmt.Sprintf("%s/%v/%v/down=%t", tile.all(), size, p.Epilogue, down), func(t *testing.T) {
					q, packing, err := o.prepare(p, tile)
					check(err)
					w := x.w
					if down {
						w = make([]int32, len(x.w))
						for j := range w {
							w[j%p.K*p.N+j/p.K] = x.w[j]
						}
					}
					pack := put(make([]byte, packing.Bytes))
					check(o.Compress(q, put(placed(w, p.K, p.K)), pack, 0))
					px, pc, bias := put(placed(x.x, p.K, p.LDA)), put(placed(x.c, p.N, p.LDD)), cu.Ptr(0)
					if p.Epilogue != cu.None {
						bias = put(placed(x.bias, p.N, p.N))
					}
					if want == nil {
						want = x.want()
					}
					blank := placed(make([]int32, p.M*p.N), p.N, p.LDD)
					py := put(blank)
					got := make([]byte, len(blank))
					// As it is cut, with few rows alone, with one turn of many, with many alone; by all
					// multiprocessors and by one pair, tile after tile; from c to y and onto itself.
					q24 := q.(*product24)
					for n, whole := range []int32{q24.whole, 0, 1, q24.whole, 0, 1, int32((p.M + tile.rows - 1) / tile.rows)} {
						from := []cu.Ptr{pc, py}[n%2]
						if q24.whole = whole; from == py {
							check(d.Copy(py, pc, int64(len(blank))))
						} else {
							check(d.Upload(py, blank))
						}
						q24.grid = []int{cluster24, d.Info().SMs / cluster24 * cluster24}[n%2]
						check(o.RunSparse(q, px, pack, from, py, bias, float32(x.alpha), float32(x.beta)))
						check(d.Download(got, py))
						bad := 0
						for j := 0; j < len(got); j += 2 {
							row, col := j/2/p.LDD, j/2%p.LDD
							w := float32(7)
							if col < p.N {
								w = math.Float32frombits(uint32(binary.LittleEndian.Uint16(want[2*(row*p.N+col):])) << 16)
							}
							if g := math.Float32frombits(uint32(binary.LittleEndian.Uint16(got[j:])) << 16); g != w {
								if bad++; bad <= 3 {
									t.Errorf("%d times %d rows: row %d, output %d is %g, want %g", q24.whole, tile.rows, row, col, g, w)
								}
							}
						}
					}
				})
			}
		}
	}
	p := cu.Product{M: 1024, N: 1536, K: 2048, A: cu.BF16, B: cu.BF16, D: cu.BF16, TransB: true}
	q, packing, err := o.Prepare2of4(p)
	check(err)
	noise := func(n int) []byte { return bytes.Repeat(noiseOf(cu.BF16), n/len(noiseOf(cu.BF16))+1)[:n] }
	px, pack, py := put(noise(2*p.M*p.K)), put(make([]byte, packing.Bytes)), put(noise(2*p.M*p.N))
	check(o.Compress(q, put(noise(2*p.N*p.K)), pack, 0))
	var first []byte
	for range 3 {
		got := make([]byte, 2*p.M*p.N)
		check(o.RunSparse(q, px, pack, py, py, 0, 1, 0))
		check(d.Download(got, py))
		if first != nil && !bytes.Equal(got, first) {
			t.Error("twice the same product, other bits")
		}
		first = got
	}
}
