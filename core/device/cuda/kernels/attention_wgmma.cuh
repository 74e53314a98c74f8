// Attention by products of a whole warpgroup (wgmma, sm_90a): what attention_wgmma.cu and
// attention_wide.cu share. A left operand, 64 rows, is in the registers of four warps as
// mma.m16n8k16 has it, 16 rows a warp, or in shared memory; the right one is there. A tile in
// shared memory lies as [row][64 channels] in rows of 128 bytes, their 16-byte pieces swizzled:
// piece c of row r is at c ^ (r mod 8); the next 64 channels follow behind all its rows. Such
// a tile serves as [row or column][k] and, transposed, as [k][column].
//
// CAUSAL and PADS are 0 or 1.

#define STEPS (DIM / 16)

#include "wgmma.cuh"

// PTX
// d = a·b, + d with add; b is a descriptor, TRANS where the tile lies as [k][column].
template <bool TRANS> __device__ __forceinline__ void wgmma(float (&d)[4][4], const u32 (&a)[4], u64 b, int add) {
	asm volatile("{ .reg .pred p; setp.ne.b32 p, %21, 0; wgmma.mma_async.sync.aligned.m64n32k16.f32.bf16.bf16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15}, {%16, %17, %18, %19}, %20, p, 1, 1, %22; }"
		: "+f"(d[0][0]), "+f"(d[0][1]), "+f"(d[0][2]), "+f"(d[0][3]), "+f"(d[1][0]), "+f"(d[1][1]), "+f"(d[1][2]), "+f"(d[1][3]), "+f"(d[2][0]), "+f"(d[2][1]), "+f"(d[2][2]), "+f"(d[2][3]), "+f"(d[3][0]), "+f"(d[3][1]), "+f"(d[3][2]), "+f"(d[3][3])
		: "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(add), "n"((int)TRANS));
}
template <bool TRANS> __device__ __forceinline__ void wgmma(float (&d)[8][4], const u32 (&a)[4], u64 b, int add) {
	asm volatile("{ .reg .pred p; setp.ne.b32 p, %37, 0; wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, {%32, %33, %34, %35}, %36, p, 1, 1, %38; }"
		: "+f"(d[0][0]), "+f"(d[0][1]), "+f"(d[0][2]), "+f"(d[0][3]), "+f"(d[1][0]), "+f"(d[1][1]), "+f"(d[1][2]), "+f"(d[1][3]), "+f"(d[2][0]), "+f"(d[2][1]), "+f"(d[2][2]), "+f"(d[2][3]), "+f"(d[3][0]), "+f"(d[3][1]), "+f"(d[3][2]), "+f"(d[3][3]), "+f"(d[4][0]), "+f"(d[4][1]), "+f"(d[4][2]), "+f"(d[4][3]), "+f"(d[5][0]), "+f"(d[5][1]), "+f"(d[5][2]), "+f"(d[5][3]), "+f"(d[6][0]), "+f"(d[6][1]), "+f"(d[6][2]), "+f"(d[6][3]), "+f"(d[7][0]), "+f"(d[7][1]), "+f"(d[7][2]), "+f"(d[7][3])
		: "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(add), "n"((int)TRANS));
}
template <bool TRANS> __device__ __forceinline__ void wgmma(float (&d)[16][4], const u32 (&a)[4], u64 b, int add) {
	asm volatile("{ .reg .pred p; setp.ne.b32 p, %69, 0; wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, {%64, %65, %66, %67}, %68, p, 1, 1, %70; }"
		: "+f"(d[0][0]), "+f"(d[0][1]), "+f"(d[0][2]), "+f"(d[0][3]), "+f"(d[1][0]), "+f"(d[1][1]), "+f"(d[1][2]), "+f"(d[1][3]), "+f"(d[2][0]), "+f"(d[2][1]), "+f"(d[2][2]), "+f"(d[2][3]), "+f"(d[3][0]), "+f"(d[3][1]), "+f"(d[3][2]), "+f"(d[3][3]), "+f"(d[4][0]), "+f"(d[4][1]), "+f"(d[4][2]), "+f"(d[4][3]), "+f"(d[5][0]), "+f"(d[5][1]), "+f"(d[5][2]), "+f"(d[5][3]), "+f"(d[6][0]), "+f"(d[6][1]), "+f"(d[6][2]), "+f"(d[6][3]), "+f"(d[7][0]), "+f"(d[7][1]), "+f"(d[7][2]), "+f"(d[7][3]), "+f"(d[8][0]), "+f"(d[8][1]), "+f"(d[8][2]), "+f"(d[8][3]), "+f"(d[9][0]), "+f"(d[9][1]), "+f"(d[9][2]), "+f"(d[9][3]), "+f"(d[10][0]), "+f"(d[10][1]), "+f"(d[10][2]), "+f"(d[10][3]), "+f"(d[11][0]), "+f"(d[11][1]), "+f"(d[11][2]), "+f"(d[11][3]), "+f"(d[12][0]), "+f"(d[12][1]), "+f"(d[12][2]), "+f"(d[12][3]), "+f"(d[13][0]), "+f"(d[13][1]), "+f"(d[13][2]), "+f"(d[13][3]), "+f"(d[14][0]), "+f"(d[14][1]), "+f"(d[14][2]), "+f"(d[14][3]), "+f"(d[15][0]), "+f"(d[15][1]), "+f"(d[15][2]), "+f"(d[15][3])
		: "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(add), "n"((int)TRANS));
}
// The same with the left operand in shared memory, [row][k].
template <bool TRANS> __device__ __forceinline__ void wgmma(float (&d)[8][4], u64 a, u64 b, int add) {
	asm volatile("{ .reg .pred p; setp.ne.b32 p, %34, 0; wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, %32, %33, p, 1, 1, 0, %35; }"
		: "+f"(d[0][0]), "+f"(d[0][1]), "+f"(d[0][2]), "+f"(d[0][3]), "+f"(d[1][0]), "+f"(d[1][1]), "+f"(d[1][2]), "+f"(d[1][3]), "+f"(d[2][0]), "+f"(d[2][1]), "+f"(d[2][2]), "+f"(d[2][3]), "+f"(d[3][0]), "+f"(d[3][1]), "+f"(d[3][2]), "+f"(d[3][3]), "+f"(d[4][0]), "+f"(d[4][1]), "+f"(d[4][2]), "+f"(d[4][3]), "+f"(d[5][0]), "+f"(d[5][1]), "+f"(d[5][2]), "+f"(d[5][3]), "+f"(d[6][0]), "+f"(d[6][1]), "+f"(d[6][2]), "+f"(d[6][3]), "+f"(d[7][0]), "+f"(d[7][1]), "+f"(d[7][2]), "+f"(d[7][3])
		: "l"(a), "l"(b), "r"(add), "n"((int)TRANS));
}
template <bool TRANS> __device__ __forceinline__ void wgmma(float (&d)[16][4], u64 a, u64 b, int add) {
	asm volatile("{ .reg .pred p; setp.ne.b32 p, %66, 0; wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, %64, %65, p, 1, 1, 0, %67; }"
		: "+f"(d[0][0]), "+f"(d[0][1]), "+f"(d[0][2]), "+f"(d[0][3]), "+f"(d[1][0]), "+f"(d[1][1]), "+f"(d[1][2]), "+f"(d[1][3]), "+f"(d[2][0]), "+f"(d[2][1]), "+f"(d[2][2]), "+f"(d[2][3]), "+f"(d[3][0]), "+f"(d[3][1]), "+f"(d[3][2]), "+f"(d[3][3]), "+f"(d[4][0]), "+f"(d[4][1]), "+f"(d[4][2]), "+f"(d[4][3]), "+f"(d[5][0]), "+f"(d[5][1]), "+f"(d[5][2]), "+f"(d[5][3]), "+f"(d[6][0]), "+f"(d[6][1]), "+f"(d[6][2]), "+f"(d[6][3]), "+f"(d[7][0]), "+f"(d[7][1]), "+f"(d[7][2]), "+f"(d[7][3]), "+f"(d[8][0]), "+f"(d[8][1]), "+f"(d[8][2]), "+f"(d[8][3]), "+f"(d[9][0]), "+f"(d[9][1]), "+f"(d[9][2]), "+f"(d[9][3]), "+f"(d[10][0]), "+f"(d[10][1]), "+f"(d[10][2]), "+f"(d[10][3]), "+f"(d[11][0]), "+f"(d[11][1]), "+f"(d[11][2]), "+f"(d[11][3]), "+f"(d[12][0]), "+f"(d[12][1]), "+f"(d[12][2]), "+f"(d[12][3]), "+f"(d[13][0]), "+f"(d[13][1]), "+f"(d[13][2]), "+f"(d[13][3]), "+f"(d[14][0]), "+f"(d[14][1]), "+f"(d[14][2]), "+f"(d[14][3]), "+f"(d[15][0]), "+f"(d[15][1]), "+f"(d[15][2]), "+f"(d[15][3])
		: "l"(a), "l"(b), "r"(add), "n"((int)TRANS));
}
// end of PTX

// After finish, so that no use of x moves before it.
template <int N> __device__ __forceinline__ void done(float (&x)[N][4]) {
#pragma unroll
	for (int n = 0; n < N; n++)
#pragma unroll
		for (int i = 0; i < 4; i++) asm volatile("" : "+f"(x[n][i])::"memory");
}

// held keeps a left operand as it is until here: products in flight read it.
template <int N> __device__ __forceinline__ void held(const u32 (&a)[N][4]) {
#pragma unroll
	for (int n = 0; n < N; n++)
#pragma unroll
		for (int i = 0; i < 4; i++) asm volatile("" ::"r"(a[n][i]) : "memory");
}

// The descriptor of an operand: 8 rows of 128 bytes follow each other, then the next 8;
// the next 64 columns of a transposed one are `wide` bytes on.
__device__ __forceinline__ u64 operand(u32 at, int wide) { return (u64)(at >> 4) | (u64)(wide >> 4) << 16 | (u64)(1024 >> 4) << 32 | (u64)1 << 62; }

// Piece c (8 channels) of row r of ROWS.
template <int ROWS> __device__ __forceinline__ int piece(int r, int c) { return c / 8 * (ROWS * 128) + r * 128 + ((c ^ r) & 7) * 16; }

struct Place {
	int head, kv, first; // first row of the block, in the sequence
	i64 row;             // of the sequence's first token
	int lane, g, t, group, own; // of the warp: its warpgroup and its first row in the block
};

__device__ __forceinline__ Place place(int seq, int heads, int shared_by, int rows, bool queries) {
	int tiles = (seq + rows - 1) / rows, unit = blockIdx.x / tiles, i = blockIdx.x % tiles;
	Place p;
	p.head = unit % heads;
	p.kv = p.head / shared_by;
	p.row = (i64)(unit / heads) * seq;
	p.first = (CAUSAL && queries ? tiles - 1 - i : i) * rows;
	p.lane = threadIdx.x % 32;
	p.g = p.lane / 4;
	p.t = p.lane % 4;
	p.group = threadIdx.x / 128;
	p.own = threadIdx.x / 32 * 16;
	return p;
}

template <int ROWS, int THREADS> __device__ __forceinline__ void fetch(u32 to, const bf16 *from, int stride, int first, int seq) {
	const int chunks = DIM / 8;
#pragma unroll
	for (int n = 0; n < (ROWS * chunks + THREADS - 1) / THREADS; n++) {
		int i = n * THREADS + threadIdx.x, r = i / chunks, c = i % chunks;
		bool there = first + r < seq;
		if (ROWS * chunks % THREADS == 0 || i < ROWS * chunks) copy<16>(to + piece<ROWS>(r, c), from + (there ? (i64)(first + r) * stride + c * 8 : 0), there);
	}
}

// Left operands that all tiles share are read again for each one: kept in registers from
// one turn of the loop to the next, the compiler of CUDA 13.0 overwrites them.

// left_at is where a thread begins to read the warp's rows of a left operand of ROWS
// rows, left reads their columns 16·step on.
template <int ROWS> __device__ __forceinline__ u32 left_at(u32 base, const Place &p) { return base + piece<ROWS>(p.own + (p.lane & 15), p.lane >> 4); }
template <int ROWS> __device__ __forceinline__ void left(u32 (&a)[4], u32 at, int step) { matrices(a, (at ^ step % 4 * 32) + step / 4 * (ROWS * 128)); }

// The left operand that a product's result makes, rounded: columns 16·j on.
template <int N> __device__ __forceinline__ void turn(u32 (&a)[4], const float (&s)[N][4], int j) {
#pragma unroll
	for (int i = 0; i < 4; i++) a[i] = bf16x2(s[2 * j + i / 2][i % 2 * 2], s[2 * j + i / 2][i % 2 * 2 + 1]);
}

// fetch_ids starts the copy of the ids of a tile of N keys, to one of two places in turn.
template <int N> __device__ __forceinline__ void fetch_ids(u32 to, const float *ids, int ids_row, int tile, int seq) {
	if (PADS && threadIdx.x < N) {
		int key = tile * N + threadIdx.x;
		copy<4>(to + ((tile & 1) * N + threadIdx.x) * 4, ids + (key < seq ? (i64)key * ids_row : 0), key < seq);
	}
}

// hide sets the scores that do not count to −∞: of N keys from `from` on for queries mine + g
// and mine + g + 8. id are the keys' ids, pads whether some may be padding.
template <int N> __device__ __forceinline__ void hide(float (&s)[N / 8][4], int from, int mine, int seq, const Place &at, const float *id, float pad, bool pads) {
	if (pads || from + N > seq || (CAUSAL && from + N > mine + 1)) {
#pragma unroll
		for (int n = 0; n < N / 8; n++)
#pragma unroll
			for (int e = 0; e < 2; e++) {
				int col = n * 8 + at.t * 2 + e, key = from + col;
				bool no = PADS ? padding(key, seq, id[col], pad) : key >= seq;
				if (no || (CAUSAL && key > mine + at.g)) s[n][e] = NONE;
				if (no || (CAUSAL && key > mine + at.g + 8)) s[n][2 + e] = NONE;
			}
	}
}

// soften makes p of the scores of rows g and g + 8; rescale(r, f) multiplies what was summed up
// before with f. c is the scale in powers of 2.
template <int N, class Do> __device__ __forceinline__ void soften(float (&s)[N][4], float (&top)[2], float (&sum)[2], float c, Do rescale) {
#pragma unroll
	for (int r = 0; r < 2; r++) {
		float most = top[r];
#pragma unroll
		for (int n = 0; n < N; n++) most = fmaxf(most, fmaxf(s[n][2 * r], s[n][2 * r + 1]));
		most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, 1));
		most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, 2));
		float zero = PADS && most == NONE ? 0.f : most * c, all = 0.f; // no key yet: all are 2^−∞
		float f = exp_2(top[r] * c - zero);
		top[r] = most;
#pragma unroll
		for (int n = 0; n < N; n++)
#pragma unroll
			for (int e = 0; e < 2; e++) all += s[n][2 * r + e] = exp_2(s[n][2 * r + e] * c - zero);
		sum[r] = sum[r] * f + all; // this thread's columns
		rescale(r, f);
	}
}

// conclude makes f of the sums, what y is to be multiplied with, and writes lse where it is
// wanted. at.row, heads and seq say where the rows mine + g and mine + g + 8 lie.
__device__ __forceinline__ void conclude(float (&f)[2], const float (&top)[2], const float (&sum)[2], float *lse, int mine, int seq, int heads, const Place &at, float scale) {
#pragma unroll
	for (int r = 0; r < 2; r++) {
		float all = sum[r];
		all += __shfl_xor_sync(0xffffffffu, all, 1);
		all += __shfl_xor_sync(0xffffffffu, all, 2);
		f[r] = all > 0.f ? 1.f / all : 0.f;
		int row = mine + r * 8 + at.g;
		if (lse && at.t == 0 && row < seq) lse[(at.row + row) * heads + at.head] = all > 0.f ? top[r] * scale + logf(all) : 0.f;
	}
}

// key_scales is what dk and dv of keys mine + g and mine + g + 8 are multiplied with: padding
// gets nothing, whatever was summed up for it.
__device__ __forceinline__ void key_scales(float (&fk)[2], float (&fv)[2], const float *ids, int ids_row, float pad, int mine, int seq, const Place &at, float scale) {
#pragma unroll
	for (int r = 0; r < 2; r++) {
		int key = mine + r * 8 + at.g;
		bool no = PADS && key < seq && ids[(i64)key * ids_row] == pad;
		fk[r] = no ? 0.f : scale, fv[r] = no ? 0.f : 1.f;
	}
}

// store writes a warp's 16 rows of an output, times f, by way of its own rows of ROWS in
// shared memory.
template <int ROWS> __device__ __forceinline__ void store(bf16 *to, i64 stride, int first, int seq, char *base, const Place &p, const float (&o)[DIM / 8][4], const float (&f)[2]) {
	__syncwarp();
#pragma unroll
	for (int n = 0; n < DIM / 8; n++)
#pragma unroll
		for (int r = 0; r < 2; r++) *(u32 *)(base + piece<ROWS>(p.own + p.g + 8 * r, n) + p.t * 4) = f[r] == 0.f ? 0 : bf16x2(o[n][2 * r] * f[r], o[n][2 * r + 1] * f[r]);
	__syncwarp();
	const int chunks = DIM / 8;
#pragma unroll
	for (int i = p.lane; i < 16 * chunks; i += 32) {
		int r = i / chunks, c = i % chunks;
		if (first + r < seq) *(uint4 *)(to + (i64)(first + r) * stride + c * 8) = *(const uint4 *)(base + piece<ROWS>(p.own + r, c));
	}
}

// Shared memory from a multiple of 1024 on.
__device__ __forceinline__ char *aligned(void *p) { return (char *)p + (-shared_at(p) & 1023); }
