// What all kernels share. NVRTC compiles each .cu file behind this one; no header of
// CUDA is needed, since a box with a driver alone has none.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

// bf16 is the upper half of a float32.
struct bf16 { u16 bits; };

__device__ __forceinline__ float to_float(float x) { return x; }
__device__ __forceinline__ float to_float(bf16 x) { return __uint_as_float((u32)x.bits << 16); }

template <class T> struct Make;
template <> struct Make<float> {
	static __device__ __forceinline__ float of(float x) { return x; }
};
template <> struct Make<bf16> {
	// round to nearest, ties to even
	static __device__ __forceinline__ bf16 of(float x) {
		bf16 r;
		asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(r.bits) : "f"(x));
		return r;
	}
};

// val is the type of an activation in memory.
#ifdef VAL_BF16
typedef bf16 val;
#else
typedef float val;
#endif

__device__ __forceinline__ val to_val(float x) { return Make<val>::of(x); }

// The exponential: where results are rounded to bf16 the fast one is exact enough.
#ifdef VAL_BF16
__device__ __forceinline__ float exponential(float x) { return __expf(x); }
#else
__device__ __forceinline__ float exponential(float x) { return expf(x); }
#endif

// Elements i of count, over the whole grid.
#define FOR_EACH(i, count) for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (i64)gridDim.x * blockDim.x)

// Step is what changes from run to run (exec.go: type scalars).
struct Step {
	i64 index;       // 1 for the first training step
	float lr;        //
	int labelled;    // rows in the loss of all parts
	float bias1, bias2; // 1 − β₁ᵗ, 1 − β₂ᵗ of Adam
	i64 first;       // samples of the step in earlier parts
};

// Sums over a warp and a block. Every thread gets the sum; the order of additions is
// fixed. A block calls with all its threads, at most 1024, a multiple of 32.
__device__ __forceinline__ float warp_sum(float x) {
	for (int d = 16; d > 0; d >>= 1) x += __shfl_xor_sync(0xffffffffu, x, d);
	return x;
}

__device__ __forceinline__ float warp_max(float x) {
	for (int d = 16; d > 0; d >>= 1) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, d));
	return x;
}

__device__ inline float block_sum(float x) {
	__shared__ float part[32];
	x = warp_sum(x);
	__syncthreads(); // part may still be read by an earlier call
	if ((threadIdx.x & 31) == 0) part[threadIdx.x >> 5] = x;
	__syncthreads();
	int warps = blockDim.x >> 5;
	return warp_sum((threadIdx.x & 31) < warps ? part[threadIdx.x & 31] : 0.f);
}

__device__ inline double block_sum(double x) {
	__shared__ double part[32];
	for (int d = 16; d > 0; d >>= 1) x += __shfl_xor_sync(0xffffffffu, x, d);
	__syncthreads();
	if ((threadIdx.x & 31) == 0) part[threadIdx.x >> 5] = x;
	__syncthreads();
	int warps = blockDim.x >> 5;
	x = (threadIdx.x & 31) < warps ? part[threadIdx.x & 31] : 0.;
	for (int d = 16; d > 0; d >>= 1) x += __shfl_xor_sync(0xffffffffu, x, d);
	return x;
}

// First row of part t of `parts` that `rows` rows are cut into.
__device__ __forceinline__ int part_from(int rows, int parts, int t) {
	int each = (rows + parts - 1) / parts;
	int r = t * each;
	return r < rows ? r : rows;
}

// bf16x2 is two floats as bf16 in one word, the first in its lower half.
__device__ __forceinline__ u32 bf16x2(float first, float second) {
	u32 r;
	asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(second), "f"(first));
	return r;
}

// Eight elements at once, 16 bytes of bf16 or 32 of float; p is aligned to 16 bytes.
__device__ __forceinline__ void load8(const float *p, float (&x)[8]) {
	float4 a = ((const float4 *)p)[0], b = ((const float4 *)p)[1];
	x[0] = a.x, x[1] = a.y, x[2] = a.z, x[3] = a.w;
	x[4] = b.x, x[5] = b.y, x[6] = b.z, x[7] = b.w;
}

__device__ __forceinline__ void load8(const bf16 *p, float (&x)[8]) {
	uint4 a = *(const uint4 *)p;
	u32 w[4] = {a.x, a.y, a.z, a.w};
#pragma unroll
	for (int i = 0; i < 4; i++) {
		x[2 * i] = __uint_as_float(w[i] << 16);
		x[2 * i + 1] = __uint_as_float(w[i] & 0xffff0000u);
	}
}

__device__ __forceinline__ void store8(float *p, const float (&x)[8]) {
	((float4 *)p)[0] = make_float4(x[0], x[1], x[2], x[3]);
	((float4 *)p)[1] = make_float4(x[4], x[5], x[6], x[7]);
}

__device__ __forceinline__ void store8(bf16 *p, const float (&x)[8]) {
	*(uint4 *)p = make_uint4(bf16x2(x[0], x[1]), bf16x2(x[2], x[3]), bf16x2(x[4], x[5]), bf16x2(x[6], x[7]));
}

// The same for the first n of them, one by one unless wide; of load8 the others are rest.
// wide says that p is aligned and that all eight may be touched.
template <class T> __device__ __forceinline__ void load8(const T *p, int n, bool wide, float (&x)[8], float rest = 0.f) {
	if (wide) load8(p, x);
#pragma unroll
	for (int i = 0; i < 8; i++) {
		if (!wide && i < n) x[i] = to_float(p[i]);
		if (i >= n) x[i] = rest;
	}
}

template <class T> __device__ __forceinline__ void store8(T *p, int n, bool wide, const float (&x)[8]) {
	if (wide) {
		store8(p, x);
		return;
	}
#pragma unroll
	for (int i = 0; i < 8; i++)
		if (i < n) p[i] = Make<T>::of(x[i]);
}

// walk calls f(i, w) for elements i to i + w::n − 1 of count, over the whole grid: eight
// at a time, what is left of them one by one.
template <int N> struct Width { static const int n = N; };

template <class F> __device__ __forceinline__ void walk(i64 count, F f) {
	i64 thread = (i64)blockIdx.x * blockDim.x + threadIdx.x, threads = (i64)gridDim.x * blockDim.x;
	for (i64 i = 8 * thread; i + 8 <= count; i += 8 * threads) f(i, Width<8>());
	i64 i = count / 8 * 8 + thread;
	if (thread < 8 && i < count) f(i, Width<1>());
}

// read and write N elements, of which N·sizeof(T) bytes are aligned.
template <class T> __device__ __forceinline__ void read(const T *p, float (&x)[8]) { load8(p, x); }
__device__ __forceinline__ void read(const float *p, float (&x)[4]) {
	float4 a = *(const float4 *)p;
	x[0] = a.x, x[1] = a.y, x[2] = a.z, x[3] = a.w;
}
template <class T> __device__ __forceinline__ void read(const T *p, float (&x)[1]) { x[0] = to_float(p[0]); }
template <class T> __device__ __forceinline__ void write(T *p, const float (&x)[8]) { store8(p, x); }
__device__ __forceinline__ void write(float *p, const float (&x)[4]) { *(float4 *)p = make_float4(x[0], x[1], x[2], x[3]); }
template <class T> __device__ __forceinline__ void write(T *p, const float (&x)[1]) { p[0] = Make<T>::of(x[0]); }

// Sums over rows. A block works on the rows from `from` to `to` of x, ld apart, and on the
// 8·lanes channels from `first` on: lanes (a power of two up to 32) threads stand side by
// side, the others below them. row(r, c, n, wide, v) reads channels c to c + n − 1 of row
// r; done(c, sum) takes the sum of channel c. The order of additions is that of the rows
// within each thread, and of the threads.
template <class R, class D> __device__ __forceinline__ void sum_rows(int from, int to, int C, int first, int lanes, bool wide, R row, D done) {
	__shared__ float part[256 * 9];
	int lane = threadIdx.x & (lanes - 1), slot = threadIdx.x / lanes, slots = 256 / lanes;
	int c = first + 8 * lane, n = min(8, C - c);
	float sum[8] = {0.f, 0.f, 0.f, 0.f, 0.f, 0.f, 0.f, 0.f};
	if (n > 0) {
#pragma unroll 4
		for (int r = from + slot; r < to; r += slots) {
			float v[8];
			row(r, c, n, wide && n == 8, v);
#pragma unroll
			for (int j = 0; j < 8; j++) sum[j] += v[j];
		}
	}
	// part[slot][8·lanes], then halves of the slots onto each other
#pragma unroll
	for (int j = 0; j < 8; j++) part[threadIdx.x * 9 + j] = sum[j];
	for (int half = slots / 2; half > 0; half /= 2) {
		__syncthreads();
		if (slot < half)
			for (int j = 0; j < 8; j++) part[threadIdx.x * 9 + j] += part[(threadIdx.x + half * lanes) * 9 + j];
	}
	if (slot == 0)
		for (int j = 0; j < n; j++) done(c + j, part[threadIdx.x * 9 + j]);
}

// packs calls f(p, c, n, wide) for channels c to c + n − 1 of pixel p, over all of
// count/C pixels; wide (then n is 8) where the caller says that eight may be touched.
template <class F> __device__ __forceinline__ void packs(i64 count, int C, bool wide, F f) {
	i64 thread = (i64)blockIdx.x * blockDim.x + threadIdx.x, threads = (i64)gridDim.x * blockDim.x;
	int each = wide ? 8 : 1;
	u32 row = C / each;
	for (i64 i = thread; i < count / each; i += threads) {
		i64 p = i >> 32 ? i / row : (u32)i / row;
		f(p, (int)(i - p * row) * each, each, wide);
	}
}
