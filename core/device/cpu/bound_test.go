package cpu

import (
	"fmt"
	"slices"
	"testing"
	"time"
	"unsafe"
)

// BenchmarkBound times the longest calls of assembly that the engine makes: each
// kernel with as much work as its callers ever give it, from main memory. While
// one runs the garbage collector cannot stop its goroutine, so all must stay well
// under 200 µs. The median is what counts: the mean of a busy machine holds
// what others did meanwhile.
func BenchmarkBound(b *testing.B) {
	const rows = 8 << 20 / rowBytes // of a buffer: more than the caches of a core
	var buf [4][]float32
	for i := range buf {
		buf[i] = random(rows*T + 4*T)
	}
	// Each call starts somewhere else, so that nothing is in a cache.
	place := 0
	p := func(i, floats int) unsafe.Pointer {
		return ptr(buf[i][place*15485863%(len(buf[i])/T-floats/T-1)*T:])
	}
	index := make([]int32, 2)
	off := make([]uint32, maxSteps+spareOffs)
	for i := range off {
		off[i] = uint32(i * 7919 % maxSteps * rowBytes)
	}
	bench := func(name string, f func()) {
		b.Run(name, func(b *testing.B) {
			var all []time.Duration
			for b.Loop() {
				place++
				start := time.Now()
				f()
				all = append(all, time.Since(start))
			}
			slices.Sort(all)
			b.ReportMetric(float64(all[len(all)/2].Nanoseconds())/1000, "µs-median")
			b.ReportMetric(0, "ns/op")
		})
	}
	const wide = maxSteps * T // floats of a row for each step
	bench("mulF", func() {
		mulF(maxMR, &mulArgs{a: p(0, wide), b: p(1, wide), c: p(2, 16*T), inner: maxSteps, outer: 1})
	})
	bench("mulX", func() {
		mulX(maxMR, &mulArgs{a: p(0, wide), b: p(1, wide), c: p(2, 16*T), inner: P, outer: maxSteps / P, aOuter: P * rowBytes, bOuter: P * rowBytes})
	})
	bench("mulP", func() {
		mulP(maxMR, &pixelArgs{a: p(0, wide), b: p(1, wide), c: p(2, 16*T), inner: pixelSteps / 16, outer: 16, aOuter: pixelSteps / 16 * 4, bOuter: pixelSteps / 16 * rowBytes, aStride: 8192, cStride: rowBytes})
	})
	const taps = 64 // of a window, over as many pixels as go in one call
	window := func() *depthArgs {
		return &depthArgs{w: p(0, wide), x: p(1, wide), y: p(2, wide), n: 4, pixels: maxSteps / 4 / taps, rows: 1, cols: taps, wCol: 4 * rowBytes, xCol: 4 * rowBytes, xPixel: 4 * rowBytes, yPixel: 4 * rowBytes}
	}
	bench("windowMul", func() { windowMul(window()) })
	bench("windowMax", func() { windowMax(window()) })
	for r, k := range map[int]struct {
		fwd, dx func(int, *blockArgs)
		one     func(*blockArgs)
	}{
		1: {blockFwd1, blockDX1, blockOne1}, 4: {blockFwd4, blockDX4, blockOne4},
		8: {blockFwd8, blockDX8, blockOne8}, 16: {blockFwd16, blockDX16, blockOne16},
	} {
		tiles := mostTiles(r)
		args := func(x int) *blockArgs {
			return &blockArgs{
				ptr: ptr(index), off: ptr(off), val: p(0, maxSteps*r), x: p(x, tiles*wide), y: p(2, tiles*r*T), rows: 1,
				xStride: maxSteps * rowBytes, yStride: r * rowBytes,
			}
		}
		index[1] = maxSteps
		bench(fmt.Sprintf("blockOne%d", r), func() { k.one(args(1)) })
		index[1] = pixelSteps
		bench(fmt.Sprintf("blockPixels%d", r), func() {
			blockPixels(r, mostPixels(r), &blockPixelArgs{ptr: ptr(index), off: ptr(off), val: p(0, maxSteps*r), x: p(1, wide), y: p(2, 8*T), rows: 1, xStride: rowBytes, yStride: rowBytes, scale: p(3, T), shift: p(3, T)})
		})
		index[1] = maxBlocks
		bench(fmt.Sprintf("blockFwd%d", r), func() { k.fwd(tiles, args(1)) })
		bench(fmt.Sprintf("blockDX%d", r), func() { k.dx(tiles, args(3)) })
		for _, n := range slices.Compact([]int{maxSteps / dwTiles, min(maxBlocks, maxFloats/2/r)}) {
			bench(fmt.Sprintf("blockDW%d/%d", r, n), func() {
				dwKernel(r, &blockDWArgs{off: ptr(off), dw: p(2, n*r), n: n, x: p(1, wide), dy: p(0, dwTiles*r*T), tiles: maxSteps / n, tiles2: 1, dyStride: r * rowBytes})
			})
		}
	}
	index[1] = maxSteps
	bench("singleDW", func() {
		singleDW(singleTiles, &singleDWArgs{ptr: ptr(index), off: ptr(off), dw: p(2, maxSteps), x: p(1, singleTiles*wide), dy: p(0, singleTiles*T), rows: 1, xStride: maxSteps * rowBytes, dyStride: rowBytes})
	})
	for name, f := range map[string]func(*rowArgs){
		"biasReLU": biasReLU, "reluRows": reluRows, "reluGrad": reluGrad, "addRows": addRows, "andRows": andRows, "largerRows": largerRows, "scaleRows": scaleRows,
	} {
		bench(name, func() { f(&rowArgs{dst: p(2, maxRows*T), a: p(0, maxRows*T), b: p(1, maxRows*T), n: maxRows}) })
	}
	for name, f := range map[string]func(*rowArgs){
		"expRows": expRows, "geluRows": geluRows, "geluGrad": geluGrad, "siluRows": siluRows, "siluGrad": siluGrad, "tanhRows": tanhRows, "tanhGrad": tanhGrad,
		"hardSwishRows": hardSwishRows, "hardSwishGrad": hardSwishGrad,
	} {
		bench(name, func() {
			f(&rowArgs{dst: p(2, maxActRows*T), a: p(0, maxActRows*T), b: p(1, maxActRows*T), n: maxActRows})
		})
	}
	for name, f := range map[string]func(*sumArgs){"rowSums": rowSums, "rowDots": rowDots} {
		bench(name, func() { f(&sumArgs{dst: p(2, maxRows), a: p(0, maxRows*T), b: p(1, maxRows*T), n: maxRows, tiles: 1}) })
		bench(name+"/tiles", func() {
			f(&sumArgs{dst: p(2, maxRows), a: p(0, maxRows*T), b: p(1, maxRows*T), n: maxRows / sumPixels, tiles: sumPixels, aStride: maxRows / sumPixels * rowBytes, bStride: maxRows / sumPixels * rowBytes})
		})
	}
	bench("transposeBlocks", func() { transposeBlocks(&rowArgs{dst: p(2, maxRows*T), a: p(0, maxRows*T), n: maxRows / T}) })
	bench("gatherRows", func() {
		var from [T]unsafe.Pointer
		for i := range from {
			from[i] = at(p(0, maxRows*T), i*maxRows/4*4)
		}
		gatherRows(&gatherArgs{rows: &from, dst: p(2, maxRows/4*T), n: maxRows / 4, stride: rowBytes})
	})
	bench("packRows", func() {
		const lines = gemmStrip
		packRows(&packArgs{src: p(0, maxRows*T), dst: p(2, maxRows*T), n: maxRows / lines, lines: lines, srcStride: lines * rowBytes, dstStride: rowBytes, lineStride: maxRows / lines * rowBytes})
	})
	bench("maxGrad", func() {
		maxGrad(&maxArgs{dx: p(0, maxRows*T), x: p(1, maxRows*T), top: p(2, maxRows*T), rest: p(3, maxRows*T), n: maxRows / 2})
	})
	bench("affineRows", func() {
		affineRows(&affineArgs{dst: p(0, maxRows*T), a: p(1, maxRows*T), scale: p(2, maxRows), shift: p(3, maxRows), n: maxRows})
	})
	bench("adamStep", func() {
		adamStep(&adamArgs{w: p(0, maxFloats), g: p(1, maxFloats), m: p(2, maxFloats), v: p(3, maxFloats), n: maxFloats, beta2: 0.9, eps: 1})
	})
	bench("sgdMomentum", func() {
		sgdMomentum(&sgdArgs{w: p(0, maxFloats), g: p(1, maxFloats), v: p(2, maxFloats), n: maxFloats})
	})
	bench("clear", func() { clearPiece(unsafe.Slice((*float32)(p(0, maxMoved)), maxMoved)) })
	bench("copy", func() {
		copyPiece(unsafe.Slice((*float32)(p(0, maxMoved)), maxMoved), unsafe.Slice((*float32)(p(1, maxMoved)), maxMoved))
	})
}
