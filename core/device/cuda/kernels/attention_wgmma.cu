// Attention on Hopper's tensor cores: as attention_mma.cu, for heads of 64 channels (the
// forward kernel also of 128), with products of a whole warpgroup (wgmma, sm_90a). The left
// operand, 64 rows, is in the registers of four warps as mma.m16n8k16 has it, 16 rows a
// warp; the right one is read from shared memory, where a tile lies as [row][64 channels]
// in rows of 128 bytes, their 16-byte pieces swizzled: piece c of row r is at c ^ (r mod 8).
// Such a tile serves as [column][k] and, transposed, as [k][column].
//
// CAUSAL and PADS are 0 or 1.

#define STEPS (DIM / 16)
#define TILE 64 // rows of a tile that streams by
#define HALF (TILE * 128) // bytes of its first 64 channels

#include "tensorcores.cuh"

// PTX
// What copies wrote is for the tensor cores to read.
__device__ __forceinline__ void publish() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// Products of a warpgroup: begin, any number of them, finish.
__device__ __forceinline__ void begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void finish() { asm volatile("wgmma.commit_group.sync.aligned; wgmma.wait_group.sync.aligned 0;" ::: "memory"); }

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
// end of PTX

// After finish, so that no use of x moves before it.
template <int N> __device__ __forceinline__ void done(float (&x)[N][4]) {
#pragma unroll
	for (int n = 0; n < N; n++)
#pragma unroll
		for (int i = 0; i < 4; i++) asm volatile("" : "+f"(x[n][i])::"memory");
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
	for (int n = 0; n < ROWS * chunks / THREADS; n++) {
		int i = n * THREADS + threadIdx.x, r = i / chunks, c = i % chunks;
		bool there = first + r < seq;
		copy<16>(to + piece<ROWS>(r, c), from + (there ? (i64)(first + r) * stride + c * 8 : 0), there);
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

// Warpgroups of a block of queries; blocks that share a multiprocessor.
#if DIM == 64
#define QGROUPS 1
#define FBLOCKS 4
#else
#define QGROUPS 2
#define FBLOCKS 1
#endif
#define QROWS (QGROUPS * 64)

// wgmma_attend: mma_attend.
extern "C" __global__ void __launch_bounds__(QGROUPS * 128, FBLOCKS) wgmma_attend(const bf16 *q, int q_row, const bf16 *k, const bf16 *v, int kv_row,
		bf16 *y, float *lse, const float *ids, int ids_row, float pad, int seq, int heads, int kv_heads, int causal, float scale) {
	extern __shared__ uint4 shared[];
	const int side = TILE * DIM * 2, pair = 2 * side, threads = QGROUPS * 128; // bytes
	Place at = place(seq, heads, heads / kv_heads, QROWS, true);
	char *base = aligned(shared);
	u32 q_at = shared_at(base), kv_at = q_at + QROWS * DIM * 2, ids_at = kv_at + 2 * pair;
	const float *id = (const float *)(base + QROWS * DIM * 2 + 2 * pair);
	k += at.row * kv_row + at.kv * DIM;
	v += at.row * kv_row + at.kv * DIM;
	ids += at.row * ids_row;

	int end = CAUSAL && at.first + QROWS < seq ? at.first + QROWS : seq, tiles = (end + TILE - 1) / TILE;
	auto bring = [&](int tile) {
		u32 to = kv_at + (tile & 1) * pair;
		fetch<TILE, threads>(to, k, kv_row, tile * TILE, seq);
		fetch<TILE, threads>(to + side, v, kv_row, tile * TILE, seq);
		if (PADS && threadIdx.x < TILE) {
			int key = tile * TILE + threadIdx.x;
			copy<4>(ids_at + ((tile & 1) * TILE + threadIdx.x) * 4, ids + (key < seq ? (i64)key * ids_row : 0), key < seq);
		}
	};
	fetch<QROWS, threads>(q_at, q + at.row * q_row + at.head * DIM, q_row, at.first, seq);
	bring(0);

	float o[DIM / 8][4] = {}, top[2] = {NONE, NONE}, sum[2] = {}, c = scale * LOG2E;
	int ours = at.first + at.group * 64, mine = at.first + at.own; // first query of the warpgroup, of the warp
	u32 q_own = left_at<QROWS>(q_at, at);
	for (int tile = 0; tile < tiles; tile++) {
		arrived();
		publish();
		__syncthreads();
		if (tile + 1 < tiles) bring(tile + 1);
		int from = tile * TILE;
		if (CAUSAL && from >= ours + 64) continue; // all of it comes later
		bool some = false; // keys are padding
		if (PADS) {
			bool a = padding(from + at.lane, seq, id[(tile & 1) * TILE + at.lane], pad), b = padding(from + 32 + at.lane, seq, id[(tile & 1) * TILE + 32 + at.lane], pad);
			if (__all_sync(0xffffffffu, a && b)) continue;
			some = __any_sync(0xffffffffu, a || b);
		}
		u32 ks = kv_at + (tile & 1) * pair, vs = ks + side;

		u32 qf[STEPS][4];
#pragma unroll
		for (int step = 0; step < STEPS; step++) left<QROWS>(qf[step], q_own, step);
		float s[TILE / 8][4]; // q·kᵀ
		begin();
#pragma unroll
		for (int step = 0; step < STEPS; step++) wgmma<false>(s, qf[step], operand(ks + step / 4 * HALF + step % 4 * 32, 16), step > 0);
		finish();
		done(s);
		if (some || from + TILE > seq || (CAUSAL && from + TILE > mine + 1)) {
#pragma unroll
			for (int n = 0; n < TILE / 8; n++)
#pragma unroll
				for (int e = 0; e < 2; e++) {
					int col = n * 8 + at.t * 2 + e, key = from + col;
					bool no = PADS ? padding(key, seq, id[(tile & 1) * TILE + col], pad) : key >= seq;
					if (no || (CAUSAL && key > mine + at.g)) s[n][e] = NONE;
					if (no || (CAUSAL && key > mine + at.g + 8)) s[n][2 + e] = NONE;
				}
		}
#pragma unroll
		for (int r = 0; r < 2; r++) {
			float most = top[r];
#pragma unroll
			for (int n = 0; n < TILE / 8; n++) most = fmaxf(most, fmaxf(s[n][2 * r], s[n][2 * r + 1]));
			most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, 1));
			most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, 2));
			float zero = PADS && most == NONE ? 0.f : most * c; // no key yet: all are 2^−∞
			float f = exp_2(top[r] * c - zero), all = 0.f;
			top[r] = most;
#pragma unroll
			for (int n = 0; n < TILE / 8; n++)
#pragma unroll
				for (int e = 0; e < 2; e++) all += s[n][2 * r + e] = exp_2(s[n][2 * r + e] * c - zero);
			sum[r] = sum[r] * f + all; // this thread's columns
#pragma unroll
			for (int n = 0; n < DIM / 8; n++) o[n][2 * r] *= f, o[n][2 * r + 1] *= f;
		}
		u32 a[TILE / 16][4];
#pragma unroll
		for (int j = 0; j < TILE / 16; j++) turn(a[j], s, j);
		begin();
#pragma unroll
		for (int j = 0; j < TILE / 16; j++) wgmma<true>(o, a[j], operand(vs + j * 2048, HALF), 1); // o += p·v
		finish();
		done(o);
	}
	float f[2];
#pragma unroll
	for (int r = 0; r < 2; r++) {
		float all = sum[r];
		all += __shfl_xor_sync(0xffffffffu, all, 1);
		all += __shfl_xor_sync(0xffffffffu, all, 2);
		f[r] = all > 0.f ? 1.f / all : 0.f;
		int row = mine + r * 8 + at.g;
		if (lse && at.t == 0 && row < seq) lse[(at.row + row) * heads + at.head] = all > 0.f ? top[r] * scale + logf(all) : 0.f;
	}
	store<QROWS>(y + at.row * heads * DIM + at.head * DIM, (i64)heads * DIM, mine, seq, base, at, o, f);
}

#if DIM == 64
// wgmma_attend_dq: mma_attend_dq.
extern "C" __global__ void __launch_bounds__(QGROUPS * 128, 3) wgmma_attend_dq(const bf16 *q, int q_row, const bf16 *k, const bf16 *v, int kv_row,
		const bf16 *y, const float *lse, const bf16 *dy, float2 *stats, bf16 *dq, const float *ids, int ids_row, float pad,
		int seq, int heads, int kv_heads, int causal, float scale) {
	extern __shared__ uint4 shared[];
	const int side = TILE * DIM * 2, pair = 2 * side, threads = QGROUPS * 128, mat = QROWS * DIM * 2;
	Place at = place(seq, heads, heads / kv_heads, QROWS, true);
	char *base = aligned(shared);
	u32 q_at = shared_at(base), dy_at = q_at + mat, y_at = dy_at + mat, kv_at = y_at, ids_at = kv_at + 2 * pair;
	const float *id = (const float *)(base + 2 * mat + 2 * pair);
	k += at.row * kv_row + at.kv * DIM;
	v += at.row * kv_row + at.kv * DIM;
	ids += at.row * ids_row;
	i64 y_from = (at.row * heads + at.head) * DIM;

	int end = CAUSAL && at.first + QROWS < seq ? at.first + QROWS : seq, tiles = (end + TILE - 1) / TILE;
	auto bring = [&](int tile) {
		u32 to = kv_at + (tile & 1) * pair;
		fetch<TILE, threads>(to, k, kv_row, tile * TILE, seq);
		fetch<TILE, threads>(to + side, v, kv_row, tile * TILE, seq);
		if (PADS && threadIdx.x < TILE) {
			int key = tile * TILE + threadIdx.x;
			copy<4>(ids_at + ((tile & 1) * TILE + threadIdx.x) * 4, ids + (key < seq ? (i64)key * ids_row : 0), key < seq);
		}
	};
	fetch<QROWS, threads>(q_at, q + at.row * q_row + at.head * DIM, q_row, at.first, seq);
	fetch<QROWS, threads>(dy_at, dy + y_from, heads * DIM, at.first, seq);
	fetch<QROWS, threads>(y_at, y + y_from, heads * DIM, at.first, seq);
	arrived();
	__syncthreads();

	float o[DIM / 8][4] = {}, log[2], all[2] = {}, c = scale * LOG2E;
	int ours = at.first + at.group * 64, mine = at.first + at.own;
	u32 q_own = left_at<QROWS>(q_at, at), dy_own = left_at<QROWS>(dy_at, at);
#pragma unroll
	for (int step = 0; step < STEPS; step++) {
		u32 a[4], b[4];
		left<QROWS>(a, dy_own, step);
		left<QROWS>(b, left_at<QROWS>(y_at, at), step);
#pragma unroll
		for (int i = 0; i < 4; i++) all[i % 2] += low(a[i]) * low(b[i]) + high(a[i]) * high(b[i]);
	}
#pragma unroll
	for (int r = 0; r < 2; r++) {
		all[r] += __shfl_xor_sync(0xffffffffu, all[r], 1);
		all[r] += __shfl_xor_sync(0xffffffffu, all[r], 2);
		int row = mine + r * 8 + at.g;
		log[r] = row < seq ? lse[(at.row + row) * heads + at.head] * LOG2E : 0.f;
		if (at.t == 0 && row < seq) {
			float2 two;
			two.x = log[r], two.y = all[r];
			stats[at.row * heads + (i64)at.head * seq + row] = two;
		}
	}
	__syncthreads(); // y is read
	bring(0);
	for (int tile = 0; tile < tiles; tile++) {
		arrived();
		publish();
		__syncthreads();
		if (tile + 1 < tiles) bring(tile + 1);
		u32 ks = kv_at + (tile & 1) * pair, vs = ks + side;
		int from = tile * TILE;
		if (CAUSAL && from >= ours + 64) continue; // all of it comes later
		bool some = false; // keys are padding
		if (PADS) {
			bool a = padding(from + at.lane, seq, id[(tile & 1) * TILE + at.lane], pad), b = padding(from + 32 + at.lane, seq, id[(tile & 1) * TILE + 32 + at.lane], pad);
			if (__all_sync(0xffffffffu, a && b)) continue;
			some = __any_sync(0xffffffffu, a || b);
		}
		u32 qf[STEPS][4], dyf[STEPS][4];
#pragma unroll
		for (int step = 0; step < STEPS; step++) left<QROWS>(qf[step], q_own, step), left<QROWS>(dyf[step], dy_own, step);
		float s[TILE / 8][4], dp[TILE / 8][4]; // q·kᵀ, dy·vᵀ
		begin();
#pragma unroll
		for (int step = 0; step < STEPS; step++) wgmma<false>(s, qf[step], operand(ks + step * 32, 16), step > 0);
#pragma unroll
		for (int step = 0; step < STEPS; step++) wgmma<false>(dp, dyf[step], operand(vs + step * 32, 16), step > 0);
		finish();
		done(s);
		done(dp);
		if (some || from + TILE > seq || (CAUSAL && from + TILE > mine + 1)) {
#pragma unroll
			for (int n = 0; n < TILE / 8; n++)
#pragma unroll
				for (int e = 0; e < 2; e++) {
					int col = n * 8 + at.t * 2 + e, key = from + col;
					bool no = PADS ? padding(key, seq, id[(tile & 1) * TILE + col], pad) : key >= seq;
					if (no || (CAUSAL && key > mine + at.g)) s[n][e] = NONE;
					if (no || (CAUSAL && key > mine + at.g + 8)) s[n][2 + e] = NONE;
				}
		}
#pragma unroll
		for (int n = 0; n < TILE / 8; n++)
#pragma unroll
			for (int i = 0; i < 4; i++) dp[n][i] = exp_2(s[n][i] * c - log[i / 2]) * (dp[n][i] - all[i / 2]);
		u32 a[TILE / 16][4];
#pragma unroll
		for (int j = 0; j < TILE / 16; j++) turn(a[j], dp, j);
		begin();
#pragma unroll
		for (int j = 0; j < TILE / 16; j++) wgmma<true>(o, a[j], operand(ks + j * 2048, HALF), 1); // dq += ds·k
		finish();
		done(o);
	}
	float f[2] = {scale, scale};
	store<QROWS>(dq + at.row * q_row + at.head * DIM, q_row, mine, seq, base, at, o, f);
}

#define KGROUPS 1 // warpgroups of a block of keys
#define KROWS (KGROUPS * 64)
#define SUB 32 // queries at a time

// wgmma_attend_dkv: mma_attend_dkv.
extern "C" __global__ void __launch_bounds__(KGROUPS * 128, 3) wgmma_attend_dkv(const bf16 *q, int q_row, const bf16 *k, const bf16 *v, int kv_row,
		const bf16 *dy, const float2 *stats, bf16 *dk, bf16 *dv, const float *ids, int ids_row, float pad,
		int seq, int heads, int kv_heads, int causal, float scale) {
	extern __shared__ uint4 shared[];
	const int side = TILE * DIM * 2, pair = 2 * side, threads = KGROUPS * 128, mat = KROWS * DIM * 2;
	Place at = place(seq, kv_heads, 1, KROWS, false);
	int group = heads / kv_heads;
	char *base = aligned(shared);
	u32 k_at = shared_at(base), v_at = k_at + mat, q_at = v_at + mat, stats_at = q_at + 2 * pair;
	const float4 *two = (const float4 *)(base + 2 * mat + 2 * pair); // of two queries
	q += at.row * q_row;
	dy += at.row * heads * DIM;
	stats += at.row * heads;

	int start = CAUSAL ? at.first / TILE : 0, each = (seq + TILE - 1) / TILE - start, tiles = group * each;
	auto bring = [&](int tile) {
		u32 to = q_at + (tile & 1) * pair;
		int h = at.kv * group + tile / each, first = (start + tile % each) * TILE;
		fetch<TILE, threads>(to, q + h * DIM, q_row, first, seq);
		fetch<TILE, threads>(to + side, dy + h * DIM, heads * DIM, first, seq);
		if (threadIdx.x < TILE) {
			int row = first + threadIdx.x;
			copy<8>(stats_at + ((tile & 1) * TILE + threadIdx.x) * 8, stats + (i64)h * seq + (row < seq ? row : 0), row < seq);
		}
	};
	ids += at.row * ids_row;
	if (PADS) {
		int key = at.first + threadIdx.x;
		if (!__syncthreads_or(threadIdx.x < KROWS && key < seq && ids[(i64)key * ids_row] != pad)) tiles = 0; // all are padding
	}
	if (tiles > 0) {
		fetch<KROWS, threads>(k_at, k + at.row * kv_row + at.kv * DIM, kv_row, at.first, seq);
		fetch<KROWS, threads>(v_at, v + at.row * kv_row + at.kv * DIM, kv_row, at.first, seq);
		bring(0);
	}

	float ok[DIM / 8][4] = {}, ov[DIM / 8][4] = {}, c = scale * LOG2E;
	int ours = at.first + at.group * 64, mine = at.first + at.own; // first key of the warpgroup, of the warp
	u32 k_own = left_at<KROWS>(k_at, at), v_own = left_at<KROWS>(v_at, at);
	for (int tile = 0; tile < tiles; tile++) {
		arrived();
		publish();
		__syncthreads();
		if (tile + 1 < tiles) bring(tile + 1);
#pragma unroll 1
		for (int sub = 0; sub < TILE; sub += SUB) {
			int from = (start + tile % each) * TILE + sub;
			if (CAUSAL && from + SUB <= ours) continue; // all of them come earlier
			u32 qs = q_at + (tile & 1) * pair + sub * 128, dys = qs + side;
			u32 kf[STEPS][4], vf[STEPS][4];
#pragma unroll
			for (int step = 0; step < STEPS; step++) left<KROWS>(kf[step], k_own, step), left<KROWS>(vf[step], v_own, step);
			float s[SUB / 8][4], dp[SUB / 8][4]; // k·qᵀ, v·dyᵀ
			begin();
#pragma unroll
			for (int step = 0; step < STEPS; step++) wgmma<false>(s, kf[step], operand(qs + step * 32, 16), step > 0);
#pragma unroll
			for (int step = 0; step < STEPS; step++) wgmma<false>(dp, vf[step], operand(dys + step * 32, 16), step > 0);
			finish();
			done(s);
			done(dp);
			// A query past the sequence has q, dy and stats 0: it adds nothing.
			if (CAUSAL && from < mine + 16) {
#pragma unroll
				for (int n = 0; n < SUB / 8; n++)
#pragma unroll
					for (int i = 0; i < 4; i++)
						if (mine + i / 2 * 8 + at.g > from + n * 8 + at.t * 2 + i % 2) s[n][i] = NONE;
			}
#pragma unroll
			for (int n = 0; n < SUB / 8; n++) {
				float4 stat = two[((tile & 1) * TILE + sub) / 2 + n * 4 + at.t];
#pragma unroll
				for (int i = 0; i < 4; i++) {
					s[n][i] = exp_2(s[n][i] * c - (i % 2 ? stat.z : stat.x));
					dp[n][i] = s[n][i] * (dp[n][i] - (i % 2 ? stat.w : stat.y));
				}
			}
			u32 a[SUB / 16][4], b[SUB / 16][4];
#pragma unroll
			for (int j = 0; j < SUB / 16; j++) turn(a[j], s, j), turn(b[j], dp, j);
			begin();
#pragma unroll
			for (int j = 0; j < SUB / 16; j++) wgmma<true>(ov, a[j], operand(dys + j * 2048, HALF), 1); // dv += pᵀ·dy
#pragma unroll
			for (int j = 0; j < SUB / 16; j++) wgmma<true>(ok, b[j], operand(qs + j * 2048, HALF), 1); // dk += dsᵀ·q
			finish();
			done(ov);
			done(ok);
		}
	}
	// Padding gets nothing, whatever was summed up for it.
	float fk[2], fv[2];
#pragma unroll
	for (int r = 0; r < 2; r++) {
		int key = mine + r * 8 + at.g;
		bool no = PADS && key < seq && ids[(i64)key * ids_row] == pad;
		fk[r] = no ? 0.f : scale, fv[r] = no ? 0.f : 1.f;
	}
	store<KROWS>(dk + at.row * kv_row + at.kv * DIM, kv_row, mine, seq, base, at, ok, fk);
	store<KROWS>(dv + at.row * kv_row + at.kv * DIM, kv_row, mine, seq, base + mat, at, ov, fv);
}
#endif
