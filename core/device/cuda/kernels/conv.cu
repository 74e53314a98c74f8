// Convolution as implicit matrix products: tiles of 64×64 of the result, 16 terms at a
// time in shared memory, a thread for 4×4 of it. The matrices are not laid out: a and b
// fetch their elements from where they lie. Values are [rows][H][W][C], weights
// [N][KH][KW][Cg] with Cg = C/groups; group g has the outputs from g·N/groups on. Sums
// are float32.

#include "window.cuh"

const int TILE = 64, DEPTH = 16;

// Which tile of an M×N result a block makes, and for which of the units (groups, or groups
// and parts). Grids are lines, since only those may be long: tiles of rows lie next to each
// other, then those of columns, then units.
struct Tile {
	i64 m0;
	int n0, unit;
};

__device__ __forceinline__ Tile tile_of(i64 M, int N) {
	u32 down = (M + TILE - 1) / TILE, across = (N + TILE - 1) / TILE, i = blockIdx.x;
	return {(i64)(i % down) * TILE, (int)(i / down % across) * TILE, (int)(i / down / across)};
}

// d(m, n, Σₖ a(m, k)·b(k, n)) for m < M, n < N of the tile, k from k0 to k1.
template <class A, class B, class D>
__device__ __forceinline__ void product(Tile tile, i64 M, int N, i64 k0, i64 k1, A a, B b, D d) {
	__shared__ float as[DEPTH][TILE + 4], bs[DEPTH][TILE + 4];
	int tx = threadIdx.x & 15, ty = threadIdx.x >> 4;
	i64 m0 = tile.m0;
	int n0 = tile.n0;
	// Long sums in two levels, so that rounding grows with the root of the terms.
	float sum[4][4] = {}, total[4][4] = {};
	for (i64 k = k0; k < k1; k += DEPTH) {
		if ((k - k0) % (16 * DEPTH) == 0)
			for (int i = 0; i < 4; i++)
				for (int j = 0; j < 4; j++) total[i][j] += sum[i][j], sum[i][j] = 0;
		for (int i = threadIdx.x; i < TILE * DEPTH; i += 256) {
			int kk = i % DEPTH, r = i / DEPTH;
			as[kk][r] = m0 + r < M && k + kk < k1 ? a(m0 + r, k + kk) : 0.f;
			bs[kk][r] = n0 + r < N && k + kk < k1 ? b(k + kk, n0 + r) : 0.f;
		}
		__syncthreads();
#pragma unroll
		for (int kk = 0; kk < DEPTH; kk++) {
			float u[4], v[4];
			for (int i = 0; i < 4; i++) u[i] = as[kk][ty * 4 + i], v[i] = bs[kk][tx * 4 + i];
			for (int i = 0; i < 4; i++)
				for (int j = 0; j < 4; j++) sum[i][j] += u[i] * v[j];
		}
		__syncthreads();
	}
	for (int i = 0; i < 4; i++)
		for (int j = 0; j < 4; j++)
			if (m0 + ty * 4 + i < M && n0 + tx * 4 + j < N) d(m0 + ty * 4 + i, n0 + tx * 4 + j, total[i][j] + sum[i][j]);
}

// y [rows][OH][OW][N] = w ⋆ x + bias (may be 0). Grid: pixels, outputs of a group, groups.
extern "C" __global__ void __launch_bounds__(256) conv(const val* x, const val* w, const float* bias, val* y, int rows, int N, int groups, Window g) {
	int Cg = g.C / groups, Ng = N / groups, K = g.KH * g.KW * Cg;
	i64 M = (i64)rows * g.OH * g.OW;
	Tile tile = tile_of(M, Ng);
	int group = tile.unit;
	product(tile, M, Ng, 0, K,
		[&](i64 m, i64 k) {
			int ci = k % Cg, kx = k / Cg % g.KW, ky = k / Cg / g.KW;
			int ox = m % g.OW, oy = m / g.OW % g.OH, iy = oy * g.SH - g.PT + ky, ix = ox * g.SW - g.PL + kx;
			if (iy < 0 || iy >= g.H || ix < 0 || ix >= g.W) return 0.f;
			return to_float(x[((m / g.OW / g.OH * g.H + iy) * g.W + ix) * g.C + group * Cg + ci]);
		},
		[&](i64 k, int n) { return to_float(w[(i64)(group * Ng + n) * K + k]); },
		[&](i64 m, int n, float s) { y[m * N + group * Ng + n] = to_val(s + (bias ? bias[group * Ng + n] : 0.f)); });
}

// dx [rows][H][W][C]: what each output that saw the pixel sends back through its weight.
// Grid: pixels of x, channels of a group, groups.
extern "C" __global__ void __launch_bounds__(256) conv_dx(const val* dy, const val* w, val* dx, int rows, int N, int groups, Window g) {
	int Cg = g.C / groups, Ng = N / groups, taps = g.KH * g.KW;
	i64 M = (i64)rows * g.H * g.W;
	Tile tile = tile_of(M, Cg);
	int group = tile.unit;
	product(tile, M, Cg, 0, taps * Ng,
		[&](i64 m, i64 k) {
			int n = k % Ng, kx = k / Ng % g.KW, ky = k / Ng / g.KW;
			int ix = m % g.W, iy = m / g.W % g.H, oy = iy + g.PT - ky, ox = ix + g.PL - kx;
			if (oy < 0 || ox < 0 || oy % g.SH || ox % g.SW || oy / g.SH >= g.OH || ox / g.SW >= g.OW) return 0.f;
			return to_float(dy[((m / g.W / g.H * g.OH + oy / g.SH) * g.OW + ox / g.SW) * N + group * Ng + n]);
		},
		[&](i64 k, int c) {
			int n = k % Ng, tap = k / Ng;
			return to_float(w[((i64)(group * Ng + n) * taps + tap) * Cg + c]);
		},
		[&](i64 m, int c, float s) { dx[m * g.C + group * Cg + c] = to_val(s); });
}

// part [parts][N][KH][KW][Cg]: dw over a part of the output pixels. Grid: outputs of a
// group, K, groups × parts.
extern "C" __global__ void __launch_bounds__(256) conv_dw(const val* x, const val* dy, float* part, int rows, int N, int groups, int parts, Window g) {
	int Cg = g.C / groups, Ng = N / groups, K = g.KH * g.KW * Cg;
	Tile tile = tile_of(Ng, K);
	int group = tile.unit % groups, t = tile.unit / groups;
	i64 all = (i64)rows * g.OH * g.OW, each = (all + parts - 1) / parts, from = t * each, till = from + each < all ? from + each : all;
	product(tile, Ng, K, from, till,
		[&](i64 n, i64 p) { return to_float(dy[p * N + group * Ng + n]); },
		[&](i64 p, int k) {
			int ci = k % Cg, kx = k / Cg % g.KW, ky = k / Cg / g.KW;
			int ox = p % g.OW, oy = p / g.OW % g.OH, iy = oy * g.SH - g.PT + ky, ix = ox * g.SW - g.PL + kx;
			if (iy < 0 || iy >= g.H || ix < 0 || ix >= g.W) return 0.f;
			return to_float(x[((p / g.OW / g.OH * g.H + iy) * g.W + ix) * g.C + group * Cg + ci]);
		},
		[&](i64 n, int k, float s) { part[((i64)t * N + group * Ng + n) * K + k] = s; });
}

// dw = Σ parts, added to what is there with beta = 1. A block of 256 threads has 256/slices
// elements; slice i sums the parts i, i + slices, … in their order, then the slices are
// summed in theirs.
extern "C" __global__ void __launch_bounds__(256) conv_merge(int count, const float* part, float* dw, int parts, int slices, float beta) {
	__shared__ double sums[256];
	int width = 256 / slices, slice = threadIdx.x / width;
	i64 i = (i64)blockIdx.x * width + threadIdx.x % width;
	double s = 0.;
	if (i < count) {
#pragma unroll 8
		for (int t = slice; t < parts; t += slices) s += part[(i64)t * count + i];
	}
	sums[threadIdx.x] = s;
	__syncthreads();
	if (slice > 0 || i >= count) return;
	for (int j = 1; j < slices; j++) s += sums[j * width + threadIdx.x];
	dw[i] = beta != 0 ? beta * dw[i] + s : s;
}
