// Tokens: rows of values [rows][C]. Row r of a value per token is token r % Seq of sample
// r / Seq. Where a kernel begins with rows, each of its warps takes one.

__device__ __forceinline__ int warp_row() { return blockIdx.x * (blockDim.x >> 5) + (threadIdx.x >> 5); }

// along calls f(c, n, wide) for the channels of a row, c to c + n − 1 for each lane.
template <class F> __device__ __forceinline__ void along(int C, F f) {
	for (int c = 8 * (threadIdx.x & 31); c < C; c += 256) f(c, min(8, C - c), C % 8 == 0);
}

template <class T> __device__ __forceinline__ void copy_row(const T *x, val *y, int C) {
	along(C, [&](int c, int n, bool wide) {
		float v[8];
		load8(x + c, n, wide, v);
		store8(y + c, n, wide, v);
	});
}

__device__ __forceinline__ void zero_row(val *y, int C) {
	float v[8] = {0.f, 0.f, 0.f, 0.f, 0.f, 0.f, 0.f, 0.f};
	along(C, [&](int c, int n, bool wide) { store8(y + c, n, wide, v); });
}

__device__ __forceinline__ void add_row(const val *x, const float *w, val *y, int C) {
	along(C, [&](int c, int n, bool wide) {
		float v[8], u[8];
		load8(x + c, n, wide, v);
		load8(w + c, n, wide, u);
#pragma unroll
		for (int j = 0; j < 8; j++) v[j] += u[j];
		store8(y + c, n, wide, v);
	});
}

// y = w[id], the id of row r in ids[r·stride]
extern "C" __global__ void embed(int rows, const float *ids, const float *w, val *y, int C, int stride) {
	int r = warp_row();
	if (r < rows) copy_row(w + (i64)ids[(i64)r * stride] * C, y + (i64)r * C, C);
}

// y = x + w[t], t the row's place in its sequence
extern "C" __global__ void positions(int rows, const val *x, const float *w, val *y, int C, int Seq) {
	int r = warp_row();
	if (r < rows) add_row(x + (i64)r * C, w + (i64)(r % Seq) * C, y + (i64)r * C, C);
}

// y = x + w[s], s in the second of each row's two ids, 0 without ids
extern "C" __global__ void segment(int rows, const val *x, const float *ids, const float *w, val *y, int C) {
	int r = warp_row();
	if (r >= rows) return;
	i64 s = ids ? (i64)ids[(i64)r * 2 + 1] : 0;
	add_row(x + (i64)r * C, w + s * C, y + (i64)r * C, C);
}

// dw[t] = Σ dy over token t of the samples, added if accum is set; zeros in the rows of dw
// that no token has. count is that of the threads: dw's rows, each ⌈C/8⌉ times.
extern "C" __global__ void positions_d(i64 count, const val *dy, float *dw, int samples, int Seq, int C, int accum) {
	int packs = (C + 7) / 8;
	bool wide = C % 8 == 0;
	for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (i64)gridDim.x * blockDim.x) {
		i64 t = i / packs;
		int c = (int)(i - t * packs) * 8, n = min(8, C - c);
		float sum[8] = {0.f, 0.f, 0.f, 0.f, 0.f, 0.f, 0.f, 0.f};
		if (accum) load8(dw + t * C + c, n, wide, sum);
		if (t < Seq) {
#pragma unroll 4
			for (int s = 0; s < samples; s++) {
				float v[8];
				load8(dy + ((i64)s * Seq + t) * C + c, n, wide, v);
#pragma unroll
				for (int j = 0; j < 8; j++) sum[j] += v[j];
			}
		}
		store8(dw + t * C + c, n, wide, sum);
	}
}

// Rope turns channels i and i + half of each head of 2·half channels by the angle of
// table[t][i], its cosine and sine; sign −1 turns back.
extern "C" __global__ void rope(int rows, const val *x, val *y, const float2 *table, int Seq, int heads, int half, float sign) {
	int r = warp_row(), lane = threadIdx.x & 31;
	if (r >= rows) return;
	x += (i64)r * heads * half * 2;
	y += (i64)r * heads * half * 2;
	table += (i64)(r % Seq) * half;
	bool wide = half % 8 == 0;
	int packs = (half + 7) / 8;
	for (int i = lane; i < heads * packs; i += 32) {
		int head = i / packs, k = (i - head * packs) * 8, n = min(8, half - k), a = head * half * 2 + k;
		float u[8], v[8], t[2][8]; // t: cosine and sine of each channel
		load8(x + a, n, wide, u);
		load8(x + a + half, n, wide, v);
		load8((const float *)(table + k), min(2 * n, 8), wide, t[0]);
		load8((const float *)(table + k + 4), 2 * n - 8, wide, t[1]);
#pragma unroll
		for (int j = 0; j < 8; j++) {
			float c = t[j / 4][2 * j % 8], s = sign * t[j / 4][2 * j % 8 + 1], p = u[j];
			u[j] = p * c - v[j] * s;
			v[j] = v[j] * c + p * s;
		}
		store8(y + a, n, wide, u);
		store8(y + a + half, n, wide, v);
	}
}

// y[sample] = x of its token `at`
extern "C" __global__ void token(int rows, const val *x, val *y, int Seq, int at, int C) {
	int r = warp_row();
	if (r < rows) copy_row(x + ((i64)r * Seq + at) * C, y + (i64)r * C, C);
}

// dx = dy at that token, zero elsewhere
extern "C" __global__ void token_dx(int rows, const val *dy, val *dx, int Seq, int at, int C) {
	int r = warp_row();
	if (r >= rows) return;
	if (r % Seq == at) copy_row(dy + (i64)(r / Seq) * C, dx + (i64)r * C, C);
	else zero_row(dx + (i64)r * C, C);
}

// y = the pixels of x [samples][HW][C] as tokens, behind w [C] if front is 1
extern "C" __global__ void tokens(int rows, const val *x, const float *w, val *y, int Seq, int front, int HW, int C) {
	int r = warp_row(), t = r % Seq - front;
	if (r >= rows) return;
	if (t < 0) copy_row(w, y + (i64)r * C, C);
	else copy_row(x + ((i64)(r / Seq) * HW + t) * C, y + (i64)r * C, C);
}

// dx [samples][HW][C] = the tokens of dy from front on
extern "C" __global__ void tokens_dx(int rows, const val *dy, val *dx, int Seq, int front, int HW, int C) {
	int r = warp_row();
	if (r < rows) copy_row(dy + ((i64)(r / HW) * Seq + r % HW + front) * C, dx + (i64)r * C, C);
}

// dx = dy/Seq at every token
extern "C" __global__ void mean_tokens_dx(int rows, const val *dy, val *dx, int Seq, int C) {
	int r = warp_row();
	if (r >= rows) return;
	along(C, [&](int c, int n, bool wide) {
		float v[8];
		load8(dy + (i64)(r / Seq) * C + c, n, wide, v);
#pragma unroll
		for (int j = 0; j < 8; j++) v[j] /= (float)Seq;
		store8(dx + (i64)r * C + c, n, wide, v);
	});
}
