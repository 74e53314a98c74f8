// The optimiser's step, with the formulas of torch.optim.SGD, Adam and AdamW.

// Rule is the update rule, the same for all weights of a plan.
struct Rule {
	int kind;         // 0 SGD, 1 Adam, 2 AdamW
	int nesterov;     //
	float momentum;   //
	float b1, b2;     // β₁, β₂
	float c1, c2;     // 1 − β₁, 1 − β₂
	float eps, decay; //
};

// Weight is what a step moves: v and its bf16 copy half (or 0) by the gradient, with the
// state m, s of the rule (or 0). mask holds a byte for each element, 0 where it is masked,
// or is 0 itself.
struct Weight {
	float *v;
	bf16 *half;
	float *grad, *m, *s;
	const u8 *mask;
	i64 count;
	int decay;
};

// Job is a weight of those that share a launch: its place in the bank, and its first block.
struct Job { int weight, first; };

// One element.
//   SGD    g += wd·w; m = mom·m + g; w −= lr·(nesterov ? g + mom·m : m)
//   Adam   g += wd·w; m = β₁·m + (1−β₁)·g; s = β₂·s + (1−β₂)·g²;
//          w −= lr·(m/bias₁)/(√(s/bias₂) + eps)
//   AdamW  w −= lr·wd·w first, then Adam without wd
__device__ __forceinline__ void move(const Rule &r, const Step &t, float wd, float &w, float g, float &m, float &s) {
	if (r.kind == 2) w -= t.lr * wd * w;
	else g += wd * w;
	if (r.kind == 0) {
		if (r.momentum == 0.f) {
			w -= t.lr * g;
			return;
		}
		m = r.momentum * m + g;
		w -= t.lr * (r.nesterov ? g + r.momentum * m : m);
		return;
	}
	m = r.b1 * m + r.c1 * g;
	s = r.b2 * s + r.c2 * g * g;
	w -= t.lr * (m / t.bias1) / (sqrtf(s / t.bias2) + r.eps);
}

template <int N> struct Floats {
	float x[N];
	__device__ __forceinline__ void read(const float *p) {
		if (N == 4) *(float4 *)x = *(const float4 *)p;
		else x[0] = p[0];
	}
	__device__ __forceinline__ void write(float *p) const {
		if (N == 4) *(float4 *)p = *(const float4 *)x;
		else p[0] = x[0];
	}
	__device__ __forceinline__ void write(bf16 *p) const {
		if (N == 4) *(uint2 *)p = make_uint2(bf16x2(x[0], x[1]), bf16x2(x[2], x[3]));
		else p[0] = Make<bf16>::of(x[0]);
	}
};

// N elements from i on. Masked places keep their zeros. The gradient stays as it is: nothing
// on the card reads it after this, and whoever asks for it sees zeros there (bank.Grad).
template <int N> __device__ __forceinline__ void step_at(const Rule &r, const Step &t, const Weight &w, i64 i) {
	alignas(16) Floats<N> v, g, m, s;
	v.read(w.v + i);
	g.read(w.grad + i);
	if (w.m) m.read(w.m + i);
	if (w.s) s.read(w.s + i);
	float wd = w.decay ? r.decay : 0.f;
	u32 kept = ~0u; // a byte for each
	if (w.mask) kept = N == 4 ? *(const u32 *)(w.mask + i) : w.mask[i];
#pragma unroll
	for (int j = 0; j < N; j++)
		if (kept >> 8 * j & 0xffu) move(r, t, wd, v.x[j], g.x[j], m.x[j], s.x[j]);
	v.write(w.v + i);
	if (w.half) v.write(w.half + i);
	if (w.m) m.write(w.m + i);
	if (w.s) s.write(w.s + i);
}

// Elements of w from `from` to `to`, by the threads of a block; from is a multiple of 4.
__device__ __forceinline__ void steps(const Rule &r, const Step *step, const Weight &w, i64 from, i64 to) {
	Step t = *step;
	i64 whole = from + (to - from) / 4 * 4;
	for (i64 i = from + 4 * threadIdx.x; i < whole; i += 4 * blockDim.x) step_at<4>(r, t, w, i);
	i64 i = whole + threadIdx.x;
	if (i < to) step_at<1>(r, t, w, i);
}

// A step of one weight; each block takes chunk elements (a multiple of 4).
extern "C" __global__ void __launch_bounds__(256) update(const Rule *rule, const Step *step, const Weight *weight, int chunk) {
	Weight w = *weight;
	i64 from = (i64)blockIdx.x * chunk, to = from + chunk;
	steps(*rule, step, w, from, to < w.count ? to : w.count);
}

// Steps of n weights in one launch.
extern "C" __global__ void __launch_bounds__(256) updates(const Rule *rule, const Step *step, const Weight *weights, const Job *jobs, int n, int chunk) {
	int low = 0, high = n; // the last job whose blocks begin at or before this one
	while (high - low > 1) {
		int mid = (low + high) / 2;
		if (jobs[mid].first <= (int)blockIdx.x) low = mid;
		else high = mid;
	}
	Job job = jobs[low];
	Weight w = weights[job.weight];
	i64 from = (i64)(blockIdx.x - job.first) * chunk, to = from + chunk;
	steps(*rule, step, w, from, to < w.count ? to : w.count);
}

// grad = 0 at masked places.
extern "C" __global__ void mask_gradient(i64 count, float *grad, const u8 *mask) {
	FOR_EACH(i, count)
		if (!mask[i]) grad[i] = 0.f;
}

// The bf16 copy of a weight.
extern "C" __global__ void halve(i64 count, const float* v, bf16* half) {
	FOR_EACH(i, count) half[i] = Make<bf16>::of(v[i]);
}
