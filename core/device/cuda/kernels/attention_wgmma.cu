// Attention on Hopper's tensor cores for heads of 64 channels: as attention_mma.cu, with
// products of a warpgroup (attention_wgmma.cuh). attention_wide.cu has heads of 128.

#include "attention_wgmma.cuh"

#define TILE 64 // rows of a tile that streams by
#define HALF (TILE * 128) // bytes between 64 columns and the next of a transposed one

// Warpgroups of a block of queries; blocks that share a multiprocessor.
#define QGROUPS 1
#define FBLOCKS 4
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
		fetch_ids<TILE>(ids_at, ids, ids_row, tile, seq);
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
		commit();
		finish<0>();
		done(s);
		hide<TILE>(s, from, mine, seq, at, id + (tile & 1) * TILE, pad, some);
		soften(s, top, sum, c, [&](int r, float f) {
#pragma unroll
			for (int n = 0; n < DIM / 8; n++) o[n][2 * r] *= f, o[n][2 * r + 1] *= f;
		});
		u32 a[TILE / 16][4];
#pragma unroll
		for (int j = 0; j < TILE / 16; j++) turn(a[j], s, j);
		begin();
#pragma unroll
		for (int j = 0; j < TILE / 16; j++) wgmma<true>(o, a[j], operand(vs + j * 2048, HALF), 1); // o += p·v
		commit();
		finish<0>();
		done(o);
	}
	float f[2];
	conclude(f, top, sum, lse, mine, seq, heads, at, scale);
	store<QROWS>(y + at.row * heads * DIM + at.head * DIM, (i64)heads * DIM, mine, seq, base, at, o, f);
}

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
		fetch_ids<TILE>(ids_at, ids, ids_row, tile, seq);
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
		commit();
		finish<0>();
		done(s);
		done(dp);
		hide<TILE>(s, from, mine, seq, at, id + (tile & 1) * TILE, pad, some);
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
		commit();
		finish<0>();
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
			commit();
			finish<0>();
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
			commit();
			finish<0>();
			done(ov);
			done(ok);
		}
	}
	float fk[2], fv[2];
	key_scales(fk, fv, ids, ids_row, pad, mine, seq, at, scale);
	store<KROWS>(dk + at.row * kv_row + at.kv * DIM, kv_row, mine, seq, base, at, ok, fk);
	store<KROWS>(dv + at.row * kv_row + at.kv * DIM, kv_row, mine, seq, base + mat, at, ov, fv);
}
