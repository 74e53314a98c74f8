// Attention for any number of channels, in float32: y = softmax(scale·q·kᵀ)·v for each
// head, over the tokens of a sequence. attention_mma.cu and attention_tf32.cu are faster where they apply.
//
// DIM is the number of channels of a head. TILE (64, 32 or 16, as many as shared memory
// holds) rows of queries meet TILE keys at a time; 256 threads, 16 by 16, and thread
// (ty, tx) has rows ty + 16·i and columns tx + 16·j of each product.
//
// q, k, v, y, dy lie in rows of q_row, kv_row and heads·DIM elements: head h of a value
// begins at channel h·DIM. Head h of the queries works with head h/(heads/kv_heads) of
// the keys and values. lse and sums are float32 [rows][heads]. Keys whose id, ids[row·
// ids_row], is pad get nothing; ids may be null.

#define R (TILE / 16)           // rows and columns of a thread
#define LD (DIM | 1)            // length of a row in shared memory, odd: no bank conflicts
#define COLS ((DIM + 15) / 16)  // channels of a thread
#define AREA (TILE * LD + 16)   // a tile of rows; columns past DIM are read and not used
#define NONE __int_as_float(0xff800000) // −∞

// TILE × TILE values in shared memory.
typedef float (*Grid)[TILE + 1];

// What one block works at: its head and sample, and the tile of rows that it makes.
struct Place {
	int head, kv, first; // first row of the tile, in the sequence
	i64 row;             // of the sequence's first token
};

// Blocks of a head follow each other, so that its keys stay in the cache; those with the
// most keys come first.
__device__ __forceinline__ Place place(int seq, int heads, int kv_heads) {
	int tiles = (seq + TILE - 1) / TILE, unit = blockIdx.x / tiles;
	Place p;
	p.head = unit % heads;
	p.kv = p.head / (heads / kv_heads);
	p.row = (i64)(unit / heads) * seq;
	p.first = (tiles - 1 - (int)(blockIdx.x % tiles)) * TILE;
	return p;
}

// load brings rows first, first + 1, … of a head into shared memory; rows from seq on
// are zero.
__device__ __forceinline__ void load(float *to, const val *from, i64 stride, int first, int seq) {
	for (int i = threadIdx.x; i < TILE * DIM; i += 256) {
		int r = i / DIM, d = i % DIM;
		to[r * LD + d] = first + r < seq ? to_float(from[(first + r) * stride + d]) : 0.f;
	}
}

// A key gets nothing from a query when it lies past the sequence, is padding, or, with
// causal, comes later.
__device__ __forceinline__ bool hidden(int query, int key, int seq, int causal, const float *ids, i64 ids_row, float pad) {
	return key >= seq || (causal && key > query) || (ids && ids[key * ids_row] == pad);
}

// Over the 16 threads of a row.
__device__ __forceinline__ float row_sum(float x) {
	for (int d = 8; d > 0; d >>= 1) x += __shfl_xor_sync(0xffffffffu, x, d);
	return x;
}
__device__ __forceinline__ float row_max(float x) {
	for (int d = 8; d > 0; d >>= 1) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, d));
	return x;
}

// s[i][j] = Σ a[ty + 16·i]·b[tx + 16·j] over the channels.
__device__ __forceinline__ void dots(float (&s)[R][R], const float *a, const float *b) {
	int ty = threadIdx.x / 16, tx = threadIdx.x % 16;
	for (int i = 0; i < R; i++)
		for (int j = 0; j < R; j++) s[i][j] = 0.f;
#pragma unroll 8
	for (int d = 0; d < DIM; d++) {
		float x[R], z[R];
#pragma unroll
		for (int i = 0; i < R; i++) x[i] = a[(ty + 16 * i) * LD + d], z[i] = b[(tx + 16 * i) * LD + d];
#pragma unroll
		for (int i = 0; i < R; i++)
#pragma unroll
			for (int j = 0; j < R; j++) s[i][j] += x[i] * z[j];
	}
}

// o[i][c] += Σ p[ty + 16·i][j]·x[j][tx + 16·c] over the TILE rows of x.
__device__ __forceinline__ void gather(float (&o)[R][COLS], Grid p, const float *x) {
	int ty = threadIdx.x / 16, tx = threadIdx.x % 16;
#pragma unroll 4
	for (int j = 0; j < TILE; j++)
#pragma unroll
		for (int c = 0; c < COLS; c++) {
			float e = x[j * LD + tx + 16 * c];
#pragma unroll
			for (int i = 0; i < R; i++) o[i][c] += p[ty + 16 * i][j] * e;
		}
}

// store writes the block's tile of an output, times f.
__device__ __forceinline__ void store(val *to, i64 stride, int first, int seq, const float (&o)[R][COLS], const float (&f)[R]) {
	int ty = threadIdx.x / 16, tx = threadIdx.x % 16;
#pragma unroll
	for (int i = 0; i < R; i++)
#pragma unroll
		for (int c = 0; c < COLS; c++) {
			int r = first + ty + 16 * i, d = tx + 16 * c;
			if (r < seq && d < DIM) to[r * stride + d] = to_val(o[i][c] * f[i]);
		}
}

// attend: y and, where it is given, lse, the logarithm of the softmax's denominator.
// One block for each TILE queries of a head; the maximum and the sum of a row go along
// (Milakov & Gimelshein 2018, arXiv:1805.02867).
extern "C" __global__ void __launch_bounds__(256) attend(const val *q, int q_row, const val *k, const val *v, int kv_row,
		val *y, float *lse, const float *ids, int ids_row, float pad, int seq, int heads, int kv_heads, int causal, float scale) {
	extern __shared__ float shared[];
	float *qs = shared, *ks = qs + AREA, *vs = ks + AREA;
	Grid p = (Grid)(vs + AREA);
	Place at = place(seq, heads, kv_heads);
	int ty = threadIdx.x / 16, tx = threadIdx.x % 16;
	if (ids) ids += at.row * ids_row;
	k += at.row * kv_row + at.kv * DIM;
	v += at.row * kv_row + at.kv * DIM;

	load(qs, q + at.row * q_row + at.head * DIM, q_row, at.first, seq);
	float o[R][COLS] = {}, top[R], sum[R] = {};
	for (int i = 0; i < R; i++) top[i] = NONE;
	int end = causal && at.first + TILE < seq ? at.first + TILE : seq;
	for (int from = 0; from < end; from += TILE) {
		__syncthreads();
		load(ks, k, kv_row, from, seq);
		load(vs, v, kv_row, from, seq);
		__syncthreads();
		float s[R][R];
		dots(s, qs, ks);
#pragma unroll
		for (int i = 0; i < R; i++) {
			float most = top[i], all = 0.f;
#pragma unroll
			for (int j = 0; j < R; j++) {
				s[i][j] = hidden(at.first + ty + 16 * i, from + tx + 16 * j, seq, causal, ids, ids_row, pad) ? NONE : s[i][j] * scale;
				most = fmaxf(most, s[i][j]);
			}
			most = row_max(most);
			float base = most == NONE ? 0.f : most; // no key yet: all are e^−∞
#pragma unroll
			for (int j = 0; j < R; j++) {
				float e = expf(s[i][j] - base);
				p[ty + 16 * i][tx + 16 * j] = e;
				all += e;
			}
			float f = expf(top[i] - base);
			sum[i] = sum[i] * f + row_sum(all);
			top[i] = most;
#pragma unroll
			for (int c = 0; c < COLS; c++) o[i][c] *= f;
		}
		__syncthreads();
		gather(o, p, vs);
	}
	float f[R];
#pragma unroll
	for (int i = 0; i < R; i++) {
		f[i] = sum[i] > 0.f ? 1.f / sum[i] : 0.f;
		int r = at.first + ty + 16 * i;
		if (lse && tx == 0 && r < seq) lse[(at.row + r) * heads + at.head] = sum[i] > 0.f ? top[i] + logf(sum[i]) : 0.f;
	}
	store(y + at.row * heads * DIM + at.head * DIM, (i64)heads * DIM, at.first, seq, o, f);
}

// attend_dq: the scores once more (Dao et al. 2022, arXiv:2205.14135), p = e^(s − lse),
// ds = p·(dy·vᵀ − sums), dq = scale·ds·k. One block for each TILE queries of a head.
extern "C" __global__ void __launch_bounds__(256) attend_dq(const val *q, int q_row, const val *k, const val *v, int kv_row,
		const val *dy, const float *lse, const float *sums, val *dq, const float *ids, int ids_row, float pad,
		int seq, int heads, int kv_heads, int causal, float scale) {
	extern __shared__ float shared[];
	float *qs = shared, *ks = qs + AREA, *vs = ks + AREA, *dys = vs + AREA;
	Grid p = (Grid)(dys + AREA);
	Place at = place(seq, heads, kv_heads);
	int ty = threadIdx.x / 16, tx = threadIdx.x % 16;
	if (ids) ids += at.row * ids_row;
	k += at.row * kv_row + at.kv * DIM;
	v += at.row * kv_row + at.kv * DIM;

	load(qs, q + at.row * q_row + at.head * DIM, q_row, at.first, seq);
	load(dys, dy + at.row * heads * DIM + at.head * DIM, (i64)heads * DIM, at.first, seq);
	float o[R][COLS] = {}, log[R], all[R], f[R];
#pragma unroll
	for (int i = 0; i < R; i++) {
		int r = at.first + ty + 16 * i;
		log[i] = r < seq ? lse[(at.row + r) * heads + at.head] : 0.f;
		all[i] = r < seq ? sums[(at.row + r) * heads + at.head] : 0.f;
		f[i] = scale;
	}
	int end = causal && at.first + TILE < seq ? at.first + TILE : seq;
	for (int from = 0; from < end; from += TILE) {
		__syncthreads();
		load(ks, k, kv_row, from, seq);
		load(vs, v, kv_row, from, seq);
		__syncthreads();
		float s[R][R], dp[R][R];
		dots(s, qs, ks);
		dots(dp, dys, vs);
#pragma unroll
		for (int i = 0; i < R; i++)
#pragma unroll
			for (int j = 0; j < R; j++) {
				bool no = hidden(at.first + ty + 16 * i, from + tx + 16 * j, seq, causal, ids, ids_row, pad);
				p[ty + 16 * i][tx + 16 * j] = no ? 0.f : expf(s[i][j] * scale - log[i]) * (dp[i][j] - all[i]);
			}
		__syncthreads();
		gather(o, p, ks);
	}
	store(dq + at.row * q_row + at.head * DIM, q_row, at.first, seq, o, f);
}

// attend_dkv: dv = pᵀ·dy, dk = scale·dsᵀ·q, summed over the heads of queries that share
// the key. One block for each TILE keys of a head of keys; rows of a product are keys,
// columns queries.
extern "C" __global__ void __launch_bounds__(256) attend_dkv(const val *q, int q_row, const val *k, const val *v, int kv_row,
		const val *dy, const float *lse, const float *sums, val *dk, val *dv, const float *ids, int ids_row, float pad,
		int seq, int heads, int kv_heads, int causal, float scale) {
	extern __shared__ float shared[];
	float *qs = shared, *ks = qs + AREA, *vs = ks + AREA, *dys = vs + AREA;
	Grid p = (Grid)(dys + AREA), ds = p + TILE;
	Place at = place(seq, kv_heads, kv_heads);
	int ty = threadIdx.x / 16, tx = threadIdx.x % 16, group = heads / kv_heads;
	at.first = (seq - 1) / TILE * TILE - at.first; // the first keys have the most queries
	if (ids) ids += at.row * ids_row;

	load(ks, k + at.row * kv_row + at.kv * DIM, kv_row, at.first, seq);
	load(vs, v + at.row * kv_row + at.kv * DIM, kv_row, at.first, seq);
	float ok[R][COLS] = {}, ov[R][COLS] = {}, fk[R], fv[R];
	for (int i = 0; i < R; i++) fk[i] = scale, fv[i] = 1.f;
	for (int h = at.kv * group; h < (at.kv + 1) * group; h++)
		for (int from = causal ? at.first : 0; from < seq; from += TILE) {
			__syncthreads();
			load(qs, q + at.row * q_row + h * DIM, q_row, from, seq);
			load(dys, dy + at.row * heads * DIM + h * DIM, (i64)heads * DIM, from, seq);
			__syncthreads();
			float s[R][R], dp[R][R];
			dots(s, ks, qs);
			dots(dp, vs, dys);
#pragma unroll
			for (int j = 0; j < R; j++) {
				int r = from + tx + 16 * j;
				float log = r < seq ? lse[(at.row + r) * heads + h] : 0.f, all = r < seq ? sums[(at.row + r) * heads + h] : 0.f;
#pragma unroll
				for (int i = 0; i < R; i++) {
					bool no = r >= seq || hidden(r, at.first + ty + 16 * i, seq, causal, ids, ids_row, pad);
					float e = no ? 0.f : expf(s[i][j] * scale - log);
					p[ty + 16 * i][tx + 16 * j] = e;
					ds[ty + 16 * i][tx + 16 * j] = e * (dp[i][j] - all);
				}
			}
			__syncthreads();
			gather(ov, p, dys);
			gather(ok, ds, qs);
		}
	store(dk + at.row * kv_row + at.kv * DIM, kv_row, at.first, seq, ok, fk);
	store(dv + at.row * kv_row + at.kv * DIM, kv_row, at.first, seq, ov, fv);
}
