// Command gen prints the assembly of package cpu, its Go declarations and the
// functions that choose between assembly and plain Go. It imports nothing but
// the standard library and is run by go generate in core/device/cpu:
//
//	kernels_avx2_amd64.s    the assembly for AVX2 and FMA: every kernel
//	kernels_avx512_amd64.s  for AVX-512: those that gain by it
//	kernels_amd64.go        their declarations, and the choice at run time
//	kernels_neon_arm64.s    for arm64: products, dense and in blocks
//	kernels_arm64.go        likewise
//	kernels_other.go        the same functions on other architectures: plain Go
//
// To add a kernel: write a function that emits it (mul.go, block.go, rows.go,
// optim.go show how), add a row to the table below, write its twin in
// ../../twin*.go, and a test against float64.
package main

import (
	"bytes"
	"fmt"
	"go/format"
	"log"
	"os"
	"slices"
	"strings"
)

// kernel is one row of the table: everything the outputs need to know.
type kernel struct {
	name   string // of the function callers use; assembly adds AVX2, the twin Go
	args   string // type of the struct its one argument points to
	doc    string // comment of the function callers use, without the name
	mr     int    // > 0: one of a family name1, name2, ..., chosen by it
	family string // what the family's number is called
	frame  int    // bytes of locals
	twin   string // call of the twin, if it is not name + Go
	avx2   func(a *asm)
	avx512 func(a *asm) // nil: AVX2 serves there too
	neon   func(a *asm) // nil: plain Go on arm64; neon.go and neonblock.go
}

// isas are the instruction sets, the better one first.
var isas = []struct {
	name, flag, arch string
	emit             func(k kernel) func(a *asm)
	text             func(a *asm, symbol string, frame int)
}{
	{"AVX512", "useAVX512", "amd64", func(k kernel) func(a *asm) { return k.avx512 }, (*asm).text},
	{"AVX2", "useAVX2", "amd64", func(k kernel) func(a *asm) { return k.avx2 }, (*asm).text},
	{"NEON", "useNEON", "arm64", func(k kernel) func(a *asm) { return k.neon }, (*asm).textNEON},
}

// kernels in the order they are printed.
func kernels() []kernel {
	var ks []kernel
	// Products whose C is packed come with any number of rows; those that write
	// into a matrix with whole panels of 16 rows, in as few kernels as can be.
	add := func(name, doc string, q product, avx512, avx2, neon []int) {
		for mr := 1; mr <= mostRows(vector512); mr++ {
			k := kernel{name: name, args: q.args(), doc: doc, mr: mr, family: "mr"}
			emit := func(v vector) func(a *asm) {
				q := q
				q.v, q.mr = v, mr
				return q.emit
			}
			if slices.Contains(avx512, mr) {
				k.avx512 = emit(vector512)
			}
			if slices.Contains(avx2, mr) {
				k.avx2 = emit(vector256)
			}
			if slices.Contains(neon, mr) {
				q := q
				q.mr = mr
				k.neon = q.emitNEON
			}
			if mr == 1 || k.avx512 != nil || k.avx2 != nil {
				ks = append(ks, k)
			}
		}
	}
	upTo := func(n int) (l []int) {
		for i := range n {
			l = append(l, i+1)
		}
		return l
	}
	some, few := upTo(mostRows(vector512)), upTo(mostRows(vector256))
	add("mulF", "computes C[m][16] (+)= Σ A[m,k]·B[k][16] for mr ≤ maxMR rows\n// of C, with A[m,k] at a + 4m + 64k: a weight panel [K][P], m over its outputs.\n// One call should stay below maxSteps inner·outer steps.", product{am: 4, ak: 64, cStride: 64}, some, few, few)
	add("mulX", "is mulF with A[m,k] at a + 64m + 4k: rows of a tile\n// [feature][T] or of a panel [K][P], m over these rows.\n// One call should stay below maxSteps inner·outer steps.", product{am: 64, ak: 4, cStride: 64}, some, few, few)
	add("mulC", "is mulF for rows of C cStride bytes apart. mr is one of panelCuts.", product{am: 4, ak: 64}, []int{16}, []int{5, 6}, []int{5, 6})
	add("mulD", "is mulC in float64: C[m][8] (+)= Σ A[m,k]·B[k][8], A[m,k] at a + 8m + 128k.", product{am: 8, ak: 128, double: true}, []int{16}, []int{5, 6}, nil)
	add("mulP", "is mulF for pixels: A[m,k] at a + m·aStride + 4k, rows of C cStride bytes\n// apart, and with a scale C = f(C·scale + shift) at the end; see pixelArgs.\n// One call should stay below pixelSteps inner·outer steps.", product{ak: 4, pixels: true}, some, few, nil)
	ks = append(ks, blockKernels()...)
	ks = append(ks, tokenKernels()...)
	ks = append(ks, kernel{
		name: "pairOne", args: "pairArgs",
		doc:  "multiplies 16 outputs of a 2:4 weight with one sample:\n// y[16] (+)= Σ_g Σ_i val[g][i][16]·x[4g + place], where the place is two bits of\n// ctl[g][i] for each output, the lowest first.\n// One call should stay below maxSteps groups.",
		avx2: func(a *asm) { pairOne(a, vector256) }, avx512: func(a *asm) { pairOne(a, vector512) },
	})
	ks = append(ks, normKernels()...)
	ks = append(ks, depthKernels()...)
	return append(ks,
		kernel{name: "biasAdd", args: "rowArgs", doc: "adds a bias to rows: dst[i][16] = a[i][16] + b[i]; dst may be a.\n// One call should stay below maxRows rows.", avx2: biasAdd},
		kernel{name: "biasReLU", args: "rowArgs", doc: "is biasAdd, then max(·, 0); NaN stays NaN.\n// One call should stay below maxRows rows.", avx2: biasReLU},
		kernel{name: "reluRows", args: "rowArgs", doc: "computes dst = max(a, 0) over n rows; NaN stays NaN. dst may be a.\n// One call should stay below maxRows rows.", avx2: reluRows},
		kernel{name: "reluGrad", args: "rowArgs", doc: "computes dst = a where b > 0, else 0, over n rows: dx from dy and y.\n// dst may be a or b. One call should stay below maxRows rows.", avx2: reluGrad},
		kernel{name: "expRows", args: "rowArgs", doc: "computes dst = e^(a − b) over n rows, b being one row for all of them.\n// dst may be a. One call should stay below maxActRows rows.", avx2: expRows},
		kernel{name: "scaleRows", args: "rowArgs", doc: "computes dst = a·b over n rows, b being one row for all of them.\n// dst may be a. One call should stay below maxRows rows.", avx2: scaleRows},
		kernel{name: "geluRows", args: "rowArgs", doc: "computes dst = x·Φ(x) of a over n rows. dst may be a.\n// One call should stay below maxActRows rows.", avx2: geluRows},
		kernel{name: "geluGrad", args: "rowArgs", doc: "computes dst = a·gelu′(b) over n rows: dx from dy and x. dst may be a or b.\n// One call should stay below maxActRows rows.", avx2: geluGrad},
		kernel{name: "geluTanhRows", args: "rowArgs", doc: "computes dst = x/2·(1+tanh(√(2/π)·(x+0.044715·x³))) of a over n rows. dst may be a.\n// One call should stay below maxActRows rows.", avx2: geluTanhRows},
		kernel{name: "geluTanhGrad", args: "rowArgs", doc: "computes dst = a·f′(b) over n rows, f being geluTanhRows: dx from dy and x.\n// dst may be a or b. One call should stay below maxActRows rows.", avx2: geluTanhGrad},
		kernel{name: "siluRows", args: "rowArgs", doc: "computes dst = x/(1+e^−x) of a over n rows. dst may be a.\n// One call should stay below maxActRows rows.", avx2: siluRows},
		kernel{name: "siluGrad", args: "rowArgs", doc: "computes dst = a·silu′(b) over n rows: dx from dy and x. dst may be a or b.\n// One call should stay below maxActRows rows.", avx2: siluGrad},
		kernel{name: "hardSwishRows", args: "rowArgs", doc: "computes dst = x·min(max(x+3, 0), 6)/6 of a over n rows. dst may be a.\n// One call should stay below maxActRows rows.", avx2: hardSwishRows},
		kernel{name: "hardSwishGrad", args: "rowArgs", doc: "computes dst = a·hardswish′(b) over n rows: dx from dy and x. dst may be a or b.\n// One call should stay below maxActRows rows.", avx2: hardSwishGrad},
		kernel{name: "tanhRows", args: "rowArgs", doc: "computes dst = tanh of a over n rows. dst may be a.\n// One call should stay below maxActRows rows.", avx2: tanhRows},
		kernel{name: "tanhGrad", args: "rowArgs", doc: "computes dst = a·(1−b²) over n rows: dx from dy and y. dst may be a or b.\n// One call should stay below maxActRows rows.", avx2: tanhGrad},
		kernel{name: "addRows", args: "rowArgs", doc: "computes dst = a + b over n rows. dst may be a or b.\n// One call should stay below maxRows rows.", avx2: addRows},
		kernel{name: "addReLU", args: "rowArgs", doc: "computes dst = max(a + b, 0) over n rows; NaN stays NaN. dst may be a or b.\n// One call should stay below maxRows rows.", avx2: addReLU},
		kernel{name: "andRows", args: "rowArgs", doc: "keeps the bits of a that are set in b, over n rows: a mask\n// of all-ones and all-zero words. dst may be a or b.\n// One call should stay below maxRows rows.", avx2: andRows},
		kernel{name: "maskBits", args: "rowArgs", doc: "computes dst = a where the bit of b is set, else 0, over n rows; b has 16 bits\n// a row. dst may be a. One call should stay below maxRows rows.", avx2: maskBits, avx512: maskBits512},
		kernel{name: "largerRows", args: "rowArgs", doc: "computes dst = max(a, b) over n rows; a NaN in either wins. dst may be a\n// or b. One call should stay below maxRows rows.", avx2: largerRows},
		kernel{name: "maxGrad", args: "maxArgs", doc: "takes the share of one place in the gradient of a maximum: where x = top, or\n// one of them is NaN, rest moves to dx and is zero from then on.\n// One call should stay below maxRows rows.", avx2: maxGrad},
		kernel{name: "affineRows", args: "affineArgs", doc: "computes dst[i][16] = a[i][16]·scale[i] + shift[i] over n rows.\n// dst may be a. One call should stay below maxRows rows.", avx2: affineRows},
		kernel{name: "rowSums", args: "sumArgs", doc: "computes dst[i] (+)= Σ_t Σ_b a[i][b], where t < tiles moves a by\n// its stride: a bias's gradient. One call should stay below maxRows n·tiles.", avx2: rowSums},
		kernel{name: "rowDots", args: "sumArgs", doc: "computes dst[i] (+)= Σ_t Σ_b a[i][b]·b[i][b], where t < tiles moves\n// a and b by their strides. One call should stay below maxRows n·tiles.", avx2: rowDots},
		kernel{name: "transposeBlocks", args: "rowArgs", doc: "transposes n blocks of 16×16 floats, 1 KiB each: dst[i][c][r] = a[i][r][c].\n// dst must not overlap a. One call should stay below maxRows/16 blocks.", avx2: transposeBlocks},
		kernel{name: "gatherRows", args: "gatherArgs", doc: "makes a tile from 16 samples: the 16 floats at dst + i·stride become\n// rows[0][i], ..., rows[15][i] for i < n. n must be a multiple of 4.\n// One call should stay below maxRows/4 features.", avx2: gatherRows},
		kernel{name: "packRows", args: "packArgs", doc: "copies n rows of lines·64 bytes, line l of row i to dst + i·dstStride + l·lineStride.\n// One call should stay below maxRows n·lines.", avx2: packRows},
		kernel{name: "sgdPlain", args: "sgdArgs", doc: "updates n weights: w −= lr·(g + wd·w).\n// One call should stay below maxFloats weights.", avx2: sgd("sgdPlain")},
		kernel{name: "sgdMomentum", args: "sgdArgs", doc: "updates n weights: v = mom·v + g + wd·w; w −= lr·v.\n// One call should stay below maxFloats weights.", avx2: sgd("sgdMomentum")},
		kernel{name: "sgdNesterov", args: "sgdArgs", doc: "updates n weights: g += wd·w; v = mom·v + g; w −= lr·(g + mom·v).\n// One call should stay below maxFloats weights.", avx2: sgd("sgdNesterov")},
		kernel{name: "adamStep", args: "adamArgs", doc: "updates n weights by Adam's or AdamW's rule; see adamArgs.\n// One call should stay below maxFloats weights.", avx2: adam},
		kernel{name: "fmaPeak", args: "peakArgs", doc: "runs n·96 fused multiply-adds of a full register without touching\n// memory: the yardstick beside which kernels are measured.", avx2: fmaPeak},
	)
}

// blockKernels are those of each height of blocks.
func blockKernels() []kernel {
	var ks []kernel
	for t := 1; t <= singleTiles; t++ {
		ks = append(ks, kernel{
			name: "singleDW", args: "singleDWArgs", mr: t, family: "tiles",
			doc:    "computes the gradient of rows of single weights:\n// dw[j] (+)= Σ_t Σ_b x[off[j]][b]·dy[i][b] over the weights j of row i, where x\n// and dy move by their strides for each t < tiles ≤ singleTiles. It reads\n// spareOffs off behind the last. One call should stay below maxSteps weights.",
			avx2:   func(a *asm) { singleDW(a, vector256, t) },
			avx512: func(a *asm) { singleDW(a, vector512, t) },
			neon:   func(a *asm) { singleDWNEON(a, t) },
		})
	}
	for _, r := range blockHeights {
		for t := 1; t <= blockTiles(vector512, r); t++ {
			add := func(name, doc string, emit func(a *asm, v vector, r, t int), backward bool) {
				k := kernel{name: fmt.Sprint(name, r), args: "blockArgs", doc: doc, mr: t, family: "tiles", twin: fmt.Sprintf("%sGo(%d, tiles, p)", name, r)}
				k.avx512 = func(a *asm) { emit(a, vector512, r, t) }
				if t <= blockTiles(vector256, r) {
					k.avx2 = func(a *asm) { emit(a, vector256, r, t) }
					k.neon = func(a *asm) { blockNEON(a, r, t, backward) }
				}
				ks = append(ks, k)
			}
			add("blockFwd", fmt.Sprintf("multiplies rows of %d×1 blocks with tiles ≤ mostTiles(%d) tiles:\n// y[%di+r][16] (+)= Σ_j val[j][r]·x[off[j]][16] over the blocks j of block row i.\n// One call should stay below maxSteps blocks.", r, r, r), blockFwd, false)
			add("blockDX", fmt.Sprintf("scatters the gradient of some tiles through %d×1 blocks:\n// x[off[j]][16] += Σ_r val[j][r]·y[%di+r][16], y being dy and x being dx.\n// One call should stay below maxSteps blocks.", r, r), blockDX, true)
		}
		ks = append(ks, kernel{
			name: fmt.Sprint("blockOne", r), args: "blockArgs", twin: fmt.Sprintf("blockOneGo(%d, p)", r),
			doc:    fmt.Sprintf("multiplies rows of %d×1 blocks with one sample: x is [·], y [%d·rows].\n// One call should stay below maxSteps blocks.", r, r),
			avx2:   func(a *asm) { blockOne(a, vector256, r) },
			avx512: func(a *asm) { blockOne(a, vector512, r) },
			neon:   func(a *asm) { blockOneNEON(a, r) },
		})
		for n := 1; n <= mostPixels(vector512, r); n++ {
			k := kernel{
				name: fmt.Sprint("blockPixels", r), args: "blockPixelArgs", mr: n, family: "pixels", twin: fmt.Sprintf("blockPixelsGo(%d, pixels, p)", r),
				doc:    fmt.Sprintf("is blockOne%d for pixels ≤ mostPixels(%d) pixels of one sample; see\n// blockPixelArgs. One call should stay below pixelSteps blocks.", r, r),
				avx512: func(a *asm) { blockPixels(a, vector512, r, n) },
			}
			if n <= mostPixels(vector256, r) {
				k.avx2 = func(a *asm) { blockPixels(a, vector256, r, n) }
			}
			ks = append(ks, k)
		}
		ks = append(ks, kernel{
			name: fmt.Sprint("blockDW", r), args: "blockDWArgs", frame: 24, twin: fmt.Sprintf("blockDWGo(%d, p)", r),
			doc:    fmt.Sprintf("computes the gradient of the %d×1 blocks of one block row:\n// dw[j][r] (+)= Σ_u Σ_t Σ_b x[off[j]][b]·dy[r][b], where x and dy move by their\n// strides for each t < tiles and by their skips for each u < tiles2. One call should stay below maxSteps n·tiles·tiles2.", r),
			avx2:   func(a *asm) { blockDW(a, vector256, r) },
			avx512: func(a *asm) { blockDW(a, vector512, r) },
			neon:   func(a *asm) { blockDWNEON(a, r) },
		})
	}
	return ks
}

const header = "// Code generated by core/device/cpu/internal/gen. DO NOT EDIT.\n\n"

// outputs returns the generated files by name.
func outputs() (map[string][]byte, error) {
	ks, out := kernels(), map[string][]byte{}
	for _, isa := range isas {
		var s asm
		s.WriteString(header + "//go:build " + isa.arch + "\n\n#include \"textflag.h\"\n#include \"go_asm.h\"\n")
		for _, k := range ks {
			if emit := isa.emit(k); emit != nil {
				isa.text(&s, k.symbol(isa.name), k.frame)
				emit(&s)
			}
		}
		out["kernels_"+strings.ToLower(isa.name)+"_"+isa.arch+".s"] = s.Bytes()
	}
	for name, src := range map[string]string{
		"kernels_amd64.go": header + "package cpu\n" + declarations(ks, "amd64") + choices(ks, "amd64"),
		"kernels_arm64.go": header + "package cpu\n" + declarations(ks, "arm64") + choices(ks, "arm64"),
		"kernels_other.go": header + "//go:build !amd64 && !arm64\n\npackage cpu\n" + choices(ks, ""),
	} {
		b, err := format.Source([]byte(src))
		if err != nil {
			return nil, fmt.Errorf("format %s: %w", name, err)
		}
		out[name] = b
	}
	return out, nil
}

// symbol is the name of the assembly function.
func (k kernel) symbol(isa string) string {
	switch {
	case k.family == "tiles" || k.family == "pixels":
		return fmt.Sprintf("%sx%d%s", k.name, k.mr, isa)
	case k.mr > 0:
		return fmt.Sprintf("%s%d%s", k.name, k.mr, isa)
	}
	return k.name + isa
}

// declarations prints the Go prototypes of the assembly.
func declarations(ks []kernel, arch string) string {
	var b bytes.Buffer
	for _, isa := range isas {
		for _, k := range ks {
			if isa.arch != arch || isa.emit(k) == nil {
				continue
			}
			s := k.symbol(isa.name)
			fmt.Fprintf(&b, "\n// %s is %s in assembly.\n//\n//go:noescape\nfunc %s(p *%s)\n", s, k.name, s, k.args)
		}
	}
	return b.String()
}

// choices prints the functions callers use. They are plain functions with
// direct calls, not variables, so that arguments stay on the stack.
func choices(ks []kernel, arch string) string {
	var b bytes.Buffer
	for i, k := range ks {
		if k.mr > 1 {
			continue // printed with the first of its family
		}
		in, twin := "p *"+k.args, k.name+"Go(p)"
		if k.mr == 1 {
			in, twin = k.family+" int, "+in, k.name+"Go("+k.family+", p)"
		}
		if k.twin != "" {
			twin = k.twin
		}
		fmt.Fprintf(&b, "\n// %s %s\nfunc %s(%s) {\n", k.name, k.doc, k.name, in)
		for _, isa := range isas {
			some := slices.ContainsFunc(ks[i:], func(f kernel) bool { return f.name == k.name && isa.emit(f) != nil })
			if isa.arch != arch || !some {
				continue
			}
			fmt.Fprintf(&b, "if %s {\n", isa.flag)
			if k.mr == 0 {
				fmt.Fprintf(&b, "%s(p)\n", k.symbol(isa.name))
			} else {
				fmt.Fprintf(&b, "switch %s {\n", k.family)
				for _, f := range ks[i:] {
					if f.name == k.name && isa.emit(f) != nil {
						fmt.Fprintf(&b, "case %d:\n%s(p)\n", f.mr, f.symbol(isa.name))
					}
				}
				b.WriteString("}\n")
			}
			b.WriteString("return\n}\n")
		}
		fmt.Fprintf(&b, "%s\n}\n", twin)
	}
	return b.String()
}

func main() {
	log.SetFlags(0)
	out, err := outputs()
	if err != nil {
		log.Fatal(err)
	}
	for name, b := range out {
		if err := os.WriteFile(name, b, 0o644); err != nil {
			log.Fatal(err)
		}
	}
}
