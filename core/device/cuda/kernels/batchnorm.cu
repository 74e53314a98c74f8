// Batch norm: statistics over rows and pixels by parts of the rows, merged in their order.

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

// part [parts][2C]: mean and centred sum of squares of each channel over the part's
// pixels; x [rows·HW][C]. A block for 32 channels of a part.
extern "C" __global__ void __launch_bounds__(256) norm_stats(const val* x, float* part, int rows, int C, int HW) {
	int c = blockIdx.x * 32 + (threadIdx.x & 31), y = threadIdx.x >> 5;
	i64 from = (i64)part_from(rows, gridDim.y, blockIdx.y) * HW, till = (i64)part_from(rows, gridDim.y, blockIdx.y + 1) * HW;
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

// Chan, Golub, LeVeque 1979: the parts one after another. mean, rstd [C] of the batch;
// r ← (1−m)·r + m·batch for the running ones, with the unbiased variance.
extern "C" __global__ void norm_merge(const float* part, float* mean, float* rstd, float* rm, bf16* rm_half, const u8* rm_mask, float* rv, bf16* rv_half, const u8* rv_mask, int rows, int parts, int C, int HW, float eps, float mom) {
	int c = blockIdx.x * blockDim.x + threadIdx.x;
	if (c >= C) return;
	double n = 0, m = 0, m2 = 0;
	for (int t = 0; t < parts; t++) {
		double nb = (double)(part_from(rows, parts, t + 1) - part_from(rows, parts, t)) * HW;
		if (nb == 0) continue;
		double d = part[(i64)t * 2 * C + c] - m;
		m += d * nb / (n + nb);
		m2 += part[(i64)t * 2 * C + C + c] + d * d * n * nb / (n + nb);
		n += nb;
	}
	mean[c] = m, rstd[c] = 1 / sqrt(m2 / n + eps);
	float a = rm_mask && !rm_mask[c] ? 0.f : (float)((1 - (double)mom) * rm[c] + mom * m);
	float b = rv_mask && !rv_mask[c] ? 0.f : (float)((1 - (double)mom) * rv[c] + mom * m2 / (n - 1));
	rm[c] = a, rv[c] = b;
	if (rm_half) rm_half[c] = Make<bf16>::of(a), rv_half[c] = Make<bf16>::of(b);
}

// y = (x − mean)·rstd·gamma + beta.
extern "C" __global__ void norm_apply(i64 count, const val* x, val* y, const float* mean, const float* rstd, const float* gamma, const float* beta, int C) {
	FOR_EACH(i, count) {
		int c = i % C;
		y[i] = to_val((to_float(x[i]) - mean[c]) * rstd[c] * gamma[c] + beta[c]);
	}
}

// The same with running statistics.
extern "C" __global__ void norm_infer(i64 count, const val* x, val* y, const float* gamma, const float* beta, const float* mean, const float* variance, int C, float eps) {
	FOR_EACH(i, count) {
		int c = i % C;
		y[i] = to_val((to_float(x[i]) - mean[c]) / sqrtf(variance[c] + eps) * gamma[c] + beta[c]);
	}
}

// part [parts][2C]: Σ dy and Σ dy·x̂.
extern "C" __global__ void __launch_bounds__(256) norm_dstats(const val* x, const val* dy, float* part, const float* mean, const float* rstd, int rows, int C, int HW) {
	int c = blockIdx.x * 32 + (threadIdx.x & 31), y = threadIdx.x >> 5;
	i64 from = (i64)part_from(rows, gridDim.y, blockIdx.y) * HW, till = (i64)part_from(rows, gridDim.y, blockIdx.y + 1) * HW;
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
	FOR_EACH(i, count) {
		int c = i % C;
		float hat = (to_float(x[i]) - mean[c]) * rstd[c];
		dx[i] = to_val(gamma[c] * rstd[c] * (to_float(dy[i]) - dbeta[c] / m - hat * dgamma[c] / m));
	}
}
