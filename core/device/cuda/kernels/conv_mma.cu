// Convolution on the tensor cores, groups = 1: implicit matrix products of bf16
// (m16n8k16) or TF32 (m16n8k8), sums in float32. What is computed is that of conv.cu; the
// exact kernels of that file serve float32 and groups.
//
// A block makes ROWS×COLS of a product's result, a warp 64×8·NT of these: 4×NT pieces of
// 16×8, so that 4 + NT/2 loads of operands from shared memory feed 4·NT products. WY×WX
// warps lie over the block. The sum goes on in chunks of DEPTH terms, 64 bytes of them,
// STAGES of which are in shared memory or on their way there (cp.async); so one barrier
// for each chunk is enough. What lies outside a matrix is zero in shared memory.
//
//   product   rows                     columns       terms
//   mma_conv     pixels of y              outputs n     (ky, kx, channel)
//   mma_conv_dx  pixels of x, by phases   channels      (tap of the phase, output)
//   mma_conv_dw  (ky, kx, channel)        outputs n     pixels of y, by parts
//
// An operand's tile lies as its values do in memory, so that copies take VL (left) or VR
// (right) values that follow each other, as many as lines allow, up to 16 bytes: "along",
// a line for each row with its terms (LINE bytes, 16·odd: no bank conflicts), or "across",
// a line for each term with the values of all rows (8 more than these: none either).
// Fragments of along tiles are the same words for bf16 and TF32, since a step of either is
// 32 bytes of terms. In mma_conv both are along; in mma_conv_dx the weights and in
// mma_conv_dw both are across.
//
// Every element of a result is summed by one thread in the order of its terms, so bits do
// not depend on the tile, and are the same each time. A pixel is found by division by
// numbers that are known before (Div); what is fixed for a row of the tile lies in a table.
//
// One of the three kernels is compiled at a time: FORWARD, DX or DW is defined.

#include "tensorcores.cuh"

#define MT 4
const int THREADS = 32 * WY * WX, ROWS = 16 * MT * WY, COLS = 8 * NT * WX;
const int SIZE = sizeof(val), DEPTH = 64 / SIZE, STAGES = 4, LINE = 80;

// Division of 0 ≤ n < 2³¹ by d, type divisor of convmma.go.
struct Div {
	int d;
	u32 mul, shift;
	__device__ __forceinline__ int of(int n) const { return d == 1 ? n : (int)(__umulhi((u32)n, mul) >> shift); }
};

// Sizes, type convShape of convmma.go: x [rows][H][W][C], y [rows][OH][OW][N], w [N][KH][KW][C].
struct Shape {
	int rows, C, H, W, N, OH, OW, KH, KW, SH, SW, PT, PL;
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

// put brings V values into shared memory, zeros if at is below 0.
template <int V> __device__ __forceinline__ void put(u32 to, const val *from, int at) {
	const int bytes = V * SIZE;
#ifdef NEAR
	if constexpr (bytes == 16) { copy_near(to, from + (at < 0 ? 0 : at), at >= 0); return; }
#endif
	if constexpr (bytes >= 4) copy<bytes>(to, from + (at < 0 ? 0 : at), at >= 0);
	else put_half(to, at < 0 ? 0 : ((const u16 *)from)[at]);
}

// along fills an along tile of N rows: at(r, k) is where values k, k + 1, … of row r are.
template <int N, int V, class At> __device__ __forceinline__ void along(u32 to, const val *from, At at) {
	const int pieces = DEPTH / V, all = N * pieces;
#pragma unroll 8
	for (int n = 0; n < (all + THREADS - 1) / THREADS; n++) {
		int i = n * THREADS + threadIdx.x, r = i / pieces, k = i % pieces * V;
		if (all % THREADS == 0 || i < all) put<V>(to + r * LINE + k * SIZE, from, at(r, k));
	}
}

// across fills an across tile of N rows: at(k, r) is where term k of rows r, r + 1, … is.
template <int N, int V, class At> __device__ __forceinline__ void across(u32 to, const val *from, At at) {
	const int pieces = N / V, all = DEPTH * pieces;
#pragma unroll 8
	for (int n = 0; n < (all + THREADS - 1) / THREADS; n++) {
		int i = n * THREADS + threadIdx.x, k = i / pieces, r = i % pieces * V;
		if (all % THREADS == 0 || i < all) put<V>(to + (k * (N + 8) + r) * SIZE, from, at(k, r));
	}
}

constexpr int tile_bytes(bool is_across, int n) { return is_across ? DEPTH * (n + 8) * SIZE : n * LINE; }

// left_piece are 16 rows from `row` on of a left operand, the terms of step (0, 1).
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
		bring(chunk + STAGES - 1);
		u32 tile = base + chunk % STAGES * stage;
#pragma unroll
		for (int step = 0; step < 2; step++) {
			u32 a[MT][4], b[NT / 2][4];
#pragma unroll
			for (int n = 0; n < NT / 2; n++) right_piece<RACROSS>(b[n], tile + bytes, col + n * 16, step, lane);
#pragma unroll
			for (int m = 0; m < MT; m++) left_piece<LACROSS>(a[m], tile, row + m * 16, step, lane);
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
__device__ __forceinline__ void store(val *y, int col, int n, float a, float b) {
	if (n % 2 == 0 && col < n) {
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

// table is behind the tiles in shared memory: a Pixel for each row, for mma_conv_dx where
// in dx it goes as well.
template <bool LACROSS, bool RACROSS> __device__ __forceinline__ Pixel *table() {
	extern __shared__ uint4 shared[];
	return (Pixel *)((char *)shared + STAGES * (tile_bytes(LACROSS, ROWS) + tile_bytes(RACROSS, COLS)));
}

#ifdef FORWARD
// y = w ⋆ x + bias (may be 0). Grid: tiles of pixels × tiles of outputs, the latter first.
extern "C" __global__ void __launch_bounds__(THREADS) mma_conv(const val *x, const val *w, const float *bias, val *y, Shape s) {
	Pixel *pixel = table<false, false>();
	int tiles = (s.N + COLS - 1) / COLS, m0 = blockIdx.x / tiles * ROWS, n0 = blockIdx.x % tiles * COLS;
	int M = s.rows * s.OH * s.OW, K = s.KH * s.KW * s.C;
	for (int r = threadIdx.x; r < ROWS; r += THREADS) {
		int m = m0 + r, sample = s.pixels.of(m), p = m - sample * s.pixels.d, oy = s.ow.of(p), ox = p - oy * s.OW;
		int iy = oy * s.SH - s.PT, ix = ox * s.SW - s.PL;
		pixel[r].at = ((sample * s.H + iy) * s.W + ix) * s.C;
		pixel[r].y = m < M ? iy : FAR;
		pixel[r].x = ix;
	}
	__syncthreads();
	product<false, false>((K + DEPTH - 1) / DEPTH,
		[&](u32 to, int chunk) {
			along<ROWS, VL>(to, x, [&](int r, int k) {
				k += chunk * DEPTH;
				int tap = s.c.of(k), ky = s.kw.of(tap), kx = tap - ky * s.KW;
				Pixel p = pixel[r];
				bool there = k < K && (u32)(p.y + ky) < s.H && (u32)(p.x + kx) < s.W;
				return there ? p.at + (ky * s.W + kx) * s.C + k - tap * s.C : -1;
			});
		},
		[&](u32 to, int chunk) {
			along<COLS, VR>(to, w, [&](int n, int k) { return n0 + n < s.N && chunk * DEPTH + k < K ? (n0 + n) * K + chunk * DEPTH + k : -1; });
		},
		[&](int r, int c, float a, float b) {
			int n = n0 + c;
			if (m0 + r >= M) return;
			if (bias) a += n < s.N ? bias[n] : 0.f, b += n + 1 < s.N ? bias[n + 1] : 0.f;
			store(y + (i64)(m0 + r) * s.N, n, s.N, a, b);
		});
}

#endif
#ifdef DX
// dx: what each output that saw the pixel sends back through its weight. Grid: phases ×
// tiles of the largest one's pixels × tiles of channels, the latter first. The first phase
// has the most taps.
extern "C" __global__ void __launch_bounds__(THREADS) mma_conv_dx(const val *dy, const val *w, val *dx, const Phase *phases, int blocks, Shape s) {
	Phase p = phases[blockIdx.x / blocks];
	Pixel *pixel = table<false, true>();
	int *place = (int *)(pixel + ROWS);
	int tiles = (s.C + COLS - 1) / COLS, block = blockIdx.x % blocks, m0 = block / tiles * ROWS, c0 = block % tiles * COLS;
	int M = s.rows * p.height * p.width, K = p.taps * s.N;
	if (m0 >= M) return;
	for (int r = threadIdx.x; r < ROWS; r += THREADS) {
		int m = m0 + r, sample = p.pixels.of(m), q = m - sample * p.pixels.d, i = p.w.of(q), j = q - i * p.width;
		i += p.u, j += p.v;
		pixel[r].at = ((sample * s.OH + i) * s.OW + j) * s.N;
		pixel[r].y = m < M ? i : FAR;
		pixel[r].x = j;
		place[r] = m < M ? ((sample * s.H + i * s.SH + p.ry - s.PT) * s.W + j * s.SW + p.rx - s.PL) * s.C : -1;
	}
	__syncthreads();
	product<false, true>((K + DEPTH - 1) / DEPTH,
		[&](u32 to, int chunk) {
			along<ROWS, VL>(to, dy, [&](int r, int k) {
				k += chunk * DEPTH;
				int tap = s.n.of(k), a = p.tap.of(tap), b = tap - a * p.across;
				Pixel q = pixel[r];
				bool there = k < K && q.y != FAR && (u32)(q.y - a) < s.OH && (u32)(q.x - b) < s.OW;
				return there ? q.at - (a * s.OW + b) * s.N + k - tap * s.N : -1;
			});
		},
		[&](u32 to, int chunk) {
			across<COLS, VR>(to, w, [&](int k, int c) {
				k += chunk * DEPTH;
				int tap = s.n.of(k), a = p.tap.of(tap), b = tap - a * p.across;
				int n = k - tap * s.N, ky = a * s.SH + p.ry, kx = b * s.SW + p.rx;
				return k < K && c0 + c < s.C ? ((n * s.KH + ky) * s.KW + kx) * s.C + c0 + c : -1;
			});
		},
		[&](int r, int c, float a, float b) {
			if (place[r] >= 0) store(dx + place[r], c0 + c, s.C, a, b);
		});
}

#endif
#ifdef DW
// dw over a part of y's pixels: to [parts][N][KH][KW][C], or of a single part
// to = beta·to + dw. Grid: parts × tiles of (ky, kx, channel) × tiles of outputs, the
// latter first. A part has `chunks` chunks of pixels, the last one maybe less.
extern "C" __global__ void __launch_bounds__(THREADS) mma_conv_dw(const val *x, const val *dy, float *to, int blocks, int chunks, float beta, Shape s) {
	int tiles = (s.N + COLS - 1) / COLS, part = blockIdx.x / blocks, block = blockIdx.x % blocks, k0 = block / tiles * ROWS, n0 = block % tiles * COLS;
	int K = s.KH * s.KW * s.C, all = s.rows * s.OH * s.OW, first = part * chunks, last = (all + DEPTH - 1) / DEPTH;
	if (first + chunks < last) last = first + chunks;
	to += (i64)part * s.N * K;
	product<true, true>(last - first,
		[&](u32 tile, int chunk) {
			across<ROWS, VL>(tile, x, [&](int m, int k) {
				m += (first + chunk) * DEPTH, k += k0;
				int sample = s.pixels.of(m), p = m - sample * s.pixels.d, oy = s.ow.of(p), ox = p - oy * s.OW;
				int tap = s.c.of(k), ky = s.kw.of(tap), kx = tap - ky * s.KW, iy = oy * s.SH - s.PT + ky, ix = ox * s.SW - s.PL + kx;
				bool there = m < all && k < K && (u32)iy < s.H && (u32)ix < s.W;
				return there ? ((sample * s.H + iy) * s.W + ix) * s.C + k - tap * s.C : -1;
			});
		},
		[&](u32 tile, int chunk) {
			across<COLS, VR>(tile, dy, [&](int m, int n) {
				m += (first + chunk) * DEPTH;
				return m < all && n0 + n < s.N ? m * s.N + n0 + n : -1;
			});
		},
		[&](int r, int c, float a, float b) {
			int k = k0 + r, n = n0 + c;
			if (k >= K) return;
			float *d = to + (i64)n * K + k;
			if (n < s.N) d[0] = beta != 0.f ? beta * d[0] + a : a;
			if (n + 1 < s.N) d[K] = beta != 0.f ? beta * d[K] + b : b;
		});
}
#endif
