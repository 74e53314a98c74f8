// LayerNorm and RMSNorm: a warp for each row; a thread holds every 32nd pack of it.

const int WIDE = 16 / sizeof(val);
struct __align__(16) pack { val v[WIDE]; };

// HELD packs of a row stay in a lane's registers; longer rows are read again.
#ifndef HELD
#define HELD 8
#endif

// y = (x − μ)·r·gamma + beta over the C values of each row, r = 1/√(σ² + eps); with rms
// μ is 0. stat [rows][2] (may be 0) receives μ and r.
template <bool HOLD>
__device__ __forceinline__ void norm_row(const val* x, val* y, float* stat, const float* gamma, const float* beta, int C, float eps, int rms) {
	int lane = threadIdx.x & 31, packs = C % WIDE == 0 ? C / WIDE : 0;
	pack held[HOLD ? HELD : 1];
	if constexpr (HOLD) {
#pragma unroll
		for (int j = 0; j < HELD; j++)
			if (lane + 32 * j < packs) held[j] = ((const pack*)x)[lane + 32 * j];
	}
	// f(c, v) of all values of the lane.
	auto all = [&](auto f) {
		if constexpr (HOLD) {
#pragma unroll
			for (int j = 0; j < HELD; j++)
				if (lane + 32 * j < packs)
					for (int k = 0; k < WIDE; k++) f(to_float(held[j].v[k]));
		} else {
			for (int p = lane; p < packs; p += 32) {
				pack a = ((const pack*)x)[p];
				for (int k = 0; k < WIDE; k++) f(to_float(a.v[k]));
			}
			for (int c = packs * WIDE + lane; c < C; c += 32) f(to_float(x[c]));
		}
	};
	float mean = 0, square = 0;
	if (!rms) {
		all([&](float v) { mean += v; });
		mean = warp_sum(mean) / C;
	}
	all([&](float v) { square += (v - mean) * (v - mean); });
	float r = 1.f / sqrtf(warp_sum(square) / C + eps);
	auto put = [&](int p, pack a) {
		float v[WIDE], g[WIDE], b[WIDE];
		read(gamma + p * WIDE, g);
		if (beta) read(beta + p * WIDE, b);
#pragma unroll
		for (int k = 0; k < WIDE; k++) v[k] = (to_float(a.v[k]) - mean) * r * g[k] + (beta ? b[k] : 0.f);
		write(y + p * WIDE, v);
	};
	if constexpr (HOLD) {
#pragma unroll
		for (int j = 0; j < HELD; j++)
			if (lane + 32 * j < packs) put(lane + 32 * j, held[j]);
	} else {
		for (int p = lane; p < packs; p += 32) put(p, ((const pack*)x)[p]);
		for (int c = packs * WIDE + lane; c < C; c += 32) y[c] = to_val((to_float(x[c]) - mean) * r * gamma[c] + (beta ? beta[c] : 0.f));
	}
	if (stat && lane == 0) stat[0] = mean, stat[1] = r;
}

extern "C" __global__ void __launch_bounds__(256) layernorm(const val* x, val* y, float* stat, const float* gamma, const float* beta, int rows, int C, float eps, int rms) {
	i64 row = (i64)blockIdx.x * (blockDim.x >> 5) + (threadIdx.x >> 5);
	if (row >= rows) return;
	if (stat) stat += 2 * row;
	if (C % WIDE == 0 && C / WIDE <= 32 * HELD) norm_row<true>(x + row * C, y + row * C, stat, gamma, beta, C, eps, rms);
	else norm_row<false>(x + row * C, y + row * C, stat, gamma, beta, C, eps, rms);
}

// With add, dx is added to what is there.
// g = gamma·dy, dx = r·(g − mean g − x̂·mean(g·x̂)), without the first mean for rms;
// part [parts][C or 2C]: Σ dy·x̂ over the part's rows, and Σ dy behind it without rms.
// A block takes a part: its warps the rows in turn, and each warp sums its own rows'
// columns in shared memory [warps][2][C], which are added in the order of the warps.
// There column p·WIDE + k lies at k·packs + p, so that the lanes' words are neighbours.
extern "C" __global__ void __launch_bounds__(256) layernorm_dx(const val* x, const float* stat, const val* dy, val* dx, int add, float* part, const float* gamma, int rows, int C, int rms) {
	extern __shared__ float sums[];
	int warps = blockDim.x >> 5, warp = threadIdx.x >> 5, lane = threadIdx.x & 31, wide = rms ? C : 2 * C;
	float* mine = sums + (i64)warp * wide;
	for (int c = lane; c < wide; c += 32) mine[c] = 0;
	__syncwarp();
	int from = part_from(rows, gridDim.x, blockIdx.x), till = part_from(rows, gridDim.x, blockIdx.x + 1);
	int packs = C % WIDE == 0 ? C / WIDE : 0;
	for (int row = from + warp; row < till; row += warps) {
		const val *xr = x + (i64)row * C, *dyr = dy + (i64)row * C;
		float mean = stat[2 * row], r = stat[2 * row + 1], g = 0, gx = 0;
		for (int p = lane; p < packs; p += 32) {
			pack a = ((const pack*)xr)[p], b = ((const pack*)dyr)[p];
			for (int k = 0; k < WIDE; k++) {
				int c = p * WIDE + k;
				float d = to_float(b.v[k]), hat = (to_float(a.v[k]) - mean) * r, gd = gamma[c] * d;
				g += gd, gx += gd * hat;
				mine[k * packs + p] += d * hat;
				if (!rms) mine[C + k * packs + p] += d;
			}
		}
		for (int c = packs * WIDE + lane; c < C; c += 32) {
			float d = to_float(dyr[c]), hat = (to_float(xr[c]) - mean) * r, gd = gamma[c] * d;
			g += gd, gx += gd * hat;
			mine[c] += d * hat;
			if (!rms) mine[C + c] += d;
		}
		g = rms ? 0 : warp_sum(g) / C, gx = warp_sum(gx) / C;
		val* to = dx + (i64)row * C;
		for (int p = lane; p < packs; p += 32) {
			pack a = ((const pack*)xr)[p], b = ((const pack*)dyr)[p];
			pack old;
			if (add) old = ((const pack*)to)[p];
			for (int k = 0; k < WIDE; k++) {
				float hat = (to_float(a.v[k]) - mean) * r, d = r * (gamma[p * WIDE + k] * to_float(b.v[k]) - g - hat * gx);
				a.v[k] = to_val(add ? to_float(old.v[k]) + d : d);
			}
			((pack*)to)[p] = a;
		}
		for (int c = packs * WIDE + lane; c < C; c += 32) {
			float hat = (to_float(xr[c]) - mean) * r;
			float d = r * (gamma[c] * to_float(dyr[c]) - g - hat * gx);
			to[c] = to_val(add ? to_float(to[c]) + d : d);
		}
	}
	__syncthreads();
	for (int c = threadIdx.x; c < wide; c += blockDim.x) {
		int j = c % C, at = packs ? j % WIDE * packs + j / WIDE + (c - j) : c;
		float s = 0;
		for (int w = 0; w < warps; w++) s += sums[(i64)w * wide + at];
		part[(i64)blockIdx.x * wide + c] = s;
	}
}

// Makes the compiler unpack a once more later on, instead of keeping its values in twice as
// many registers.
__device__ __forceinline__ void stay_packed(pack &a) {
	uint4 &w = (uint4 &)a;
	asm volatile("" : "+r"(w.x), "+r"(w.y), "+r"(w.z), "+r"(w.w));
}

// layernorm_dx of rows that are whole packs, at most 1024 of them: each of the THREADS of a
// block keeps the sums of a pack's columns while the block goes through its part, ROWS at
// a time. So all is read once, and a row's two means are all that the threads share.
#ifndef THREADS
#define THREADS 1024
#define ROWS 2
#endif
#define BLOCKS (THREADS < 576 ? 576 / THREADS : 1) // of a multiprocessor

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) layernorm_dx_columns(const val* x, const float* stat, const val* dy, val* dx, int add, float* part, const float* gamma, int rows, int C, int rms) {
	const int V = 2 * ROWS; // values that are summed over a row's threads
	__shared__ float sums[2][32][V]; // of each warp, for two turns: one is read while the next is written
	int warps = blockDim.x >> 5, warp = threadIdx.x >> 5, lane = threadIdx.x & 31, c = threadIdx.x * WIDE;
	int from = part_from(rows, gridDim.x, blockIdx.x), till = part_from(rows, gridDim.x, blockIdx.x + 1);
	bool mine = c < C;
	float gam[WIDE], dgamma[WIDE], dbeta[WIDE];
#pragma unroll
	for (int k = 0; k < WIDE; k++) gam[k] = dgamma[k] = dbeta[k] = 0.f;
	if (mine) read(gamma + c, gam);
	for (int row = from, turn = 0; row < till; row += ROWS, turn ^= 1) {
		pack a[ROWS], b[ROWS], old[ROWS];
		float mean[ROWS], r[ROWS], v[V]; // v: Σ g of each row, then Σ g·x̂
#pragma unroll
		for (int u = 0; u < ROWS; u++) {
			i64 at = (i64)(row + u) * C + c;
			bool there = mine && row + u < till;
			if (there) a[u] = *(const pack*)(x + at), b[u] = *(const pack*)(dy + at);
			if (there && add) old[u] = *(const pack*)(dx + at);
			mean[u] = there ? stat[2 * (row + u)] : 0.f, r[u] = there ? stat[2 * (row + u) + 1] : 0.f;
		}
#pragma unroll
		for (int u = 0; u < ROWS; u++) {
			v[u] = v[ROWS + u] = 0.f;
			if (!mine || row + u >= till) continue;
#pragma unroll
			for (int k = 0; k < WIDE; k++) {
				float d = to_float(b[u].v[k]), hat = (to_float(a[u].v[k]) - mean[u]) * r[u];
				dgamma[k] += d * hat, dbeta[k] += d;
				v[u] += d * gam[k], v[ROWS + u] += d * gam[k] * hat;
			}
		}
		// Half of the lanes keep the upper half of the values, and so on: in the end lane
		// 32/V·i has the warp's sum of value i.
#pragma unroll
		for (int d = 16, n = ROWS; n > 0; d /= 2, n /= 2) {
			bool upper = lane & d;
#pragma unroll
			for (int i = 0; i < n; i++) {
				float keep = upper ? v[i + n] : v[i], give = upper ? v[i] : v[i + n];
				v[i] = keep + __shfl_xor_sync(0xffffffffu, give, d);
			}
		}
		for (int d = 16 / V; d > 0; d /= 2) v[0] += __shfl_xor_sync(0xffffffffu, v[0], d);
		if (lane % (32 / V) == 0) sums[turn][warp][lane / (32 / V)] = v[0];
		__syncthreads();
		float all = 0.f; // value lane % V
		for (int w = lane / V; w < warps; w += 32 / V) all += sums[turn][w][lane % V];
		for (int d = V; d < 32; d *= 2) all += __shfl_xor_sync(0xffffffffu, all, d);
		all /= C;
#pragma unroll
		for (int u = 0; u < ROWS; u++) {
			float g = __shfl_sync(0xffffffffu, all, u), gx = __shfl_sync(0xffffffffu, all, ROWS + u), to[WIDE];
			if (rms) g = 0.f;
			if (!mine || row + u >= till) continue;
			stay_packed(a[u]);
			stay_packed(b[u]);
#pragma unroll
			for (int k = 0; k < WIDE; k++) {
				float hat = (to_float(a[u].v[k]) - mean[u]) * r[u];
				to[k] = r[u] * (gam[k] * to_float(b[u].v[k]) - g - hat * gx);
				if (add) to[k] += to_float(old[u].v[k]);
			}
			write(dx + (i64)(row + u) * C + c, to);
		}
	}
	if (!mine) return;
	part += (i64)blockIdx.x * (rms ? C : 2 * C) + c;
	write(part, dgamma);
	if (!rms) write(part + C, dbeta);
}
