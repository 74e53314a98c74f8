// Batch norm: statistics over rows and pixels by parts of the rows, and splits of a part's
// pixels that fill the card, merged in their order.

// Pixels of a block: split blockIdx.y % splits of part blockIdx.y / splits.
struct Pixels {
	i64 from, till;
};

__device__ __forceinline__ Pixels pixels_of(int rows, int parts, int part, i64 HW, int splits, int split) {
	i64 from = part_from(rows, parts, part) * HW, till = part_from(rows, parts, part + 1) * HW, each = (till - from + splits - 1) / splits;
	Pixels p = {from + split * each, from + (split + 1) * each};
	if (p.from > till) p.from = till;
	if (p.till > till) p.till = till;
	return p;
}

// sums of two doubles over the 8 threads that stand below each other in a block of 32×8.
__device__ __forceinline__ double below(double x) {
	__shared__ double s[8][33];
	int lane = threadIdx.x & 31, y = threadIdx.x >> 5;
	__syncthreads();
	s[y][lane] = x;
	__syncthreads();
	x = 0;
	for (int j = 0; j < 8; j++) x += s[j][lane];
	return x;
}

// part [parts·splits][2C]: mean and centred sum of squares of each channel over the split's
// pixels; x [rows·HW][C]. A block for 32 channels of a split.
extern "C" __global__ void __launch_bounds__(256) norm_stats(const val* x, float* part, int rows, int C, int HW, int splits) {
	int c = blockIdx.x * 32 + (threadIdx.x & 31), y = threadIdx.x >> 5;
	Pixels of = pixels_of(rows, gridDim.y / splits, blockIdx.y / splits, HW, splits, blockIdx.y % splits);
	i64 from = of.from, till = of.till;
	bool in = c < C;
	double mean = 0, m2 = 0;
	if (in)
		for (i64 p = from + y; p < till; p += 8) mean += to_float(x[p * C + c]);
	mean = below(mean) / (till > from ? till - from : 1);
	if (in)
		for (i64 p = from + y; p < till; p += 8) {
			double d = to_float(x[p * C + c]) - mean;
			m2 += d * d;
		}
	m2 = below(m2);
	if (in && y == 0) part[(i64)blockIdx.y * 2 * C + c] = mean, part[(i64)blockIdx.y * 2 * C + C + c] = m2;
}

// Moments are those of n values: their mean, and centred sum of squares.
struct Moments {
	double n, mean, m2;
	// with more of them: Chan, Golub, LeVeque 1979
	__device__ __forceinline__ void with(const Moments &o) {
		if (o.n == 0) return;
		double d = o.mean - mean, all = n + o.n;
		mean += d * o.n / all;
		m2 += o.m2 + d * d * n * o.n / all;
		n = all;
	}
};

// part [parts][2C] from its splits. A block for 8 channels of a part: 32 threads below each
// take a split in 32 in their order, then halves of them are put together.
extern "C" __global__ void __launch_bounds__(256) norm_fold(const float *split, float *part, int rows, int C, int HW, int splits) {
	__shared__ Moments all[32][8];
	int x = threadIdx.x & 7, slot = threadIdx.x >> 3, c = blockIdx.x * 8 + x, t = blockIdx.y;
	Moments sum = {0, 0, 0};
	if (c < C)
		for (int i = slot; i < splits; i += 32) {
			Pixels p = pixels_of(rows, gridDim.y, t, HW, splits, i);
			const float *from = split + ((i64)t * splits + i) * 2 * C + c;
			sum.with({(double)(p.till - p.from), from[0], from[C]});
		}
	all[slot][x] = sum;
	for (int half = 16; half > 0; half /= 2) {
		__syncthreads();
		if (slot < half) all[slot][x].with(all[slot + half][x]);
	}
	if (slot == 0 && c < C) part[(i64)t * 2 * C + c] = all[0][x].mean, part[(i64)t * 2 * C + C + c] = all[0][x].m2;
}

// The same of sums; C of them.
extern "C" __global__ void __launch_bounds__(256) norm_dfold(const float *split, float *part, int C, int splits) {
	__shared__ double all[32][8];
	int x = threadIdx.x & 7, slot = threadIdx.x >> 3, c = blockIdx.x * 8 + x, t = blockIdx.y;
	double sum = 0;
	if (c < C)
		for (int i = slot; i < splits; i += 32) sum += split[((i64)t * splits + i) * C + c];
	all[slot][x] = sum;
	for (int half = 16; half > 0; half /= 2) {
		__syncthreads();
		if (slot < half) all[slot][x] += all[slot + half][x];
	}
	if (slot == 0 && c < C) part[(i64)t * C + c] = all[0][x];
}

// The parts one after another. mean, rstd [C] of the batch;
// r ← (1−m)·r + m·batch for the running ones, with the unbiased variance.
extern "C" __global__ void norm_merge(const float* part, float* mean, float* rstd, float* rm, bf16* rm_half, const u8* rm_mask, float* rv, bf16* rv_half, const u8* rv_mask, int rows, int parts, int C, int HW, float eps, float mom) {
	int c = blockIdx.x * blockDim.x + threadIdx.x;
	if (c >= C) return;
	Moments all = {0, 0, 0};
	for (int t = 0; t < parts; t++)
		all.with({(double)(part_from(rows, parts, t + 1) - part_from(rows, parts, t)) * HW, part[(i64)t * 2 * C + c], part[(i64)t * 2 * C + C + c]});
	double n = all.n, m = all.mean, m2 = all.m2;
	mean[c] = m, rstd[c] = 1 / sqrt(m2 / n + eps);
	float a = rm_mask && !rm_mask[c] ? 0.f : (float)((1 - (double)mom) * rm[c] + mom * m);
	float b = rv_mask && !rv_mask[c] ? 0.f : (float)((1 - (double)mom) * rv[c] + mom * m2 / (n - 1));
	rm[c] = a, rv[c] = b;
	if (rm_half) rm_half[c] = Make<bf16>::of(a), rv_half[c] = Make<bf16>::of(b);
}

// y = (x − mean)·rstd·gamma + beta.
extern "C" __global__ void norm_apply(i64 count, const val* x, val* y, const float* mean, const float* rstd, const float* gamma, const float* beta, int C) {
	packs(count, C, C % 8 == 0, [&](i64 p, int c, int n, bool wide) {
		float v[8], m[8], r[8], g[8], b[8];
		load8(x + p * C + c, n, wide, v);
		load8(mean + c, n, wide, m), load8(rstd + c, n, wide, r), load8(gamma + c, n, wide, g), load8(beta + c, n, wide, b);
#pragma unroll
		for (int j = 0; j < 8; j++)
			if (j < n) v[j] = (v[j] - m[j]) * r[j] * g[j] + b[j];
		store8(y + p * C + c, n, wide, v);
	});
}

// The same with running statistics.
extern "C" __global__ void norm_infer(i64 count, const val* x, val* y, const float* gamma, const float* beta, const float* mean, const float* variance, int C, float eps) {
	packs(count, C, C % 8 == 0, [&](i64 p, int c, int n, bool wide) {
		float v[8], m[8], r[8], g[8], b[8];
		load8(x + p * C + c, n, wide, v);
		load8(mean + c, n, wide, m), load8(variance + c, n, wide, r), load8(gamma + c, n, wide, g), load8(beta + c, n, wide, b);
#pragma unroll
		for (int j = 0; j < 8; j++)
			if (j < n) v[j] = (v[j] - m[j]) / sqrtf(r[j] + eps) * g[j] + b[j];
		store8(y + p * C + c, n, wide, v);
	});
}

// part [parts·splits][2C]: Σ dy and Σ dy·x̂.
extern "C" __global__ void __launch_bounds__(256) norm_dstats(const val* x, const val* dy, float* part, const float* mean, const float* rstd, int rows, int C, int HW, int splits) {
	int c = blockIdx.x * 32 + (threadIdx.x & 31), y = threadIdx.x >> 5;
	Pixels of = pixels_of(rows, gridDim.y / splits, blockIdx.y / splits, HW, splits, blockIdx.y % splits);
	i64 from = of.from, till = of.till;
	double d = 0, dx = 0;
	if (c < C)
		for (i64 p = from + y; p < till; p += 8) {
			float g = to_float(dy[p * C + c]);
			d += g, dx += g * (to_float(x[p * C + c]) - mean[c]) * rstd[c];
		}
	d = below(d), dx = below(dx);
	if (c < C && y == 0) part[(i64)blockIdx.y * 2 * C + c] = d, part[(i64)blockIdx.y * 2 * C + C + c] = dx;
}

// dbeta = Σ dy, dgamma = Σ dy·x̂, and as gradients of the weights that train, added to
// what is there if add is set.
extern "C" __global__ void norm_dmerge(const float* part, float* dbeta, float* dgamma, float* beta_grad, const u8* beta_mask, float* gamma_grad, const u8* gamma_mask, int parts, int C, int add) {
	int c = blockIdx.x * blockDim.x + threadIdx.x;
	if (c >= C) return;
	double d = 0, dx = 0;
	for (int t = 0; t < parts; t++) d += part[(i64)t * 2 * C + c], dx += part[(i64)t * 2 * C + C + c];
	dbeta[c] = d, dgamma[c] = dx;
	if (beta_grad) beta_grad[c] = beta_mask && !beta_mask[c] ? 0.f : (float)(add ? beta_grad[c] + d : d);
	if (gamma_grad) gamma_grad[c] = gamma_mask && !gamma_mask[c] ? 0.f : (float)(add ? gamma_grad[c] + dx : dx);
}

// dx = gamma·rstd·(dy − dbeta/m − x̂·dgamma/m), m = rows·pixels.
extern "C" __global__ void norm_dx(i64 count, const val* x, const val* dy, val* dx, const float* mean, const float* rstd, const float* dbeta, const float* dgamma, const float* gamma, int C, float m) {
	packs(count, C, C % 8 == 0, [&](i64 p, int c, int n, bool wide) {
		float v[8], d[8], u[8], r[8], b[8], s[8], g[8];
		load8(x + p * C + c, n, wide, v), load8(dy + p * C + c, n, wide, d);
		load8(mean + c, n, wide, u), load8(rstd + c, n, wide, r), load8(dbeta + c, n, wide, b), load8(dgamma + c, n, wide, s), load8(gamma + c, n, wide, g);
#pragma unroll
		for (int j = 0; j < 8; j++) {
			if (j >= n) break; // of a single channel the others would cost as much
			float hat = (v[j] - u[j]) * r[j];
			d[j] = g[j] * r[j] * (d[j] - b[j] / m - hat * s[j] / m);
		}
		store8(dx + p * C + c, n, wide, d);
	});
}
