// Convolution on the tensor cores, groups = 1: implicit matrix products of bf16
// (m16n8k16) or TF32 (m16n8k8), sums in float32. What is computed is that of conv.cu; the
// exact kernels of that file serve float32 and groups.
//
// A block makes ROWS×COLS of a product's result, WY×WX warps of it 16·MT×8·NT each: MT×NT
// pieces of 16×8, so that MT + NT/2 loads of operands from shared memory feed MT·NT
// products. The sum goes on in chunks of DEPTH terms, DEEP bytes of them, STAGES of which
// are in shared memory or on their way there (cp.async); so one barrier for each chunk is
// enough. What lies outside a matrix is zero in shared memory.
//
//   product   rows                     columns       terms
//   mma_conv     pixels of y              outputs n     (ky, kx, channel)
//   mma_conv_dx  pixels of x, by phases   channels      (tap of the phase, output)
//   mma_conv_dw  (ky, kx, channel)        outputs n     pixels of y, by parts
//
// An operand's tile lies as its values do in memory, so that copies take VL (left) or VR
// (right) values that follow each other, 8 or 16 bytes: "along", a line for each row with
// its terms (LINE bytes, 16·odd: no bank conflicts), or "across", a line for each term with
// the values of all rows (8 more than these: none either). Channels that do not fit these
// copies are filled up with zeros before (widen_channels), so the numbers of channels of
// operands and results are different ones. Fragments of along tiles are the same words for
// bf16 and TF32, since a step of either is 32 bytes of terms. In mma_conv both are along;
// in mma_conv_dx the weights and in mma_conv_dw both are across.
//
// Every element of a result is summed by one thread in the order of its terms, so bits do
// not depend on the tile, and are the same each time. A pixel is found by division by
// numbers that are known before (Div); what is fixed for a row a thread keeps (Pixel).
//
// One of the three kernels is compiled at a time: FORWARD, DX or DW is defined.

#include "tensorcores.cuh"

const int THREADS = 32 * WY * WX, ROWS = 16 * MT * WY, COLS = 8 * NT * WX;
const int SIZE = sizeof(val), DEPTH = DEEP / SIZE, STEPS = DEEP / 32, LINE = DEEP + 16;

// Division of 0 ≤ n < 2³¹ by d, type divisor of convmma.go.
struct Div {
	int d;
	u32 mul, shift;
	__device__ __forceinline__ int of(int n) const { return d == 1 ? n : (int)(__umulhi((u32)n, mul) >> shift); }
};

// Sizes, type convShape of convmma.go: x [rows][H][W][C], y [rows][OH][OW][N], w
// [·][KH][KW][C], where these are operands; as results, and as rows of w, they have `inputs`
// channels and `outputs`. pairs: results may be written two at a time.
struct Shape {
	int rows, C, H, W, N, OH, OW, KH, KW, SH, SW, PT, PL, inputs, outputs, pairs, relu;
	Div c, n, kw, pixels, ow; // by C, N, KW, OH·OW, OW
};

// Pixels of x whose places are equal modulo the strides see the same taps, type phase of
// convmma.go: pixel (i, j) of a phase is (SH·(u+i) + ry − PT, SW·(v+j) + rx − PL) of x,
// and its tap (a, b) is (SH·a + ry, SW·b + rx) of w at pixel (u+i−a, v+j−b) of y.
struct Phase {
	int ry, rx, u, v, height, width, across, taps; // across: taps in a row of w
	Div w, pixels, tap;                            // by width, height·width, across
};

// A row of a tile that has pixels for rows: where its values begin, and its place, which
// taps move; far outside for a row that the matrix has not.
struct Pixel {
	int at;
	short y, x;
};
enum { FAR = -32768 };

// Where values are, and whether: what is not there is zero.
struct Source {
	int at;
	bool there;
};

// bring_in copies a piece. Narrow tiles take the same values of x again and again, tap by
// tap, so they keep them in the first cache; wide ones would only wait for it.
template <int BYTES> __device__ __forceinline__ void bring_in(u32 to, const val *from, bool there) {
	if constexpr (BYTES == 16 && COLS <= 64) copy_near(to, from, there);
	else copy<BYTES>(to, from, there);
}

// along fills an along tile of N rows: at(n, r, k) says where values k, k + 1, … of row r
// are, the thread's copy n.
template <int N, int V> constexpr int along_copies() { return (N * (DEPTH / V) + THREADS - 1) / THREADS; }
template <int V> __device__ __forceinline__ int along_row(int n) { return (n * THREADS + (int)threadIdx.x) / (DEPTH / V); }
template <int N, int V, class At> __device__ __forceinline__ void along(u32 to, const val *from, At at) {
#pragma unroll
	for (int n = 0; n < along_copies<N, V>(); n++) {
		int r = along_row<V>(n), k = threadIdx.x % (DEPTH / V) * V;
		Source s = at(n, r, k);
		if (N * (DEPTH / V) % THREADS == 0 || r < N) bring_in<V * SIZE>(to + r * LINE + k * SIZE, from + s.at, s.there);
	}
}

// across fills an across tile of N rows: at(k, r) says where term k of rows r, r + 1, … is.
template <int N, int V, class At> __device__ __forceinline__ void across(u32 to, const val *from, At at) {
	const int pieces = N / V, all = DEPTH * pieces;
#pragma unroll
	for (int n = 0; n < (all + THREADS - 1) / THREADS; n++) {
		int i = n * THREADS + threadIdx.x, k = i / pieces, r = i % pieces * V;
		Source s = at(k, r);
		if (all % THREADS == 0 || i < all) bring_in<V * SIZE>(to + (k * (N + 8) + r) * SIZE, from + s.at, s.there);
	}
}

constexpr int tile_bytes(bool is_across, int n) { return is_across ? DEPTH * (n + 8) * SIZE : n * LINE; }

// left_piece are 16 rows from `row` on of a left operand, the terms of a step.
template <bool ACROSS> __device__ __forceinline__ void left_piece(u32 (&a)[4], u32 tile, int row, int step, int lane) {
	if constexpr (!ACROSS) {
		matrices(a, tile + (row + (lane & 15)) * LINE + step * 32 + (lane >> 4) * 16);
	} else if constexpr (SIZE == 2) {
		matrices_t(a, tile + ((step * 16 + (lane >> 4) * 8 + (lane & 7)) * (ROWS + 8) + row + (lane >> 3 & 1) * 8) * 2);
	} else {
#pragma unroll
		for (int i = 0; i < 4; i++) a[i] = word(tile + ((step * 8 + lane % 4 + i / 2 * 4) * (ROWS + 8) + row + lane / 4 + i % 2 * 8) * 4);
	}
#ifndef VAL_BF16
#pragma unroll
	for (int i = 0; i < 4; i++) a[i] = tf32(a[i]);
#endif
}

// right_piece are 16 columns from `col` on of a right operand: b[0], b[1] of the first 8.
template <bool ACROSS> __device__ __forceinline__ void right_piece(u32 (&b)[4], u32 tile, int col, int step, int lane) {
	if constexpr (!ACROSS) {
		matrices(b, tile + (col + (lane & 7) + (lane >> 4) * 8) * LINE + step * 32 + (lane >> 3 & 1) * 16);
	} else if constexpr (SIZE == 2) {
		matrices_t(b, tile + ((step * 16 + (lane & 15)) * (COLS + 8) + col + (lane >> 4) * 8) * 2);
	} else {
#pragma unroll
		for (int i = 0; i < 4; i++) b[i] = word(tile + ((step * 8 + lane % 4 + i % 2 * 4) * (COLS + 8) + col + lane / 4 + i / 2 * 8) * 4);
	}
#ifndef VAL_BF16
#pragma unroll
	for (int i = 0; i < 4; i++) b[i] = tf32(b[i]);
#endif
}

// product sums `chunks` chunks; left(to, chunk) and right start the copies of a tile.
// Then it calls done(row, col, two sums) for each two columns of the block's result.
template <bool LACROSS, bool RACROSS, class L, class R, class D>
__device__ __forceinline__ void product(int chunks, L left, R right, D done) {
	extern __shared__ uint4 shared[];
	const int bytes = tile_bytes(LACROSS, ROWS), stage = bytes + tile_bytes(RACROSS, COLS);
	u32 base = shared_at(shared);
	int lane = threadIdx.x % 32, warp = threadIdx.x / 32, row = warp / WX * 16 * MT, col = warp % WX * 8 * NT;
	auto bring = [&](int chunk) {
		u32 to = base + chunk % STAGES * stage;
		if (chunk < chunks) left(to, chunk), right(to + bytes, chunk);
		bundle(); // of nothing behind the last chunk, so that counts go on
	};
	float sum[MT][NT][4] = {};
#pragma unroll
	for (int i = 0; i < STAGES - 1; i++) bring(i);
	for (int chunk = 0; chunk < chunks; chunk++) {
		but<STAGES - 2>(); // this chunk is there,
		__syncthreads();   // everybody's part of it, and nobody reads the one before
		u32 tile = base + chunk % STAGES * stage;
#pragma unroll
		for (int step = 0; step < STEPS; step++) {
			u32 a[MT][4], b[NT / 2][4];
#pragma unroll
			for (int n = 0; n < NT / 2; n++) right_piece<RACROSS>(b[n], tile + bytes, col + n * 16, step, lane);
#pragma unroll
			for (int m = 0; m < MT; m++) left_piece<LACROSS>(a[m], tile, row + m * 16, step, lane);
			if (step == 0) bring(chunk + STAGES - 1); // while the tensor cores have work
#pragma unroll
			for (int m = 0; m < MT; m++)
#pragma unroll
				for (int n = 0; n < NT; n++)
#ifdef VAL_BF16
					mma(sum[m][n], a[m], b[n / 2][n % 2 * 2], b[n / 2][n % 2 * 2 + 1]);
#else
					mma_tf32(sum[m][n], a[m], b[n / 2][n % 2 * 2], b[n / 2][n % 2 * 2 + 1]);
#endif
		}
	}
#pragma unroll
	for (int m = 0; m < MT; m++)
#pragma unroll
		for (int r = 0; r < 2; r++)
#pragma unroll
			for (int n = 0; n < NT; n++) done(row + m * 16 + r * 8 + lane / 4, col + n * 8 + lane % 4 * 2, sum[m][n][2 * r], sum[m][n][2 * r + 1]);
}

// store writes columns col and col + 1 of a row of n values that begins at y.
__device__ __forceinline__ void store(val *y, int col, int n, bool pairs, float a, float b) {
	if (pairs) {
		if (col >= n) return;
#ifdef VAL_BF16
		*(u32 *)(y + col) = bf16x2(a, b);
#else
		*(float2 *)(y + col) = make_float2(a, b);
#endif
		return;
	}
	if (col < n) y[col] = to_val(a);
	if (col + 1 < n) y[col + 1] = to_val(b);
}

#ifdef FORWARD
// y = w ⋆ x + bias (may be 0), then ReLU if so. Grid: tiles of pixels × tiles of outputs,
// the latter first.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) mma_conv(const val *x, const val *w, const float *bias, val *y, Shape s) {
	int tiles = (s.outputs + COLS - 1) / COLS, m0 = blockIdx.x / tiles * ROWS, n0 = blockIdx.x % tiles * COLS;
	int M = s.rows * s.OH * s.OW, K = s.KH * s.KW * s.C;
	Pixel pixel[along_copies<ROWS, VL>()];
#pragma unroll
	for (int i = 0; i < along_copies<ROWS, VL>(); i++) {
		int m = m0 + along_row<VL>(i), sample = s.pixels.of(m), p = m - sample * s.pixels.d, oy = s.ow.of(p), ox = p - oy * s.OW;
		int iy = oy * s.SH - s.PT, ix = ox * s.SW - s.PL;
		pixel[i].at = ((sample * s.H + iy) * s.W + ix) * s.C;
		pixel[i].y = m < M ? iy : FAR;
		pixel[i].x = ix;
	}
	product<false, false>((K + DEPTH - 1) / DEPTH,
		[&](u32 to, int chunk) {
			along<ROWS, VL>(to, x, [&](int i, int, int k) -> Source {
				k += chunk * DEPTH;
				int tap = s.c.of(k), ky = s.kw.of(tap), kx = tap - ky * s.KW;
				return {pixel[i].at + (ky * s.W + kx) * s.C + k - tap * s.C, bool((k < K) & ((u32)(pixel[i].y + ky) < s.H) & ((u32)(pixel[i].x + kx) < s.W))};
			});
		},
		[&](u32 to, int chunk) {
			along<COLS, VR>(to, w, [&](int, int n, int k) -> Source {
				k += chunk * DEPTH;
				return {(n0 + n) * K + k, bool((n0 + n < s.outputs) & (k < K))};
			});
		},
		[&](int r, int c, float a, float b) {
			int n = n0 + c;
			if (m0 + r >= M) return;
			if (bias) a += n < s.outputs ? bias[n] : 0.f, b += n + 1 < s.outputs ? bias[n + 1] : 0.f;
			if (s.relu) a = a < 0.f ? 0.f : a, b = b < 0.f ? 0.f : b;
			store(y + (i64)(m0 + r) * s.outputs, n, s.outputs, s.pairs, a, b);
		});
}

#endif
#ifdef DX
// dx: what each output that saw the pixel sends back through its weight. Grid: phases ×
// tiles of the largest one's pixels × tiles of channels, the latter first. The first phase
// has the most taps.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) mma_conv_dx(const val *dy, const val *w, val *dx, const Phase *phases, int blocks, Shape s) {
	Phase p = phases[blockIdx.x / blocks];
	int tiles = (s.inputs + COLS - 1) / COLS, block = blockIdx.x % blocks, m0 = block / tiles * ROWS, c0 = block % tiles * COLS;
	int M = s.rows * p.height * p.width, K = p.taps * s.N;
	if (m0 >= M) return;
	Pixel pixel[along_copies<ROWS, VL>()];
#pragma unroll
	for (int n = 0; n < along_copies<ROWS, VL>(); n++) {
		int m = m0 + along_row<VL>(n), sample = p.pixels.of(m), q = m - sample * p.pixels.d, i = p.w.of(q), j = q - i * p.width + p.v;
		i += p.u;
		pixel[n].at = ((sample * s.OH + i) * s.OW + j) * s.N;
		pixel[n].y = m < M ? i : FAR;
		pixel[n].x = j;
	}
	product<false, true>((K + DEPTH - 1) / DEPTH,
		[&](u32 to, int chunk) {
			along<ROWS, VL>(to, dy, [&](int i, int, int k) -> Source {
				k += chunk * DEPTH;
				int tap = s.n.of(k), a = p.tap.of(tap), b = tap - a * p.across;
				int y = pixel[i].y - a, x = pixel[i].x - b; // FAR − a is below 0, too
				return {pixel[i].at - (a * s.OW + b) * s.N + k - tap * s.N, bool((k < K) & ((u32)y < s.OH) & ((u32)x < s.OW))};
			});
		},
		[&](u32 to, int chunk) {
			across<COLS, VR>(to, w, [&](int k, int c) -> Source {
				k += chunk * DEPTH;
				int tap = s.n.of(k), a = p.tap.of(tap), b = tap - a * p.across;
				int n = k - tap * s.N, ky = a * s.SH + p.ry, kx = b * s.SW + p.rx;
				return {((n * s.KH + ky) * s.KW + kx) * s.C + c0 + c, bool((k < K) & (n < s.outputs) & (c0 + c < s.inputs))};
			});
		},
		[&](int r, int c, float a, float b) {
			int m = m0 + r, sample = p.pixels.of(m), q = m - sample * p.pixels.d, i = p.w.of(q), j = q - i * p.width;
			if (m >= M) return;
			int y = (p.u + i) * s.SH + p.ry - s.PT, x = (p.v + j) * s.SW + p.rx - s.PL;
			store(dx + (i64)((sample * s.H + y) * s.W + x) * s.inputs, c0 + c, s.inputs, s.pairs, a, b);
		});
}

#endif
#ifdef DW
// dw over a part of y's pixels: to [parts][outputs][KH][KW][inputs], or of a single part
// to = beta·to + dw. Grid: parts × tiles of (ky, kx, channel) × tiles of outputs, the
// latter first. A part has `chunks` chunks of pixels, the last one maybe less.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) mma_conv_dw(const val *x, const val *dy, float *to, int blocks, int chunks, float beta, Shape s) {
	int tiles = (s.outputs + COLS - 1) / COLS, part = blockIdx.x / blocks, block = blockIdx.x % blocks, k0 = block / tiles * ROWS, n0 = block % tiles * COLS;
	int taps = s.KH * s.KW, K = taps * s.C, all = s.rows * s.OH * s.OW, first = part * chunks, last = (all + DEPTH - 1) / DEPTH;
	if (first + chunks < last) last = first + chunks;
	to += (i64)part * s.outputs * taps * s.inputs;
	product<true, true>(last - first,
		[&](u32 tile, int chunk) {
			across<ROWS, VL>(tile, x, [&](int m, int k) -> Source {
				m += (first + chunk) * DEPTH, k += k0;
				int sample = s.pixels.of(m), p = m - sample * s.pixels.d, oy = s.ow.of(p), ox = p - oy * s.OW;
				int tap = s.c.of(k), ky = s.kw.of(tap), kx = tap - ky * s.KW, iy = oy * s.SH - s.PT + ky, ix = ox * s.SW - s.PL + kx;
				return {((sample * s.H + iy) * s.W + ix) * s.C + k - tap * s.C, bool((m < all) & (k < K) & ((u32)iy < s.H) & ((u32)ix < s.W))};
			});
		},
		[&](u32 tile, int chunk) {
			across<COLS, VR>(tile, dy, [&](int m, int n) -> Source {
				m += (first + chunk) * DEPTH;
				return {m * s.N + n0 + n, bool((m < all) & (n0 + n < s.N))};
			});
		},
		[&](int r, int c, float a, float b) {
			int k = k0 + r, n = n0 + c, tap = s.c.of(k), channel = k - tap * s.C, line = taps * s.inputs;
			if (k >= K || channel >= s.inputs) return;
			float *d = to + (i64)n * line + tap * s.inputs + channel;
			if (n < s.outputs) d[0] = beta != 0.f ? beta * d[0] + a : a;
			if (n + 1 < s.outputs) d[line] = beta != 0.f ? beta * d[line] + b : b;
		});
}
#endif
