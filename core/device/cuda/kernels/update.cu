// The optimiser's step, with the formulas of torch.optim (core/device/plan.go: Optim).
// Masked places of v, state and gradient are zero and stay so; of an open weight the
// gradient keeps what it has there. half, the bf16 copy of v, follows.

// What all rules share: element i is to move, and its gradient.
struct Rows {
	i64 count;
	float* v;
	bf16* half;
	float* grad;
	const u8* mask;
	int open;
};

template <class F>
__device__ __forceinline__ void move(Rows w, F f) {
	for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < w.count; i += (i64)gridDim.x * blockDim.x) {
		if (w.mask && !w.mask[i]) {
			if (!w.open) w.grad[i] = 0;
			continue;
		}
		float x = f(i, w.v[i], w.grad[i]);
		w.v[i] = x;
		if (w.half) w.half[i] = Make<bf16>::of(x);
	}
}

// g += wd·w; v = mom·v + g; w −= lr·(nesterov ? g + mom·v : v). m is 0 without momentum.
extern "C" __global__ void sgd(i64 count, float* v, bf16* half, float* grad, const u8* mask, int open, const Step* step, float wd, float* m, float mom, int nesterov) {
	float lr = step->lr;
	move({count, v, half, grad, mask, open}, [=](i64 i, float x, float g) {
		g += wd * x;
		if (!m) return x - lr * g;
		float u = mom * m[i] + g;
		m[i] = u;
		return nesterov ? x - lr * (g + mom * u) : x - lr * u;
	});
}

// m = β1·m + (1−β1)·g; s = β2·s + (1−β2)·g²; w −= lr·m̂/(√ŝ + eps). apart: weight decay
// is taken from w (AdamW) instead of being added to g. rest1, rest2: 1 − β1, 1 − β2.
extern "C" __global__ void adam(i64 count, float* v, bf16* half, float* grad, const u8* mask, int open, const Step* step, float wd, float* m, float* s, float beta1, float rest1, float beta2, float rest2, float eps, int apart) {
	float lr = step->lr, bias1 = step->bias1, bias2 = step->bias2;
	move({count, v, half, grad, mask, open}, [=](i64 i, float x, float g) {
		if (apart) x -= lr * wd * x;
		else g += wd * x;
		float a = beta1 * m[i] + rest1 * g, b = beta2 * s[i] + rest2 * g * g;
		m[i] = a, s[i] = b;
		return x - lr * (a / bias1) / (sqrtf(b / bias2) + eps);
	});
}

// Zeros at masked places of a gradient.
extern "C" __global__ void mask_gradient(i64 count, float* grad, const u8* mask) {
	for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (i64)gridDim.x * blockDim.x)
		if (!mask[i]) grad[i] = 0;
}
