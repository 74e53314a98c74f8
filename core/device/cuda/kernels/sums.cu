// Sums over rows, and what is made from them.

// part[splits][C] = the sums of dy over the rows of each split. dy is [rows][C], ld apart.
// Grid: blocks of 8·lanes channels, splits.
extern "C" __global__ void __launch_bounds__(256) sum_splits(const val *dy, float *part, int rows, int C, i64 ld, int lanes) {
	int from = part_from(rows, gridDim.y, blockIdx.y), to = part_from(rows, gridDim.y, blockIdx.y + 1);
	part += (i64)blockIdx.y * C;
	sum_rows(from, to, C, blockIdx.x * 8 * lanes, lanes, ld % 8 == 0, [&](int r, int c, int n, bool wide, float (&v)[8]) {
		load8(dy + r * ld + c, n, wide, v);
	}, [&](int c, float sum) { part[c] = sum; });
}

// y[c] = Σ part[p][c] over the parts, ld apart; added to y if accum is set. Grid: blocks of
// 8 channels; 32 threads below each.
extern "C" __global__ void __launch_bounds__(256) sum_parts(const float *part, float *y, int parts, int C, int ld, int accum) {
	__shared__ float all[32][8];
	int x = threadIdx.x & 7, slot = threadIdx.x >> 3, c = blockIdx.x * 8 + x;
	float sum = 0.f;
	if (c < C) {
#pragma unroll 8
		for (int p = slot; p < parts; p += 32) sum += part[(i64)p * ld + c];
	}
	all[slot][x] = sum;
	for (int half = 16; half > 0; half /= 2) {
		__syncthreads();
		if (slot < half) all[slot][x] += all[slot + half][x];
	}
	if (slot == 0 && c < C) y[c] = accum ? y[c] + all[0][x] : all[0][x];
}

// ds[rows][C] = Σ dy·x over the HW pixels of a row. Grid: blocks of 8·lanes channels, rows.
extern "C" __global__ void __launch_bounds__(256) gate_d(const val *dy, const val *x, val *ds, int HW, int C, int lanes, int rows) {
	for (i64 row = blockIdx.y; row < rows; row += gridDim.y) {
		i64 at = row * HW * C;
		__syncthreads(); // the sums of the row before have been read
		sum_rows(0, HW, C, blockIdx.x * 8 * lanes, lanes, C % 8 == 0, [&](int r, int c, int n, bool wide, float (&v)[8]) {
			float d[8];
			load8(x + at + (i64)r * C + c, n, wide, v);
			load8(dy + at + (i64)r * C + c, n, wide, d);
#pragma unroll
			for (int j = 0; j < 8; j++) v[j] *= d[j];
		}, [&](int c, float sum) { ds[row * C + c] = to_val(sum); });
	}
}

// y[samples][C] = the mean of x[samples][Seq][C] over the tokens. Grid as gate_d.
extern "C" __global__ void __launch_bounds__(256) mean_tokens(const val *x, val *y, int Seq, int C, int lanes, int samples) {
	for (i64 s = blockIdx.y; s < samples; s += gridDim.y) {
		__syncthreads();
		sum_rows(0, Seq, C, blockIdx.x * 8 * lanes, lanes, C % 8 == 0, [&](int r, int c, int n, bool wide, float (&v)[8]) {
			load8(x + (s * Seq + r) * C + c, n, wide, v);
		}, [&](int c, float sum) { y[s * C + c] = to_val(sum / (float)Seq); });
	}
}

// x = 0
extern "C" __global__ void zero(i64 count, float *x) {
	walk(count, [&](i64 i, auto w) {
		float v[decltype(w)::n];
		for (int j = 0; j < decltype(w)::n; j++) v[j] = 0.f;
		write(x + i, v);
	});
}
