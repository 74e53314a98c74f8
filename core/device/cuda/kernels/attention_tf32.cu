// Attention in TF32 on the tensor cores: float32 values, rounded to TF32 where they enter a
// product, sums in float32; DIM channels a head, a multiple of 16 up to 128. What is computed,
// and the arguments, are those of attention.cu; scale is above 0. Ids may be null without PADS.
//
// Four warps a block. A warp owns 16·MT rows of the product at hand and all its columns. The
// other side's rows come in tiles of 32, two of them on their way or in use at a time.
//
// A 16×8 piece of a left operand is u32[4], an 8×8 piece of a right one u32[2], a 16×8 piece of
// a result float[4] in each thread, as mma.m16n8k8 has them: thread 4·g + t of the warp has
// columns 2·t, 2·t + 1 of rows g (first two) and g + 8 of a result, and terms t and t + 4 of
// operands. Where a result is the next product's left operand, its columns 2·t and 2·t + 1 are
// terms t and t + 4: the right operand's rows are read in that order, and nothing is moved.
//
// CAUSAL and PADS are 0 or 1.

#include "attention_mma.cuh"

#define STEPS (DIM / 8)
#define LD (DIM + 4) // length of a row in shared memory: 16·odd bytes, no bank conflicts
#define TILE 32      // rows of a tile that streams by
#if DIM <= 64
#define MT 2
#else
#define MT 1 // two gradients of more rows do not fit the registers
#endif
#define ROWS (WARPS * 16 * MT) // of a block

// fetch starts the copy of COUNT rows first, first + 1, … of a head; rows from seq on are zero.
template <int COUNT> __device__ __forceinline__ void fetch(u32 to, const float *from, int stride, int first, int seq) {
	const int chunks = DIM / 4, threads = WARPS * 32;
#pragma unroll
	for (int n = 0; n < COUNT * chunks / threads; n++) {
		int i = n * threads + threadIdx.x, r = i / chunks, c = i % chunks * 4;
		bool there = first + r < seq;
		copy<16>(to + (r * LD + c) * 4, from + (there ? (i64)(first + r) * stride + c : 0), there);
	}
}

// left is 16 rows by 8 terms of a left operand that lies as [row][term] from `at` on; right are
// 16 columns by 8 terms of a right one that lies as [column][term], the second 8 in b[2], b[3].
__device__ __forceinline__ void rounded(u32 (&a)[4]) {
#pragma unroll
	for (int i = 0; i < 4; i++) a[i] = tf32(a[i]);
}
__device__ __forceinline__ void left(u32 (&a)[4], u32 at, int lane) {
	matrices(a, at + ((lane & 15) * LD + (lane >> 4) * 4) * 4);
	rounded(a);
}
__device__ __forceinline__ void right(u32 (&b)[4], u32 at, int lane) {
	matrices(b, at + (((lane & 7) + (lane >> 4) * 8) * LD + (lane >> 3 & 1) * 4) * 4);
	rounded(b);
}

// dots: s = a·bᵀ over the channels, 16·MT rows of a by TILE rows of b.
__device__ __forceinline__ void dots(float (&s)[MT][TILE / 8][4], u32 a, u32 b, int lane) {
#pragma unroll
	for (int m = 0; m < MT; m++)
#pragma unroll
		for (int n = 0; n < TILE / 8; n++)
#pragma unroll
			for (int i = 0; i < 4; i++) s[m][n][i] = 0.f;
#pragma unroll
	for (int step = 0; step < STEPS; step++) {
		u32 l[MT][4];
#pragma unroll
		for (int m = 0; m < MT; m++) left(l[m], a + (m * 16 * LD + step * 8) * 4, lane);
#pragma unroll
		for (int n = 0; n < TILE / 16; n++) {
			u32 r[4];
			right(r, b + (n * 16 * LD + step * 8) * 4, lane);
#pragma unroll
			for (int m = 0; m < MT; m++) {
				mma_tf32(s[m][2 * n], l[m], r[0], r[1]);
				mma_tf32(s[m][2 * n + 1], l[m], r[2], r[3]);
			}
		}
	}
}

// gather: o += p·x, where p is a result of dots and x are TILE rows.
__device__ __forceinline__ void gather(float (&o)[MT][DIM / 8][4], const float (&p)[MT][TILE / 8][4], u32 x, const Place &at) {
#pragma unroll
	for (int j = 0; j < TILE / 8; j++) {
		u32 l[MT][4];
#pragma unroll
		for (int m = 0; m < MT; m++)
#pragma unroll
			for (int i = 0; i < 4; i++) l[m][i] = tf32(__float_as_uint(p[m][j][i % 2 * 2 + i / 2]));
		u32 row = x + ((j * 8 + at.t * 2) * LD + at.g) * 4;
#pragma unroll
		for (int n = 0; n < DIM / 8; n++) {
			u32 b0 = tf32(word(row + n * 32)), b1 = tf32(word(row + (LD + n * 8) * 4));
#pragma unroll
			for (int m = 0; m < MT; m++) mma_tf32(o[m][n], l[m], b0, b1);
		}
	}
}

// store writes a warp's rows of an output, times f.
__device__ __forceinline__ void store(float *to, i64 stride, int first, int seq, const Place &p, const float (&o)[MT][DIM / 8][4], const float (&f)[MT][2]) {
#pragma unroll
	for (int m = 0; m < MT; m++)
#pragma unroll
		for (int r = 0; r < 2; r++) {
			int row = first + m * 16 + r * 8 + p.g;
			if (row >= seq) continue;
#pragma unroll
			for (int n = 0; n < DIM / 8; n++) {
				float2 two;
				two.x = f[m][r] == 0.f ? 0.f : o[m][n][2 * r] * f[m][r];
				two.y = f[m][r] == 0.f ? 0.f : o[m][n][2 * r + 1] * f[m][r];
				*(float2 *)(to + row * stride + n * 8 + p.t * 2) = two;
			}
		}
}

// hide takes keys from, from + 1, … away from the scores of queries mine, mine + 1, …, where they
// are past the sequence, padding or, with CAUSAL, later.
__device__ __forceinline__ void hide(float (&s)[MT][TILE / 8][4], int mine, int from, int seq, const float *ids, int ids_row, float pad, const Place &at) {
#pragma unroll
	for (int n = 0; n < TILE / 8; n++)
#pragma unroll
		for (int e = 0; e < 2; e++) {
			int key = from + n * 8 + at.t * 2 + e;
			bool no = key >= seq || (PADS && ids[(i64)key * ids_row] == pad);
#pragma unroll
			for (int m = 0; m < MT; m++) {
				if (no || (CAUSAL && key > mine + m * 16 + at.g)) s[m][n][e] = NONE;
				if (no || (CAUSAL && key > mine + m * 16 + at.g + 8)) s[m][n][2 + e] = NONE;
			}
		}
}

// tf32_attend: y and, where it is given, lse. One block for each ROWS queries of a head; shared
// memory: queries, twice keys and values.
extern "C" __global__ void __launch_bounds__(128, 2) tf32_attend(const float *q, int q_row, const float *k, const float *v, int kv_row,
		float *y, float *lse, const float *ids, int ids_row, float pad, int seq, int heads, int kv_heads, int causal, float scale) {
	extern __shared__ uint4 shared[];
	const int pair = 2 * TILE * LD * 4; // bytes of a tile of keys and values
	Place at = place(seq, heads, heads / kv_heads, ROWS, true);
	u32 q_at = shared_at(shared), kv_at = q_at + ROWS * LD * 4, own = q_at + at.own * LD * 4;
	k += at.row * kv_row + at.kv * DIM;
	v += at.row * kv_row + at.kv * DIM;
	ids += at.row * ids_row;

	int end = CAUSAL && at.first + ROWS < seq ? at.first + ROWS : seq, tiles = (end + TILE - 1) / TILE;
	auto bring = [&](int tile) {
		u32 to = kv_at + (tile & 1) * pair;
		fetch<TILE>(to, k, kv_row, tile * TILE, seq);
		fetch<TILE>(to + TILE * LD * 4, v, kv_row, tile * TILE, seq);
	};
	fetch<ROWS>(q_at, q + at.row * q_row + at.head * DIM, q_row, at.first, seq);
	bring(0);

	float o[MT][DIM / 8][4] = {}, top[MT][2], sum[MT][2] = {}, c = scale * LOG2E;
#pragma unroll
	for (int m = 0; m < MT; m++) top[m][0] = top[m][1] = NONE;
	int mine = at.first + at.own; // the warp's first query
	for (int tile = 0; tile < tiles; tile++) {
		arrived();
		__syncthreads();
		if (tile + 1 < tiles) bring(tile + 1);
		int from = tile * TILE;
		if (CAUSAL && from >= mine + 16 * MT) continue; // all of it comes later
		u32 ks = kv_at + (tile & 1) * pair, vs = ks + TILE * LD * 4;

		float s[MT][TILE / 8][4];
		dots(s, own, ks, at.lane);
		if (PADS || from + TILE > seq || (CAUSAL && from + TILE > mine + 1)) hide(s, mine, from, seq, ids, ids_row, pad, at);
		soften(s, o, top, sum, c);
		gather(o, s, vs, at);
	}
	float f[MT][2];
	summed(f, lse, top, sum, scale, mine, seq, heads, at);
	store(y + at.row * heads * DIM + at.head * DIM, (i64)heads * DIM, mine, seq, at, o, f);
}

// tf32_attend_dq: one block for each ROWS queries of a head; shared memory: queries, dy, twice
// keys and values.
extern "C" __global__ void __launch_bounds__(128, 2) tf32_attend_dq(const float *q, int q_row, const float *k, const float *v, int kv_row,
		const float *dy, const float *lse, const float *sums, float *dq, const float *ids, int ids_row, float pad,
		int seq, int heads, int kv_heads, int causal, float scale) {
	extern __shared__ uint4 shared[];
	const int pair = 2 * TILE * LD * 4;
	Place at = place(seq, heads, heads / kv_heads, ROWS, true);
	u32 q_at = shared_at(shared), dy_at = q_at + ROWS * LD * 4, kv_at = dy_at + ROWS * LD * 4;
	k += at.row * kv_row + at.kv * DIM;
	v += at.row * kv_row + at.kv * DIM;
	ids += at.row * ids_row;

	int end = CAUSAL && at.first + ROWS < seq ? at.first + ROWS : seq, tiles = (end + TILE - 1) / TILE;
	auto bring = [&](int tile) {
		u32 to = kv_at + (tile & 1) * pair;
		fetch<TILE>(to, k, kv_row, tile * TILE, seq);
		fetch<TILE>(to + TILE * LD * 4, v, kv_row, tile * TILE, seq);
	};
	fetch<ROWS>(q_at, q + at.row * q_row + at.head * DIM, q_row, at.first, seq);
	fetch<ROWS>(dy_at, dy + (at.row * heads + at.head) * DIM, heads * DIM, at.first, seq);
	bring(0);

	float o[MT][DIM / 8][4] = {}, log[MT][2], all[MT][2], f[MT][2], c = scale * LOG2E;
	int mine = at.first + at.own;
#pragma unroll
	for (int m = 0; m < MT; m++)
#pragma unroll
		for (int r = 0; r < 2; r++) {
			int row = mine + m * 16 + r * 8 + at.g;
			log[m][r] = row < seq ? lse[(at.row + row) * heads + at.head] * LOG2E : 0.f;
			all[m][r] = row < seq ? sums[(at.row + row) * heads + at.head] : 0.f;
			f[m][r] = scale;
		}
	for (int tile = 0; tile < tiles; tile++) {
		arrived();
		__syncthreads();
		if (tile + 1 < tiles) bring(tile + 1);
		int from = tile * TILE;
		if (CAUSAL && from >= mine + 16 * MT) continue; // all of it comes later
		u32 ks = kv_at + (tile & 1) * pair, vs = ks + TILE * LD * 4;

		float s[MT][TILE / 8][4], dp[MT][TILE / 8][4];
		dots(s, q_at + at.own * LD * 4, ks, at.lane);
		if (PADS || from + TILE > seq || (CAUSAL && from + TILE > mine + 1)) hide(s, mine, from, seq, ids, ids_row, pad, at);
		dots(dp, dy_at + at.own * LD * 4, vs, at.lane);
#pragma unroll
		for (int m = 0; m < MT; m++)
#pragma unroll
			for (int n = 0; n < TILE / 8; n++)
#pragma unroll
				for (int i = 0; i < 4; i++) s[m][n][i] = exp_2(s[m][n][i] * c - log[m][i / 2]) * (dp[m][n][i] - all[m][i / 2]);
		gather(o, s, ks, at);
	}
	store(dq + at.row * q_row + at.head * DIM, q_row, mine, seq, at, o, f);
}

// tf32_attend_dkv: dk and dv, summed over the heads of queries that share the key. One block for
// each ROWS keys of a head of keys; rows of a product are keys, columns queries: pᵀ and dsᵀ are
// left operands. Shared memory: keys, values, twice queries and dy, twice their lse and sums.
extern "C" __global__ void __launch_bounds__(128, 2) tf32_attend_dkv(const float *q, int q_row, const float *k, const float *v, int kv_row,
		const float *dy, const float *lse, const float *sums, float *dk, float *dv, const float *ids, int ids_row, float pad,
		int seq, int heads, int kv_heads, int causal, float scale) {
	extern __shared__ uint4 shared[];
	const int pair = 2 * TILE * LD * 4;
	Place at = place(seq, kv_heads, 1, ROWS, false);
	int group = heads / kv_heads;
	u32 k_at = shared_at(shared), v_at = k_at + ROWS * LD * 4, q_at = v_at + ROWS * LD * 4, stats_at = q_at + 2 * pair;
	const float *stats = (const float *)((const char *)shared + (2 * ROWS * LD * 4 + 2 * pair)); // [2][2][TILE]: lse, sums
	q += at.row * q_row;
	dy += at.row * heads * DIM;
	lse += at.row * heads;
	sums += at.row * heads;
	ids += at.row * ids_row;

	// Tiles of queries: those of a head from `start` on, head after head.
	int start = CAUSAL ? at.first / TILE : 0, each = (seq + TILE - 1) / TILE - start, tiles = group * each;
	auto bring = [&](int tile) {
		u32 to = q_at + (tile & 1) * pair;
		int h = at.kv * group + tile / each, first = (start + tile % each) * TILE;
		fetch<TILE>(to, q + h * DIM, q_row, first, seq);
		fetch<TILE>(to + TILE * LD * 4, dy + h * DIM, heads * DIM, first, seq);
		if (threadIdx.x < 2 * TILE) {
			int row = first + threadIdx.x % TILE;
			const float *from = threadIdx.x < TILE ? lse : sums;
			copy<4>(stats_at + ((tile & 1) * 2 * TILE + threadIdx.x) * 4, from + (row < seq ? (i64)row * heads + h : 0), row < seq);
		}
	};
	if (PADS) {
		int key = at.first + threadIdx.x;
		if (!__syncthreads_or(threadIdx.x < ROWS && key < seq && ids[(i64)key * ids_row] != pad)) tiles = 0; // all are padding
	}
	if (tiles > 0) {
		fetch<ROWS>(k_at, k + at.row * kv_row + at.kv * DIM, kv_row, at.first, seq);
		fetch<ROWS>(v_at, v + at.row * kv_row + at.kv * DIM, kv_row, at.first, seq);
		bring(0);
	}

	float ok[MT][DIM / 8][4] = {}, ov[MT][DIM / 8][4] = {}, c = scale * LOG2E;
	int mine = at.first + at.own; // the warp's first key
	for (int tile = 0; tile < tiles; tile++) {
		arrived();
		__syncthreads();
		if (tile + 1 < tiles) bring(tile + 1);
		int from = (start + tile % each) * TILE;
		if (CAUSAL && from + TILE <= mine) continue; // all of them come earlier
		u32 qs = q_at + (tile & 1) * pair, dys = qs + TILE * LD * 4;
		const float *logs = stats + (tile & 1) * 2 * TILE, *alls = logs + TILE;

		float s[MT][TILE / 8][4], dp[MT][TILE / 8][4];
		dots(s, k_at + at.own * LD * 4, qs, at.lane);
		// A query past the sequence has q, dy, lse and sums 0: it adds nothing.
#pragma unroll
		for (int m = 0; m < MT; m++)
#pragma unroll
			for (int n = 0; n < TILE / 8; n++)
#pragma unroll
				for (int i = 0; i < 4; i++) {
					int query = n * 8 + at.t * 2 + i % 2;
					bool no = CAUSAL && mine + m * 16 + i / 2 * 8 + at.g > from + query;
					s[m][n][i] = no ? 0.f : exp_2(s[m][n][i] * c - logs[query] * LOG2E);
				}
		gather(ov, s, dys, at);
		dots(dp, v_at + at.own * LD * 4, dys, at.lane);
#pragma unroll
		for (int m = 0; m < MT; m++)
#pragma unroll
			for (int n = 0; n < TILE / 8; n++)
#pragma unroll
				for (int i = 0; i < 4; i++) s[m][n][i] *= dp[m][n][i] - alls[n * 8 + at.t * 2 + i % 2];
		gather(ok, s, qs, at);
	}
	float fk[MT][2], fv[MT][2];
	unpadded(fk, fv, scale, mine, seq, ids, ids_row, pad, at);
	store(dk + at.row * kv_row + at.kv * DIM, kv_row, mine, seq, at, ok, fk);
	store(dv + at.row * kv_row + at.kv * DIM, kv_row, mine, seq, at, ov, fv);
}
