// Attention on Hopper's tensor cores for heads of 128 channels: as attention_mma.cu, with
// products of a warpgroup (attention_wgmma.cuh). Left operands that all tiles share stay in
// shared memory. After FlashAttention-3 (Shah et al. 2024, arXiv:2407.08608): while the tensor
// cores multiply, threads work at the tile before or behind.
//
// A block is GROUPS warpgroups of 64 rows each, which all read the tiles of TILE rows that stream
// by: 64, or 128 for wide_attend alone.

#include "attention_wgmma.cuh"

#define ROWS (GROUPS * 64)
#define THREADS (GROUPS * 128)
#define BLOCKS (GROUPS == 1 ? 2 : 1) // that share a multiprocessor
#define SIDE (TILE * DIM * 2) // bytes of a tile
#define MAT (ROWS * DIM * 2)  // of the block's own rows

// mat is the descriptor of N rows, its lower half: the upper one is the same for all. Columns
// 16·step on are k_step<N> further, rows 16·j of a transposed one j·128: descriptors count in 16
// bytes.
template <int N> __device__ __forceinline__ u32 mat(u32 at) { return (u32)operand(at, N * 128); }
template <int N> __device__ __forceinline__ int k_step(int step) { return (step / 4 * (N * 128) + step % 4 * 32) / 16; }
// same tells the compiler that x is the same in all threads of a warp: descriptors of products are.
__device__ __forceinline__ u32 same(u32 x) { return __shfl_sync(0xffffffffu, x, 0); }
__device__ __forceinline__ u64 whole(u32 mat) { return mat | operand(0, 0); }

// dots: s = a·bᵀ over the channels; a is the descriptor of 64 of ROWS rows, b that of N rows.
template <int N> __device__ __forceinline__ void dots(float (&s)[N / 8][4], u32 a, u32 b) {
#pragma unroll
	for (int step = 0; step < STEPS; step++) wgmma<false>(s, whole(a + k_step<ROWS>(step)), whole(b + k_step<N>(step)), step > 0);
}

// gather: o += a·b, b that of 16·N rows of channels.
template <int N> __device__ __forceinline__ void gather(float (&o)[DIM / 8][4], const u32 (&a)[N][4], u32 b) {
#pragma unroll
	for (int j = 0; j < N; j++) wgmma<true>(o, a[j], whole(b + j * 128), 1);
}

// turned is a result, rounded, as a left operand.
template <int N> __device__ __forceinline__ void turned(u32 (&a)[N / 2][4], const float (&s)[N][4]) {
#pragma unroll
	for (int j = 0; j < N / 2; j++) turn(a[j], s, j);
}

// pin has x made before the wait behind it, where the compiler (CUDA 13.0) would wait first: it
// cannot know that this is never stored.
__device__ __forceinline__ void pin(const float (&x)[4], u32 at, int seq) {
	asm volatile("{ .reg .pred p; setp.lt.s32 p, %5, 0; @p st.shared.v4.f32 [%4], {%0, %1, %2, %3}; }" ::"f"(x[0]), "f"(x[1]), "f"(x[2]), "f"(x[3]), "r"(at), "r"(seq) : "memory");
}

// wide_attend: mma_attend. Shared memory: queries, twice keys, twice values, twice ids. In each
// turn the scores of the next tile are made before this one's are multiplied with its values.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) wide_attend(const bf16 *q, int q_row, const bf16 *k, const bf16 *v, int kv_row,
		bf16 *y, float *lse, const float *ids, int ids_row, float pad, int seq, int heads, int kv_heads, int causal, float scale) {
	extern __shared__ uint4 shared[];
	Place at = place(seq, heads, heads / kv_heads, ROWS, true);
	char *base = aligned(shared);
	u32 q_at = same(shared_at(base)), k_at = q_at + MAT, v_at = k_at + 2 * SIDE, ids_at = v_at + 2 * SIDE;
	const float *id = (const float *)(base + MAT + 4 * SIDE);
	k += at.row * kv_row + at.kv * DIM;
	v += at.row * kv_row + at.kv * DIM;
	ids += at.row * ids_row;

	int end = CAUSAL && at.first + ROWS < seq ? at.first + ROWS : seq, tiles = (end + TILE - 1) / TILE;
	int ours = at.first + at.group * 64, mine = at.first + at.own; // first query of the warpgroup, of the warp
	int last = CAUSAL ? min(tiles, (ours + 63) / TILE + 1) : tiles; // tiles that the warpgroup looks at
	auto bring_k = [&](int tile) {
		fetch<TILE, THREADS>(k_at + (tile & 1) * SIDE, k, kv_row, tile * TILE, seq);
		fetch_ids<TILE>(ids_at, ids, ids_row, tile, seq);
	};
	auto bring_v = [&](int tile) { fetch<TILE, THREADS>(v_at + (tile & 1) * SIDE, v, kv_row, tile * TILE, seq); };

	float o[DIM / 8][4] = {}, s[TILE / 8][4], top[2] = {NONE, NONE}, sum[2] = {}, f[2], c = scale * LOG2E;
	u32 q_own = same(mat<ROWS>(q_at + at.group * 8192));
	auto score = [&](int tile) { // s becomes p, f what o must be multiplied with
		hide<TILE>(s, tile * TILE, mine, seq, at, id + (tile & 1) * TILE, pad, PADS);
		soften(s, top, sum, c, [&](int r, float by) { f[r] = by; });
	};

	fetch<ROWS, THREADS>(q_at, q + at.row * q_row + at.head * DIM, q_row, at.first, seq);
	bring_k(0);
	bundle();
	if (1 < tiles) bring_k(1);
	bring_v(0);
	bundle();
	but<1>();
	publish();
	__syncthreads();
	begin();
	dots<TILE>(s, q_own, mat<TILE>(k_at));
	commit();
	finish<0>();
	done(s);
	score(0);
	for (int tile = 0; tile < tiles; tile++) {
		auto bring = [&] {
			if (tile + 2 < tiles) bring_k(tile + 2);
			if (tile + 1 < tiles) bring_v(tile + 1);
		};
		arrived();
		publish();
		__syncthreads();
		if (tile >= last) { // all of it comes later
			bring();
			continue;
		}
		u32 a[TILE / 16][4];
		turned(a, s);
		u32 vs = mat<TILE>(v_at + (tile & 1) * SIDE);
		if (tile + 1 < last) {
			begin();
			dots<TILE>(s, q_own, mat<TILE>(k_at + (tile + 1 & 1) * SIDE));
			commit();
			gather(o, a, vs);
			commit();
			bring();
			finish<1>();
			done(s);
			score(tile + 1);
			float made[4] = {sum[0], sum[1], f[0], f[1]};
			pin(made, q_at, seq);
			finish<0>();
			done(o);
			held(a);
#pragma unroll
			for (int n = 0; n < DIM / 8; n++)
#pragma unroll
				for (int i = 0; i < 4; i++) o[n][i] *= f[i / 2];
		} else {
			begin();
			gather(o, a, vs);
			commit();
			bring();
			finish<0>();
			done(o);
			held(a);
		}
	}
	conclude(f, top, sum, lse, mine, seq, heads, at, scale);
	__syncthreads(); // no product reads queries any more: y takes their place
	store<ROWS>(y + at.row * heads * DIM + at.head * DIM, (i64)heads * DIM, mine, seq, base, at, o, f);
}

#if TILE == 64
// wide_attend_dq: mma_attend_dq. Shared memory: queries, dy, three tiles of keys (y lies first
// where the second and third come, so GROUPS is at most 2), two of values, twice ids. In each turn
// the scores and dp of the next tile are made before this one's ds are multiplied with its keys.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) wide_attend_dq(const bf16 *q, int q_row, const bf16 *k, const bf16 *v, int kv_row,
		const bf16 *y, const float *lse, const bf16 *dy, float2 *stats, bf16 *dq, const float *ids, int ids_row, float pad,
		int seq, int heads, int kv_heads, int causal, float scale) {
	extern __shared__ uint4 shared[];
	Place at = place(seq, heads, heads / kv_heads, ROWS, true);
	char *base = aligned(shared);
	u32 q_at = same(shared_at(base)), dy_at = q_at + MAT, k_at = dy_at + MAT, y_at = k_at + SIDE, v_at = k_at + 3 * SIDE, ids_at = v_at + 2 * SIDE;
	const float *id = (const float *)(base + 2 * MAT + 5 * SIDE);
	k += at.row * kv_row + at.kv * DIM;
	v += at.row * kv_row + at.kv * DIM;
	ids += at.row * ids_row;
	i64 y_from = (at.row * heads + at.head) * DIM;

	int end = CAUSAL && at.first + ROWS < seq ? at.first + ROWS : seq, tiles = (end + TILE - 1) / TILE;
	int ours = at.first + at.group * 64, mine = at.first + at.own;
	int last = CAUSAL ? min(tiles, ours / TILE + 1) : tiles;
	auto bring = [&](int tile) {
		fetch<TILE, THREADS>(k_at + tile % 3 * SIDE, k, kv_row, tile * TILE, seq);
		fetch<TILE, THREADS>(v_at + (tile & 1) * SIDE, v, kv_row, tile * TILE, seq);
		fetch_ids<TILE>(ids_at, ids, ids_row, tile, seq);
	};
	fetch<ROWS, THREADS>(q_at, q + at.row * q_row + at.head * DIM, q_row, at.first, seq);
	fetch<ROWS, THREADS>(dy_at, dy + y_from, heads * DIM, at.first, seq);
	fetch<ROWS, THREADS>(y_at, y + y_from, heads * DIM, at.first, seq);
	bring(0);
	arrived();
	publish();
	__syncthreads();

	float o[DIM / 8][4] = {}, s[TILE / 8][4], dp[TILE / 8][4], log[2], all[2] = {}, c = scale * LOG2E;
	u32 q_own = same(mat<ROWS>(q_at + at.group * 8192)), dy_own = same(mat<ROWS>(dy_at + at.group * 8192));
	auto products = [&](int tile) { // of a tile: s = q·kᵀ, dp = dy·vᵀ
		dots<TILE>(s, q_own, mat<TILE>(k_at + tile % 3 * SIDE));
		commit();
		dots<TILE>(dp, dy_own, mat<TILE>(v_at + (tile & 1) * SIDE));
		commit();
	};
	auto weigh = [&](int tile) { // s becomes p
		hide<TILE>(s, tile * TILE, mine, seq, at, id + (tile & 1) * TILE, pad, PADS);
#pragma unroll
		for (int n = 0; n < TILE / 8; n++)
#pragma unroll
			for (int i = 0; i < 4; i++) s[n][i] = exp_2(s[n][i] * c - log[i / 2]);
	};
	auto differ = [&] { // dp becomes ds
#pragma unroll
		for (int n = 0; n < TILE / 8; n++)
#pragma unroll
			for (int i = 0; i < 4; i++) dp[n][i] = s[n][i] * (dp[n][i] - all[i / 2]);
	};

	begin();
	products(0);
#pragma unroll
	for (int step = 0; step < STEPS; step++) {
		u32 a[4], b[4];
		left<ROWS>(a, left_at<ROWS>(dy_at, at), step);
		left<ROWS>(b, left_at<ROWS>(y_at, at), step);
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
	if (1 < tiles) bring(1);
	finish<1>();
	done(s);
	weigh(0);
	finish<0>();
	done(dp);
	differ();
	for (int tile = 0; tile < tiles; tile++) {
		arrived();
		publish();
		__syncthreads();
		if (tile >= last) { // all of it comes later
			if (tile + 2 < tiles) bring(tile + 2);
			continue;
		}
		u32 a[TILE / 16][4];
		turned(a, dp);
		u32 ks = mat<TILE>(k_at + tile % 3 * SIDE);
		if (tile + 1 < last) {
			begin();
			products(tile + 1);
			gather(o, a, ks); // dq += ds·k
			commit();
			if (tile + 2 < tiles) bring(tile + 2);
			finish<2>();
			done(s);
			weigh(tile + 1);
			finish<1>();
			done(dp);
			differ();
#pragma unroll
			for (int n = 0; n < TILE / 8; n++) pin(dp[n], q_at, seq);
			finish<0>();
			done(o);
			held(a);
		} else {
			begin();
			gather(o, a, ks);
			commit();
			if (tile + 2 < tiles) bring(tile + 2);
			finish<0>();
			done(o);
			held(a);
		}
	}
	float f[2] = {scale, scale};
	__syncthreads();
	store<ROWS>(dq + at.row * q_row + at.head * DIM, q_row, mine, seq, base, at, o, f);
}

// wide_attend_dkv: mma_attend_dkv. Shared memory: keys, values, twice queries and dy, twice their
// stats. While dp is made threads make p, while dv is added to, ds.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) wide_attend_dkv(const bf16 *q, int q_row, const bf16 *k, const bf16 *v, int kv_row,
		const bf16 *dy, const float2 *stats, bf16 *dk, bf16 *dv, const float *ids, int ids_row, float pad,
		int seq, int heads, int kv_heads, int causal, float scale) {
	extern __shared__ uint4 shared[];
	const int pair = 2 * SIDE;
	Place at = place(seq, kv_heads, 1, ROWS, false);
	int group = heads / kv_heads;
	char *base = aligned(shared);
	u32 k_at = same(shared_at(base)), v_at = k_at + MAT, q_at = v_at + MAT, stats_at = q_at + 2 * pair;
	const float4 *two = (const float4 *)(base + 2 * MAT + 2 * pair); // of two queries
	q += at.row * q_row;
	dy += at.row * heads * DIM;
	stats += at.row * heads;

	int start = CAUSAL ? at.first / TILE : 0, each = (seq + TILE - 1) / TILE - start, tiles = group * each;
	int head = at.kv * group, ahead = start; // of the queries that bring brings
	auto bring = [&](int tile) {
		u32 to = q_at + (tile & 1) * pair;
		int h = head, first = ahead * TILE;
		if (++ahead == start + each) ahead = start, head++;
		fetch<TILE, THREADS>(to, q + h * DIM, q_row, first, seq);
		fetch<TILE, THREADS>(to + SIDE, dy + h * DIM, heads * DIM, first, seq);
		if (threadIdx.x < TILE) {
			int row = first + threadIdx.x;
			copy<8>(stats_at + ((tile & 1) * TILE + threadIdx.x) * 8, stats + (i64)h * seq + (row < seq ? row : 0), row < seq);
		}
	};
	ids += at.row * ids_row;
	if (PADS) {
		int key = at.first + threadIdx.x;
		if (!__syncthreads_or(threadIdx.x < ROWS && key < seq && ids[(i64)key * ids_row] != pad)) tiles = 0; // all are padding
	}
	if (tiles > 0) {
		fetch<ROWS, THREADS>(k_at, k + at.row * kv_row + at.kv * DIM, kv_row, at.first, seq);
		fetch<ROWS, THREADS>(v_at, v + at.row * kv_row + at.kv * DIM, kv_row, at.first, seq);
		bring(0);
	}

	float ok[DIM / 8][4] = {}, ov[DIM / 8][4] = {}, c = scale * LOG2E;
	int ours = at.first + at.group * 64, mine = at.first + at.own; // first key of the warpgroup, of the warp
	u32 k_own = same(mat<ROWS>(k_at + at.group * 8192)), v_own = same(mat<ROWS>(v_at + at.group * 8192));
	for (int tile = 0, next = start; tile < tiles; tile++) {
		arrived();
		publish();
		__syncthreads();
		int from = next * TILE; // first query of the tile
		if (++next == start + each) next = start;
		if (CAUSAL && from + TILE <= ours) { // all of them come earlier
			if (tile + 1 < tiles) bring(tile + 1);
			continue;
		}
		u32 qs = mat<TILE>(q_at + (tile & 1) * pair), dys = mat<TILE>(q_at + (tile & 1) * pair + SIDE);
		float s[TILE / 8][4], dp[TILE / 8][4]; // k·qᵀ, v·dyᵀ
		begin();
		dots<TILE>(s, k_own, qs);
		commit();
		dots<TILE>(dp, v_own, dys);
		commit();
		if (tile + 1 < tiles) bring(tile + 1);
		finish<1>();
		done(s);
		// A query past the sequence has q, dy and stats 0: it adds nothing.
		if (CAUSAL && from < mine + 16) {
#pragma unroll
			for (int n = 0; n < TILE / 8; n++)
#pragma unroll
				for (int i = 0; i < 4; i++)
					if (mine + i / 2 * 8 + at.g > from + n * 8 + at.t * 2 + i % 2) s[n][i] = NONE;
		}
		const float4 *stat = two + (tile & 1) * TILE / 2 + at.t;
#pragma unroll
		for (int n = 0; n < TILE / 8; n++) {
			float4 both = stat[n * 4];
#pragma unroll
			for (int i = 0; i < 4; i++) s[n][i] = exp_2(s[n][i] * c - (i % 2 ? both.z : both.x));
		}
		u32 a[TILE / 16][4];
		turned(a, s);
		begin();
		gather(ov, a, dys); // dv += pᵀ·dy
		commit();
		finish<1>();
		done(dp);
#pragma unroll
		for (int n = 0; n < TILE / 8; n++) {
			float4 both = stat[n * 4];
#pragma unroll
			for (int i = 0; i < 4; i++) dp[n][i] = s[n][i] * (dp[n][i] - (i % 2 ? both.w : both.y));
		}
		u32 b[TILE / 16][4];
		turned(b, dp);
		begin();
		gather(ok, b, qs); // dk += dsᵀ·q
		commit();
		finish<0>();
		done(ov);
		done(ok);
		held(a);
		held(b);
	}
	float fk[2], fv[2];
	key_scales(fk, fv, ids, ids_row, pad, mine, seq, at, scale);
	__syncthreads();
	store<ROWS>(dk + at.row * kv_row + at.kv * DIM, kv_row, mine, seq, base, at, ok, fk);
	store<ROWS>(dv + at.row * kv_row + at.kv * DIM, kv_row, mine, seq, base + MAT, at, ov, fv);
}
#endif
