// Behind neither DIM nor TILE: one program for heads of any size.

// attend_sums: sums[i] = Σ dy·y over the dim channels of head i of [rows][heads]. A warp
// each.
extern "C" __global__ void attend_sums(i64 count, int dim, const val *y, const val *dy, float *sums) {
	i64 warps = (i64)gridDim.x * (blockDim.x / 32);
	for (i64 i = (i64)blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32; i < count; i += warps) {
		float sum = 0.f;
		for (int d = threadIdx.x % 32; d < dim; d += 32) sum += to_float(y[i * dim + d]) * to_float(dy[i * dim + d]);
		sum = warp_sum(sum);
		if (threadIdx.x % 32 == 0) sums[i] = sum;
	}
}
