// Attention on the tensor cores: bf16 values, DIM channels a head, a multiple of 16 up to
// 128. What is computed, and the arguments, are those of attention.cu; scale is above 0.
// After FlashAttention-2 (Dao 2023, arXiv:2307.08691), but that backward needs no atomics:
// dq has a kernel of its own, which computes the scores once more.
//
// Four warps a block. A warp owns 16·MT rows of the product at hand and all its columns,
// so softmax needs shuffles among four threads only, and a product's result is the next
// one's left operand as it lies in the registers. The other side's rows come in tiles of
// 64, two of them on their way or in use at a time.
//
// A 16×16 piece of a left operand is u32[4], a 16×8 piece of a right one u32[2], a 16×8
// piece of a result float[4] in each thread, as mma.m16n8k16 has them: thread 4·g + t of
// the warp has columns 2·t, 2·t + 1 of rows g (first two) and g + 8.
//
// CAUSAL and PADS are 0 or 1.

#include "attention_mma.cuh"

#define STEPS (DIM / 16)
#define LD (DIM + 8)  // length of a row in shared memory: 16·odd bytes, no bank conflicts
#define TILE 64       // rows of a tile that streams by
#define SUB 32        // of which backward takes so many at a time

// fetch starts the copy of rows first, first + 1, … of a head; rows from seq on are zero.
template <int ROWS> __device__ __forceinline__ void fetch(u32 to, const bf16 *from, int stride, int first, int seq) {
	const int chunks = DIM / 8, threads = WARPS * 32;
#pragma unroll
	for (int n = 0; n < (ROWS * chunks + threads - 1) / threads; n++) {
		int i = n * threads + threadIdx.x, r = i / chunks, c = i % chunks * 8;
		bool there = first + r < seq;
		if (ROWS * chunks % threads == 0 || i < ROWS * chunks) copy<16>(to + (r * LD + c) * 2, from + (there ? (i64)(first + r) * stride + c : 0), there);
	}
}

// Addresses of the rows that this thread names to ldmatrix, for operands in shared memory:
// a left one [row][k]; a right one, that lies as [column][k]; and one that lies as
// [k][column], which is read transposed. Piece (i, k) of one is (16·i·LD + 16·k)·2 bytes on.
__device__ __forceinline__ u32 left_at(u32 base, int lane) { return base + ((lane & 15) * LD + (lane >> 4) * 8) * 2; }
__device__ __forceinline__ u32 right_at(u32 base, int lane) { return base + (((lane & 7) + (lane >> 4) * 8) * LD + (lane >> 3 & 1) * 8) * 2; }
#define PIECE(i, k) (((i) * 16 * LD + (k) * 16) * 2)

// store writes a warp's rows of an output, times f, by way of shared memory (its own
// rows there, from `own` on), 16 bytes at a time.
template <int MT> __device__ __forceinline__ void store(bf16 *to, i64 stride, int first, int seq, bf16 *own, const Place &p, const float (&o)[MT][DIM / 8][4], const float (&f)[MT][2]) {
	__syncwarp();
#pragma unroll
	for (int m = 0; m < MT; m++)
#pragma unroll
		for (int n = 0; n < DIM / 8; n++) {
			u32 *at = (u32 *)(own + (m * 16 + p.g) * LD + n * 8 + p.t * 2);
			at[0] = f[m][0] == 0.f ? 0 : bf16x2(o[m][n][0] * f[m][0], o[m][n][1] * f[m][0]);
			at[8 * LD / 2] = f[m][1] == 0.f ? 0 : bf16x2(o[m][n][2] * f[m][1], o[m][n][3] * f[m][1]);
		}
	__syncwarp();
	const int chunks = DIM / 8;
#pragma unroll
	for (int i = p.lane; i < MT * 16 * chunks; i += 32) {
		int r = i / chunks, c = i % chunks * 8;
		if (first + r < seq) *(uint4 *)(to + (i64)(first + r) * stride + c) = *(const uint4 *)(own + r * LD + c);
	}
}

// mma_attend: y and, where it is given, lse. One block for each 64·MT queries of a head;
// shared memory: queries, twice keys and values, twice ids.
#define MT 2
extern "C" __global__ void __launch_bounds__(128, 2) mma_attend(const bf16 *q, int q_row, const bf16 *k, const bf16 *v, int kv_row,
		bf16 *y, float *lse, const float *ids, int ids_row, float pad, int seq, int heads, int kv_heads, int causal, float scale) {
	extern __shared__ uint4 shared[];
	const int rows = WARPS * 16 * MT, pair = 2 * TILE * LD * 2; // bytes of a tile of keys and values
	Place at = place(seq, heads, heads / kv_heads, rows, true);
	bf16 *qs = (bf16 *)shared;
	u32 q_at = shared_at(qs), kv_at = q_at + rows * LD * 2, ids_at = kv_at + 2 * pair;
	const float *id = (const float *)((const char *)shared + (rows * LD * 2 + 2 * pair));
	k += at.row * kv_row + at.kv * DIM;
	v += at.row * kv_row + at.kv * DIM;
	ids += at.row * ids_row;

	int end = CAUSAL && at.first + rows < seq ? at.first + rows : seq, tiles = (end + TILE - 1) / TILE;
	auto bring = [&](int tile) {
		u32 to = kv_at + (tile & 1) * pair;
		fetch<TILE>(to, k, kv_row, tile * TILE, seq);
		fetch<TILE>(to + TILE * LD * 2, v, kv_row, tile * TILE, seq);
		if (PADS && threadIdx.x < TILE) {
			int key = tile * TILE + threadIdx.x;
			copy<4>(ids_at + ((tile & 1) * TILE + threadIdx.x) * 4, ids + (key < seq ? (i64)key * ids_row : 0), key < seq);
		}
	};
	fetch<rows>(q_at, q + at.row * q_row + at.head * DIM, q_row, at.first, seq);
	bring(0);

	float o[MT][DIM / 8][4] = {}, top[MT][2], sum[MT][2] = {}, c = scale * LOG2E;
#pragma unroll
	for (int m = 0; m < MT; m++) top[m][0] = top[m][1] = NONE;
#if DIM <= 64
	u32 qf[MT][STEPS][4]; // the warp's queries
	arrived();
	__syncthreads();
#pragma unroll
	for (int m = 0; m < MT; m++)
#pragma unroll
		for (int step = 0; step < STEPS; step++) matrices(qf[m][step], left_at(q_at + at.own * LD * 2, at.lane) + PIECE(m, step));
#endif
	int mine = at.first + at.own; // the warp's first query
	for (int tile = 0; tile < tiles; tile++) {
		arrived();
		__syncthreads();
		if (tile + 1 < tiles) bring(tile + 1);
		int from = tile * TILE;
		if (CAUSAL && from >= mine + 16 * MT) continue; // all of it comes later
		bool some = false; // keys are padding
		if (PADS) {
			bool a = padding(from + at.lane, seq, id[(tile & 1) * TILE + at.lane], pad), b = padding(from + 32 + at.lane, seq, id[(tile & 1) * TILE + 32 + at.lane], pad);
			if (__all_sync(0xffffffffu, a && b)) continue;
			some = __any_sync(0xffffffffu, a || b);
		}
		u32 ks = kv_at + (tile & 1) * pair, vs = ks + TILE * LD * 2;

		float s[MT][TILE / 8][4] = {}; // q·kᵀ
#pragma unroll
		for (int step = 0; step < STEPS; step++) {
#if DIM > 64
			u32 a[MT][4];
#pragma unroll
			for (int m = 0; m < MT; m++) matrices(a[m], left_at(q_at + at.own * LD * 2, at.lane) + PIECE(m, step));
#endif
#pragma unroll
			for (int n = 0; n < TILE / 16; n++) {
				u32 b[4];
				matrices(b, right_at(ks, at.lane) + PIECE(n, step));
#pragma unroll
				for (int m = 0; m < MT; m++) {
#if DIM <= 64
					mma(s[m][2 * n], qf[m][step], b[0], b[1]);
					mma(s[m][2 * n + 1], qf[m][step], b[2], b[3]);
#else
					mma(s[m][2 * n], a[m], b[0], b[1]);
					mma(s[m][2 * n + 1], a[m], b[2], b[3]);
#endif
				}
			}
		}
		if (some || from + TILE > seq || (CAUSAL && from + TILE > mine + 1)) {
#pragma unroll
			for (int n = 0; n < TILE / 8; n++)
#pragma unroll
				for (int e = 0; e < 2; e++) {
					int col = n * 8 + at.t * 2 + e, key = from + col;
					bool no = PADS ? padding(key, seq, id[(tile & 1) * TILE + col], pad) : key >= seq;
#pragma unroll
					for (int m = 0; m < MT; m++) {
						if (no || (CAUSAL && key > mine + m * 16 + at.g)) s[m][n][e] = NONE;
						if (no || (CAUSAL && key > mine + m * 16 + at.g + 8)) s[m][n][2 + e] = NONE;
					}
				}
		}
		soften(s, o, top, sum, c);
#pragma unroll
		for (int j = 0; j < TILE / 16; j++) { // o += p·v
			u32 a[MT][4];
#pragma unroll
			for (int m = 0; m < MT; m++)
#pragma unroll
				for (int i = 0; i < 4; i++) a[m][i] = bf16x2(s[m][2 * j + i / 2][i % 2 * 2], s[m][2 * j + i / 2][i % 2 * 2 + 1]);
#pragma unroll
			for (int n = 0; n < STEPS; n++) {
				u32 b[4];
				matrices_t(b, left_at(vs, at.lane) + PIECE(j, n));
#pragma unroll
				for (int m = 0; m < MT; m++) {
					mma(o[m][2 * n], a[m], b[0], b[1]);
					mma(o[m][2 * n + 1], a[m], b[2], b[3]);
				}
			}
		}
	}
	float f[MT][2];
	summed(f, lse, top, sum, scale, mine, seq, heads, at);
	store<MT>(y + at.row * heads * DIM + at.head * DIM, (i64)heads * DIM, mine, seq, qs + at.own * LD, at, o, f);
}

// mma_attend_dq: dq, and for mma_attend_dkv stats [samples][heads][seq][2], lse/ln 2 and
// Σ dy·y of each query. One block for each 64·MT queries of a head; shared memory: queries,
// dy, twice keys and values (where y is first), twice ids. Keys come KEYS at a time, so that
// two blocks fit a multiprocessor.
#define KEYS (DIM <= 64 ? 64 : 32)
extern "C" __global__ void __launch_bounds__(128, 2) mma_attend_dq(const bf16 *q, int q_row, const bf16 *k, const bf16 *v, int kv_row,
		const bf16 *y, const float *lse, const bf16 *dy, float2 *stats, bf16 *dq, const float *ids, int ids_row, float pad,
		int seq, int heads, int kv_heads, int causal, float scale) {
	extern __shared__ uint4 shared[];
	const int rows = WARPS * 16 * MT, pair = 2 * KEYS * LD * 2;
	Place at = place(seq, heads, heads / kv_heads, rows, true);
	bf16 *qs = (bf16 *)shared;
	u32 q_at = shared_at(qs), dy_at = q_at + rows * LD * 2, kv_at = dy_at + rows * LD * 2, ids_at = kv_at + 2 * pair;
	const float *id = (const float *)((const char *)shared + (2 * rows * LD * 2 + 2 * pair));
	k += at.row * kv_row + at.kv * DIM;
	v += at.row * kv_row + at.kv * DIM;
	ids += at.row * ids_row;
	i64 y_from = (at.row * heads + at.head) * DIM;

	int end = CAUSAL && at.first + rows < seq ? at.first + rows : seq, tiles = (end + KEYS - 1) / KEYS;
	auto bring = [&](int tile) {
		u32 to = kv_at + (tile & 1) * pair;
		fetch<KEYS>(to, k, kv_row, tile * KEYS, seq);
		fetch<KEYS>(to + KEYS * LD * 2, v, kv_row, tile * KEYS, seq);
		if (PADS && threadIdx.x < KEYS) {
			int key = tile * KEYS + threadIdx.x;
			copy<4>(ids_at + ((tile & 1) * KEYS + threadIdx.x) * 4, ids + (key < seq ? (i64)key * ids_row : 0), key < seq);
		}
	};
	fetch<rows>(q_at, q + at.row * q_row + at.head * DIM, q_row, at.first, seq);
	fetch<rows>(dy_at, dy + y_from, heads * DIM, at.first, seq);
	u32 y_at = kv_at + 2 * pair - rows * LD * 2;
	fetch<rows>(y_at, y + y_from, heads * DIM, at.first, seq);
	if (DIM <= 64) bring(0); // y lies behind it
	arrived();
	__syncthreads();

	float o[MT][DIM / 8][4] = {}, log[MT][2], all[MT][2] = {}, c = scale * LOG2E;
	int mine = at.first + at.own;
	u32 q_own = left_at(q_at + at.own * LD * 2, at.lane), dy_own = left_at(dy_at + at.own * LD * 2, at.lane);
#if DIM <= 64
	u32 qf[MT][STEPS][4], dyf[MT][STEPS][4]; // the warp's queries and dy
#endif
#pragma unroll
	for (int m = 0; m < MT; m++) {
#pragma unroll
		for (int step = 0; step < STEPS; step++) {
			u32 a[4], b[4];
			matrices(a, dy_own + PIECE(m, step));
			matrices(b, left_at(y_at + at.own * LD * 2, at.lane) + PIECE(m, step));
#pragma unroll
			for (int i = 0; i < 4; i++) all[m][i % 2] += low(a[i]) * low(b[i]) + high(a[i]) * high(b[i]);
#if DIM <= 64
#pragma unroll
			for (int i = 0; i < 4; i++) dyf[m][step][i] = a[i];
			matrices(qf[m][step], q_own + PIECE(m, step));
#endif
		}
#pragma unroll
		for (int r = 0; r < 2; r++) {
			all[m][r] += __shfl_xor_sync(0xffffffffu, all[m][r], 1);
			all[m][r] += __shfl_xor_sync(0xffffffffu, all[m][r], 2);
			int row = mine + m * 16 + r * 8 + at.g;
			log[m][r] = row < seq ? lse[(at.row + row) * heads + at.head] * LOG2E : 0.f;
			if (at.t == 0 && row < seq) {
				float2 two;
				two.x = log[m][r], two.y = all[m][r];
				stats[(at.row * heads) + (i64)at.head * seq + row] = two;
			}
		}
	}
	if (DIM > 64) {
		__syncthreads();
		bring(0);
	}
	for (int tile = 0; tile < tiles; tile++) {
		arrived();
		__syncthreads();
		if (tile + 1 < tiles) bring(tile + 1);
		u32 ks = kv_at + (tile & 1) * pair, vs = ks + KEYS * LD * 2;
#pragma unroll
		for (int sub = 0; sub < KEYS; sub += SUB) {
			int from = tile * KEYS + sub;
			if (CAUSAL && from >= mine + 16 * MT) continue; // all of it comes later
			bool some = false; // keys are padding
			if (PADS) {
				bool a = padding(from + at.lane, seq, id[(tile & 1) * KEYS + sub + at.lane], pad);
				if (__all_sync(0xffffffffu, a)) continue;
				some = __any_sync(0xffffffffu, a);
			}
			float s[MT][SUB / 8][4] = {}, dp[MT][SUB / 8][4] = {}; // q·kᵀ, dy·vᵀ
			u32 k_sub = right_at(ks + sub * LD * 2, at.lane), v_sub = right_at(vs + sub * LD * 2, at.lane);
#pragma unroll
			for (int step = 0; step < STEPS; step++) {
#if DIM > 64
				u32 qf[MT][4], dyf[MT][4];
#pragma unroll
				for (int m = 0; m < MT; m++) matrices(qf[m], q_own + PIECE(m, step)), matrices(dyf[m], dy_own + PIECE(m, step));
#define OF(x) x[m]
#else
#define OF(x) x[m][step]
#endif
#pragma unroll
				for (int n = 0; n < SUB / 16; n++) {
					u32 b[4], d[4];
					matrices(b, k_sub + PIECE(n, step));
					matrices(d, v_sub + PIECE(n, step));
#pragma unroll
					for (int m = 0; m < MT; m++) {
						mma(s[m][2 * n], OF(qf), b[0], b[1]);
						mma(s[m][2 * n + 1], OF(qf), b[2], b[3]);
						mma(dp[m][2 * n], OF(dyf), d[0], d[1]);
						mma(dp[m][2 * n + 1], OF(dyf), d[2], d[3]);
					}
				}
			}
			if (some || from + SUB > seq || (CAUSAL && from + SUB > mine + 1)) {
#pragma unroll
				for (int n = 0; n < SUB / 8; n++)
#pragma unroll
					for (int e = 0; e < 2; e++) {
						int col = n * 8 + at.t * 2 + e, key = from + col;
						bool no = PADS ? padding(key, seq, id[(tile & 1) * KEYS + sub + col], pad) : key >= seq;
#pragma unroll
						for (int m = 0; m < MT; m++) {
							if (no || (CAUSAL && key > mine + m * 16 + at.g)) s[m][n][e] = NONE;
							if (no || (CAUSAL && key > mine + m * 16 + at.g + 8)) s[m][n][2 + e] = NONE;
						}
					}
			}
#pragma unroll
			for (int m = 0; m < MT; m++)
#pragma unroll
				for (int n = 0; n < SUB / 8; n++)
#pragma unroll
					for (int i = 0; i < 4; i++) dp[m][n][i] = exp_2(s[m][n][i] * c - log[m][i / 2]) * (dp[m][n][i] - all[m][i / 2]);
#pragma unroll
			for (int j = 0; j < SUB / 16; j++) { // dq += ds·k
				u32 a[MT][4];
#pragma unroll
				for (int m = 0; m < MT; m++)
#pragma unroll
					for (int i = 0; i < 4; i++) a[m][i] = bf16x2(dp[m][2 * j + i / 2][i % 2 * 2], dp[m][2 * j + i / 2][i % 2 * 2 + 1]);
#pragma unroll
				for (int n = 0; n < STEPS; n++) {
					u32 b[4];
					matrices_t(b, left_at(ks + sub * LD * 2, at.lane) + PIECE(j, n));
#pragma unroll
					for (int m = 0; m < MT; m++) {
						mma(o[m][2 * n], a[m], b[0], b[1]);
						mma(o[m][2 * n + 1], a[m], b[2], b[3]);
					}
				}
			}
		}
	}
	float f[MT][2];
#pragma unroll
	for (int m = 0; m < MT; m++) f[m][0] = f[m][1] = scale;
	store<MT>(dq + at.row * q_row + at.head * DIM, q_row, mine, seq, qs + at.own * LD, at, o, f);
}
#undef MT

// mma_attend_dkv: dk and dv, summed over the heads of queries that share the key. One
// block for each 64·KT keys of a head of keys; rows of a product are keys, columns
// queries: pᵀ and dsᵀ are left operands. Shared memory: keys, values, twice queries and
// dy, twice their stats.
#if DIM <= 64
#define KT 2
#else
#define KT 1 // dk and dv of more rows do not fit the registers
#endif
extern "C" __global__ void __launch_bounds__(128, 2) mma_attend_dkv(const bf16 *q, int q_row, const bf16 *k, const bf16 *v, int kv_row,
		const bf16 *dy, const float2 *stats, bf16 *dk, bf16 *dv, const float *ids, int ids_row, float pad,
		int seq, int heads, int kv_heads, int causal, float scale) {
	extern __shared__ uint4 shared[];
	const int rows = WARPS * 16 * KT, pair = 2 * TILE * LD * 2;
	Place at = place(seq, kv_heads, 1, rows, false);
	int group = heads / kv_heads;
	bf16 *ks = (bf16 *)shared, *vs = ks + rows * LD;
	u32 k_at = shared_at(ks), v_at = k_at + rows * LD * 2, q_at = v_at + rows * LD * 2, stats_at = q_at + 2 * pair;
	const float4 *two = (const float4 *)((const char *)shared + (2 * rows * LD * 2 + 2 * pair)); // of two queries
	q += at.row * q_row;
	dy += at.row * heads * DIM;
	stats += at.row * heads;

	// Tiles of queries: those of a head from `start` on, head after head.
	int start = CAUSAL ? at.first / TILE : 0, each = (seq + TILE - 1) / TILE - start, tiles = group * each;
	auto bring = [&](int tile) {
		u32 to = q_at + (tile & 1) * pair;
		int h = at.kv * group + tile / each, first = (start + tile % each) * TILE;
		fetch<TILE>(to, q + h * DIM, q_row, first, seq);
		fetch<TILE>(to + TILE * LD * 2, dy + h * DIM, heads * DIM, first, seq);
		if (threadIdx.x < TILE) {
			int row = first + threadIdx.x;
			copy<8>(stats_at + ((tile & 1) * TILE + threadIdx.x) * 8, stats + (i64)h * seq + (row < seq ? row : 0), row < seq);
		}
	};
	ids += at.row * ids_row;
	if (PADS) {
		int key = at.first + threadIdx.x;
		if (!__syncthreads_or(threadIdx.x < rows && key < seq && ids[(i64)key * ids_row] != pad)) tiles = 0; // all are padding
	}
	if (tiles > 0) {
		fetch<rows>(k_at, k + at.row * kv_row + at.kv * DIM, kv_row, at.first, seq);
		fetch<rows>(v_at, v + at.row * kv_row + at.kv * DIM, kv_row, at.first, seq);
		bring(0);
	}

	float ok[KT][DIM / 8][4] = {}, ov[KT][DIM / 8][4] = {}, c = scale * LOG2E;
	int mine = at.first + at.own; // the warp's first key
	u32 k_own = left_at(k_at + at.own * LD * 2, at.lane), v_own = left_at(v_at + at.own * LD * 2, at.lane);
	for (int tile = 0; tile < tiles; tile++) {
		arrived();
		__syncthreads();
		if (tile + 1 < tiles) bring(tile + 1);
#pragma unroll
		for (int sub = 0; sub < TILE; sub += SUB) {
			int from = (start + tile % each) * TILE + sub;
			if (CAUSAL && from + SUB <= mine) continue; // all of them come earlier
			u32 q_sub = q_at + (tile & 1) * pair + sub * LD * 2, dy_sub = q_sub + TILE * LD * 2;
			float s[KT][SUB / 8][4] = {}; // k·qᵀ
#pragma unroll
			for (int step = 0; step < STEPS; step++) {
				u32 a[KT][4];
#pragma unroll
				for (int m = 0; m < KT; m++) matrices(a[m], k_own + PIECE(m, step));
#pragma unroll
				for (int n = 0; n < SUB / 16; n++) {
					u32 b[4];
					matrices(b, right_at(q_sub, at.lane) + PIECE(n, step));
#pragma unroll
					for (int m = 0; m < KT; m++) {
						mma(s[m][2 * n], a[m], b[0], b[1]);
						mma(s[m][2 * n + 1], a[m], b[2], b[3]);
					}
				}
			}
			// A query past the sequence has q, dy and stats 0: it adds nothing.
			if (CAUSAL && from < mine + 16 * KT) {
#pragma unroll
				for (int m = 0; m < KT; m++)
#pragma unroll
					for (int n = 0; n < SUB / 8; n++)
#pragma unroll
						for (int i = 0; i < 4; i++)
							if (mine + m * 16 + i / 2 * 8 + at.g > from + n * 8 + at.t * 2 + i % 2) s[m][n][i] = NONE;
			}
#pragma unroll
			for (int n = 0; n < SUB / 8; n++) {
				float4 stat = two[((tile & 1) * TILE + sub) / 2 + n * 4 + at.t];
#pragma unroll
				for (int m = 0; m < KT; m++)
#pragma unroll
					for (int i = 0; i < 4; i++) s[m][n][i] = exp_2(s[m][n][i] * c - (i % 2 ? stat.z : stat.x));
			}
#pragma unroll
			for (int j = 0; j < SUB / 16; j++) { // dv += pᵀ·dy
				u32 a[KT][4];
#pragma unroll
				for (int m = 0; m < KT; m++)
#pragma unroll
					for (int i = 0; i < 4; i++) a[m][i] = bf16x2(s[m][2 * j + i / 2][i % 2 * 2], s[m][2 * j + i / 2][i % 2 * 2 + 1]);
#pragma unroll
				for (int n = 0; n < STEPS; n++) {
					u32 b[4];
					matrices_t(b, left_at(dy_sub, at.lane) + PIECE(j, n));
#pragma unroll
					for (int m = 0; m < KT; m++) {
						mma(ov[m][2 * n], a[m], b[0], b[1]);
						mma(ov[m][2 * n + 1], a[m], b[2], b[3]);
					}
				}
			}
			float dp[KT][SUB / 8][4] = {}; // v·dyᵀ
#pragma unroll
			for (int step = 0; step < STEPS; step++) {
				u32 a[KT][4];
#pragma unroll
				for (int m = 0; m < KT; m++) matrices(a[m], v_own + PIECE(m, step));
#pragma unroll
				for (int n = 0; n < SUB / 16; n++) {
					u32 b[4];
					matrices(b, right_at(dy_sub, at.lane) + PIECE(n, step));
#pragma unroll
					for (int m = 0; m < KT; m++) {
						mma(dp[m][2 * n], a[m], b[0], b[1]);
						mma(dp[m][2 * n + 1], a[m], b[2], b[3]);
					}
				}
			}
#pragma unroll
			for (int n = 0; n < SUB / 8; n++) {
				float4 stat = two[((tile & 1) * TILE + sub) / 2 + n * 4 + at.t];
#pragma unroll
				for (int m = 0; m < KT; m++)
#pragma unroll
					for (int i = 0; i < 4; i++) s[m][n][i] *= dp[m][n][i] - (i % 2 ? stat.w : stat.y);
			}
#pragma unroll
			for (int j = 0; j < SUB / 16; j++) { // dk += dsᵀ·q
				u32 a[KT][4];
#pragma unroll
				for (int m = 0; m < KT; m++)
#pragma unroll
					for (int i = 0; i < 4; i++) a[m][i] = bf16x2(s[m][2 * j + i / 2][i % 2 * 2], s[m][2 * j + i / 2][i % 2 * 2 + 1]);
#pragma unroll
				for (int n = 0; n < STEPS; n++) {
					u32 b[4];
					matrices_t(b, left_at(q_sub, at.lane) + PIECE(j, n));
#pragma unroll
					for (int m = 0; m < KT; m++) {
						mma(ok[m][2 * n], a[m], b[0], b[1]);
						mma(ok[m][2 * n + 1], a[m], b[2], b[3]);
					}
				}
			}
		}
	}
	float fk[KT][2], fv[KT][2];
	unpadded(fk, fv, scale, mine, seq, ids, ids_row, pad, at);
	store<KT>(dk + at.row * kv_row + at.kv * DIM, kv_row, mine, seq, ks + at.own * LD, at, ok, fk);
	store<KT>(dv + at.row * kv_row + at.kv * DIM, kv_row, mine, seq, vs + at.own * LD, at, ov, fv);
}
