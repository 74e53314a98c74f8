// What works element by element, and sums over rows.

// WIDE values are 16 bytes: what a thread loads at once.
const int WIDE = 16 / sizeof(val);
struct __align__(16) pack { val v[WIDE]; };

// each applies f(i, x…) to all elements i of y, in packs; values begin at multiples of 16
// bytes. y may be one of the inputs.
template <class F>
__device__ __forceinline__ void each(i64 count, const val* x, val* y, F f) {
	i64 step = (i64)gridDim.x * blockDim.x, id = (i64)blockIdx.x * blockDim.x + threadIdx.x, packs = count / WIDE;
	for (i64 p = id; p < packs; p += step) {
		pack a = ((const pack*)x)[p];
		for (int k = 0; k < WIDE; k++) a.v[k] = to_val(f(p * WIDE + k, to_float(a.v[k])));
		((pack*)y)[p] = a;
	}
	for (i64 i = packs * WIDE + id; i < count; i += step) y[i] = to_val(f(i, to_float(x[i])));
}

template <class F>
__device__ __forceinline__ void each(i64 count, const val* x, const val* z, val* y, F f) {
	i64 step = (i64)gridDim.x * blockDim.x, id = (i64)blockIdx.x * blockDim.x + threadIdx.x, packs = count / WIDE;
	for (i64 p = id; p < packs; p += step) {
		pack a = ((const pack*)x)[p], b = ((const pack*)z)[p];
		for (int k = 0; k < WIDE; k++) a.v[k] = to_val(f(to_float(a.v[k]), to_float(b.v[k])));
		((pack*)y)[p] = a;
	}
	for (i64 i = packs * WIDE + id; i < count; i += step) y[i] = to_val(f(to_float(x[i]), to_float(z[i])));
}

// The exponential: where results are rounded to bf16 the fast one is exact enough.
__device__ __forceinline__ float exponential(float x) {
#ifdef VAL_BF16
	return __expf(x);
#else
	return expf(x);
#endif
}

__device__ __forceinline__ float sigmoid(float x) {
#ifdef VAL_BF16
	return __fdividef(1.f, 1.f + __expf(fmaxf(-x, -88.f)));
#else
	return 1.f / (1.f + expf(-x));
#endif
}

// Activations, in the order of device.Act.
enum Act { NONE, RELU, GELU, SILU, HARDSWISH, TANH, GELU_TANH, SIGMOID, HARDSIGMOID, LEAKYRELU, ELU, CLIP, AFFINE };

// 2·√(2/π): (1 + tanh z)/2 is the sigmoid of 2z.
#define GELU_ARG 1.5957691216057308f

__device__ __forceinline__ float normal_cdf(float x) { return 0.5f * erfcf(-x * 0.70710678118654752f); }

// f(x). A NaN stays a NaN.
__device__ __forceinline__ float act_of(int act, float a, float b, float x) {
	switch (act) {
	case RELU: return x < 0 ? 0 : x;
	case GELU: return x * normal_cdf(x);
	case SILU: return x * sigmoid(x);
	case HARDSWISH: return x != x ? x : x * fminf(fmaxf(x + 3, 0), 6) / 6;
	case TANH: return tanhf(x);
	case GELU_TANH: return x * sigmoid(GELU_ARG * (x + 0.044715f * x * x * x));
	case SIGMOID: return sigmoid(x);
	case HARDSIGMOID: return x != x ? x : fminf(fmaxf(a * x + b, 0), 1);
	case LEAKYRELU: return x < 0 ? a * x : x;
	case ELU: return x < 0 ? a * expm1f(x) : x;
	case CLIP: return x != x ? x : fminf(fmaxf(x, a), b);
	case AFFINE: return a * x + b;
	}
	return x;
}

// f′, of y = f(x) or of x as device.Act.FromOutput says.
__device__ __forceinline__ float act_d(int act, float a, float b, float v) {
	switch (act) {
	case RELU: return v > 0 ? 1 : 0;
	case GELU: return normal_cdf(v) + v * exponential(-v * v / 2) * 0.3989422804014327f;
	case SILU: {
		float s = sigmoid(v);
		return s * (1 + v * (1 - s));
	}
	case HARDSWISH: return v < -3 ? 0 : v <= 3 ? v / 3 + 0.5f : 1;
	case TANH: return 1 - v * v;
	case GELU_TANH: {
		float s = sigmoid(GELU_ARG * (v + 0.044715f * v * v * v));
		if (s == 0 || s == 1) return s; // v may be anything
		return s + v * s * (1 - s) * GELU_ARG * (1 + 3 * 0.044715f * v * v);
	}
	case SIGMOID: return v * (1 - v);
	case HARDSIGMOID: return v > 0 && v < 1 ? a : 0;
	case LEAKYRELU: return v > 0 ? 1 : a;
	case ELU: return v > 0 ? 1 : a * exponential(v);
	case CLIP: return v > a && v < b ? 1 : 0;
	case AFFINE: return a;
	}
	return 1;
}

// y = f(x). The function is the same for all threads.
extern "C" __global__ void act(i64 count, const val* x, val* y, int act, float a, float b) {
	if (act == GELU_TANH) { // without a choice in the loop
		each(count, x, y, [=](i64, float v) { return act_of(GELU_TANH, 0, 0, v); });
		return;
	}
	each(count, x, y, [=](i64, float v) { return act_of(act, a, b, v); });
}

// dx = dy·f′; from is y or x.
extern "C" __global__ void act_dx(i64 count, const val* from, const val* dy, val* dx, int act, float a, float b) {
	if (act == GELU_TANH) {
		each(count, from, dy, dx, [=](float v, float d) { return d * act_d(GELU_TANH, 0, 0, v); });
		return;
	}
	each(count, from, dy, dx, [=](float v, float d) { return d * act_d(act, a, b, v); });
}

extern "C" __global__ void add(i64 count, const val* a, const val* b, val* y) {
	each(count, a, b, y, [](float u, float v) { return u + v; });
}

extern "C" __global__ void mul(i64 count, const val* a, const val* b, val* y) {
	each(count, a, b, y, [](float u, float v) { return u * v; });
}

extern "C" __global__ void scale(i64 count, const val* x, val* y, float s) {
	each(count, x, y, [=](i64, float v) { return s * v; });
}

extern "C" __global__ void copy(i64 count, const val* x, val* y) {
	each(count, x, y, [](i64, float v) { return v; });
}

// The counter generator of core/device/rng.go.
#define RNG_GAMMA 0x9e3779b97f4a7c15ull

__device__ __forceinline__ u64 mix64(u64 z) {
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

// y = x·keep/(1 − p); size elements of a row. Its gradient is the same of dy.
extern "C" __global__ void dropout(i64 count, const val* x, val* y, const Step* step, u64 seed, u64 key, i64 size, i64 limit, float keep) {
	u64 h = mix64(seed + RNG_GAMMA);
	h = mix64((h ^ key) + RNG_GAMMA);
	h = mix64((h ^ (u64)step->index) + RNG_GAMMA);
	each(count, x, y, [=](i64 i, float v) {
		u64 row = i / size, element = i % size;
		u32 bits = mix64(h + RNG_GAMMA * (row << 32 | element)) >> 32;
		return (i64)bits >= limit ? v * keep : 0.f;
	});
}

// load puts float32 [rows][C][H·W] into y [rows][H·W][C]; load_f32 is for values that are
// float32 whatever val is.
template <class T>
__device__ __forceinline__ void load_as(i64 count, const float* x, T* y, int C, int HW) {
	for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (i64)gridDim.x * blockDim.x) {
		i64 row = i / ((i64)C * HW);
		int r = i % ((i64)C * HW), p = r / C, c = r % C;
		y[i] = Make<T>::of(x[row * C * HW + (i64)c * HW + p]);
	}
}

extern "C" __global__ void load(i64 count, const float* x, val* y, int C, int HW) { load_as(count, x, y, C, HW); }
extern "C" __global__ void load_f32(i64 count, const float* x, float* y, int C, int HW) { load_as(count, x, y, C, HW); }

// store is the way back: x [rows][H·W][C], ld elements from row to row, to float32
// [rows][C][H·W].
extern "C" __global__ void store(i64 count, const val* x, float* y, int C, int HW, int ld) {
	for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (i64)gridDim.x * blockDim.x) {
		i64 row = i / ((i64)C * HW);
		int r = i % ((i64)C * HW), c = r / HW, p = r % HW;
		y[i] = to_float(x[row * ld + (i64)p * C + c]);
	}
}

// Softmax over the C values of each row: a warp for each.
extern "C" __global__ void softmax(const val* x, val* y, int rows, int C) {
	int row = blockIdx.x * (blockDim.x >> 5) + (threadIdx.x >> 5), lane = threadIdx.x & 31;
	if (row >= rows) return;
	x += (i64)row * C, y += (i64)row * C;
	float top = -__int_as_float(0x7f800000), sum = 0;
	for (int c = lane; c < C; c += 32) top = fmaxf(top, to_float(x[c]));
	top = warp_max(top);
	for (int c = lane; c < C; c += 32) sum += expf(to_float(x[c]) - top);
	sum = warp_sum(sum);
	for (int c = lane; c < C; c += 32) y[c] = to_val(expf(to_float(x[c]) - top) / sum);
}

// w = w₀ + M⊙w, of what a product left in w: an adapter's part.
extern "C" __global__ void adapt(i64 count, float* w, bf16* half, const float* base, const u8* mask) {
	for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (i64)gridDim.x * blockDim.x) {
		float v = base[i] + (mask && !mask[i] ? 0.f : w[i]);
		w[i] = v;
		if (half) half[i] = Make<bf16>::of(v);
	}
}
