// Command gen prints the assembly of package cpu, its Go declarations and the
// functions that choose between assembly and plain Go. It imports nothing but
// the standard library and is run by go generate in core/device/cpu:
//
//	kernels_avx2_amd64.s    the assembly for AVX2 and FMA: every kernel
//	kernels_avx512_amd64.s  for AVX-512: those that gain by it
//	kernels_amd64.go        their declarations, and the choice at run time
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
	"strings"
)

// kernel is one row of the table: everything the outputs need to know.
type kernel struct {
	name   string // of the function callers use; assembly adds AVX2, the twin Go
	args   string // type of the struct its one argument points to
	doc    string // comment of the function callers use, without the name
	mr     int    // > 0: one of a family name1, name2, ..., chosen by mr
	avx2   func(a *asm)
	avx512 func(a *asm) // nil: AVX2 serves there too
}

// isas are the instruction sets, the better one first.
var isas = []struct {
	name, flag string
	emit       func(k kernel) func(a *asm)
}{
	{"AVX512", "useAVX512", func(k kernel) func(a *asm) { return k.avx512 }},
	{"AVX2", "useAVX2", func(k kernel) func(a *asm) { return k.avx2 }},
}

// kernels in the order they are printed.
func kernels() []kernel {
	var ks []kernel
	family := func(name, doc string, am, ak int) {
		for mr := 1; mr <= mostRows(vector512); mr++ {
			k := kernel{name: name, args: "mulArgs", doc: doc, mr: mr, avx512: func(a *asm) { mul(a, vector512, mr, am, ak) }}
			if mr <= mostRows(vector256) {
				k.avx2 = func(a *asm) { mul(a, vector256, mr, am, ak) }
			}
			ks = append(ks, k)
		}
	}
	family("mulF", "computes C[m][16] (+)= Σ A[m,k]·B[k][16] for mr ≤ maxMR rows\n// of C, with A[m,k] at a + 4m + 64k: a weight panel [K][P], m over its outputs.\n// One call should stay below maxSteps inner·outer steps.", 4, 64)
	family("mulX", "is mulF with A[m,k] at a + 64m + 4k: rows of a tile\n// [feature][T] or of a panel [K][P], m over these rows.\n// One call should stay below maxSteps inner·outer steps.", 64, 4)
	return append(ks,
		kernel{
			"blockFwd4", "blockArgs",
			"multiplies rows of 4×1 blocks with a tile:\n// y[4i+r][16] (+)= Σ_j val[j][r]·x[off[j]][16] over the blocks j of block row i.\n// One call should stay below maxSteps blocks.",
			0, blockFwd4, nil,
		},
		kernel{
			"blockDX4", "blockArgs",
			"scatters the gradient of a tile through 4×1 blocks:\n// x[off[j]][16] += Σ_r val[j][r]·y[4i+r][16], y being dy and x being dx.\n// One call should stay below maxSteps blocks.",
			0, blockDX4, nil,
		},
		kernel{
			"blockDW4", "blockDWArgs",
			"computes the gradient of the 4×1 blocks of one block row:\n// dw[j][r] (+)= Σ_u Σ_t Σ_b x[off[j]][b]·dy[r][b], where x and dy move by their\n// strides for each t < tiles and by their skips for each u < tiles2. One call should stay below maxSteps n·tiles·tiles2.",
			0, blockDW4, nil,
		},
		kernel{"biasAdd", "rowArgs", "adds a bias to rows: dst[i][16] = a[i][16] + b[i]; dst may be a.\n// One call should stay below maxRows rows.", 0, biasAdd, nil},
		kernel{"biasReLU", "rowArgs", "is biasAdd, then max(·, 0); NaN stays NaN.\n// One call should stay below maxRows rows.", 0, biasReLU, nil},
		kernel{"reluRows", "rowArgs", "computes dst = max(a, 0) over n rows; NaN stays NaN. dst may be a.\n// One call should stay below maxRows rows.", 0, reluRows, nil},
		kernel{"reluGrad", "rowArgs", "computes dst = a where b > 0, else 0, over n rows: dx from dy and y.\n// dst may be a or b. One call should stay below maxRows rows.", 0, reluGrad, nil},
		kernel{"addRows", "rowArgs", "computes dst = a + b over n rows. dst may be a or b.\n// One call should stay below maxRows rows.", 0, addRows, nil},
		kernel{"andRows", "rowArgs", "keeps the bits of a that are set in b, over n rows: a mask\n// of all-ones and all-zero words. dst may be a or b.\n// One call should stay below maxRows rows.", 0, andRows, nil},
		kernel{"largerRows", "rowArgs", "computes dst = max(a, b) over n rows; a NaN in either wins. dst may be a\n// or b. One call should stay below maxRows rows.", 0, largerRows, nil},
		kernel{"maxGrad", "maxArgs", "takes the share of one place in the gradient of a maximum: where x = top, or\n// one of them is NaN, rest moves to dx and is zero from then on.\n// One call should stay below maxRows rows.", 0, maxGrad, nil},
		kernel{"affineRows", "affineArgs", "computes dst[i][16] = a[i][16]·scale[i] + shift[i] over n rows.\n// dst may be a. One call should stay below maxRows rows.", 0, affineRows, nil},
		kernel{"rowSums", "sumArgs", "computes dst[i] (+)= Σ_t Σ_b a[i][b], where t < tiles moves a by\n// its stride: a bias's gradient. One call should stay below maxRows n·tiles.", 0, rowSums, nil},
		kernel{"rowDots", "sumArgs", "computes dst[i] (+)= Σ_t Σ_b a[i][b]·b[i][b], where t < tiles moves\n// a and b by their strides. One call should stay below maxRows n·tiles.", 0, rowDots, nil},
		kernel{"transposeBlocks", "rowArgs", "transposes n blocks of 16×16 floats, 1 KiB each: dst[i][c][r] = a[i][r][c].\n// dst must not overlap a. One call should stay below maxRows/16 blocks.", 0, transposeBlocks, nil},
		kernel{"gatherRows", "gatherArgs", "makes a tile from 16 samples: the 16 floats at dst + i·stride become\n// rows[0][i], ..., rows[15][i] for i < n. n must be a multiple of 4.\n// One call should stay below maxRows/4 features.", 0, gatherRows, nil},
		kernel{"sgdPlain", "sgdArgs", "updates n weights: w −= lr·(g + wd·w).\n// One call should stay below maxFloats weights.", 0, sgd("sgdPlain"), nil},
		kernel{"sgdMomentum", "sgdArgs", "updates n weights: v = mom·v + g + wd·w; w −= lr·v.\n// One call should stay below maxFloats weights.", 0, sgd("sgdMomentum"), nil},
		kernel{"sgdNesterov", "sgdArgs", "updates n weights: g += wd·w; v = mom·v + g; w −= lr·(g + mom·v).\n// One call should stay below maxFloats weights.", 0, sgd("sgdNesterov"), nil},
		kernel{"adamStep", "adamArgs", "updates n weights by Adam's or AdamW's rule; see adamArgs.\n// One call should stay below maxFloats weights.", 0, adam, nil},
		kernel{"fmaPeak", "peakArgs", "runs n·96 fused multiply-adds of a full register without touching\n// memory: the yardstick beside which kernels are measured.", 0, fmaPeak, nil},
	)
}

const header = "// Code generated by core/device/cpu/internal/gen. DO NOT EDIT.\n\n"

// outputs returns the generated files by name.
func outputs() (map[string][]byte, error) {
	ks, out := kernels(), map[string][]byte{}
	for _, isa := range isas {
		var s asm
		s.WriteString(header + "//go:build amd64\n\n#include \"textflag.h\"\n#include \"go_asm.h\"\n")
		for _, k := range ks {
			if emit := isa.emit(k); emit != nil {
				s.text(k.symbol(isa.name))
				emit(&s)
			}
		}
		out["kernels_"+strings.ToLower(isa.name)+"_amd64.s"] = s.Bytes()
	}
	for name, src := range map[string]string{
		"kernels_amd64.go": header + "package cpu\n" + declarations(ks) + choices(ks, true),
		"kernels_other.go": header + "//go:build !amd64\n\npackage cpu\n" + choices(ks, false),
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
	if k.mr > 0 {
		return fmt.Sprintf("%s%d%s", k.name, k.mr, isa)
	}
	return k.name + isa
}

// declarations prints the Go prototypes of the assembly.
func declarations(ks []kernel) string {
	var b bytes.Buffer
	for _, isa := range isas {
		for _, k := range ks {
			if isa.emit(k) == nil {
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
func choices(ks []kernel, amd64 bool) string {
	var b bytes.Buffer
	for i, k := range ks {
		if k.mr > 1 {
			continue // printed with the first of its family
		}
		in, pass := "p *"+k.args, "p"
		if k.mr == 1 {
			in, pass = "mr int, "+in, "mr, p"
		}
		fmt.Fprintf(&b, "\n// %s %s\nfunc %s(%s) {\n", k.name, k.doc, k.name, in)
		for _, isa := range isas {
			if !amd64 || isa.emit(k) == nil {
				continue
			}
			fmt.Fprintf(&b, "if %s {\n", isa.flag)
			if k.mr == 0 {
				fmt.Fprintf(&b, "%s(p)\n", k.symbol(isa.name))
			} else {
				b.WriteString("switch mr {\n")
				for _, f := range ks[i:] {
					if f.name == k.name && isa.emit(f) != nil {
						fmt.Fprintf(&b, "case %d:\n%s(p)\n", f.mr, f.symbol(isa.name))
					}
				}
				b.WriteString("}\n")
			}
			b.WriteString("return\n}\n")
		}
		fmt.Fprintf(&b, "%sGo(%s)\n}\n", k.name, pass)
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
