// The activation functions of core/device/kernel.go, by their numbers there.
enum { NoAct, ReLU, GELU, SiLU, HardSwish, Tanh, GELUTanh, Sigmoid, HardSigmoid, LeakyReLU, ELU, Clip, Affine };

// As exponential, 1/x.
#ifdef VAL_BF16
__device__ __forceinline__ float inverse(float x) { return __fdividef(1.f, x); } // 0 of what is above 2^126
#else
__device__ __forceinline__ float inverse(float x) { return 1.f / x; }
#endif

__device__ __forceinline__ float sigmoid(float x) { return inverse(1.f + exponential(-x)); }

// Φ, the distribution function of the normal distribution, and e = exp(−x²/2), which its
// density is made of. erfc keeps its precision where Φ is small. Where results are rounded
// to bf16, erfc is Abramowitz and Stegun's 7.1.26, which shares e with the density: x·Φ is
// off by at most 3e-7, and by less than bf16 rounds down to x = −5; erfcf takes longer
// than the values take to be read and written.
__device__ __forceinline__ float norm_cdf(float x, float &e) {
	e = exponential(-0.5f * x * x);
#ifdef VAL_BF16
	float t = inverse(1.f + 0.3275911f * 0.70710678118654752f * fabsf(x));
	float q = 0.5f * e * t * (0.254829592f + t * (-0.284496736f + t * (1.421413741f + t * (-1.453152027f + t * 1.061405429f))));
	return x < 0.f ? q : 1.f - q;
#else
	return 0.5f * erfcf(-0.70710678118654752f * x);
#endif
}

#define GELU_ARG 1.5957691216057308f // 2·√(2/π): (1 + tanh z)/2 is the sigmoid of 2z

// A NaN stays a NaN: comparisons with it are false.
template <int ACT> __device__ __forceinline__ float f(float x, float a, float b) {
	switch (ACT) {
	case ReLU: return x < 0.f ? 0.f : x;
	case GELU: {
		float e;
		return x * norm_cdf(x, e);
	}
	case SiLU: return x * sigmoid(x);
	case HardSwish: {
		float t = x + 3.f;
		t = t < 0.f ? 0.f : t;
		return x * (t > 6.f ? 6.f : t) / 6.f;
	}
	case Tanh: return tanhf(x);
	case GELUTanh: return x * sigmoid(GELU_ARG * (x + 0.044715f * x * x * x));
	case Sigmoid: return sigmoid(x);
	case HardSigmoid: {
		float t = a * x + b;
		t = t < 0.f ? 0.f : t;
		return t > 1.f ? 1.f : t;
	}
	case LeakyReLU: return x < 0.f ? a * x : x;
	case ELU: return x < 0.f ? a * expm1f(x) : x;
	case Clip: {
		float t = x < a ? a : x;
		return t > b ? b : t;
	}
	case Affine: return a * x + b;
	}
	return x;
}

// f′ from y = f(x) or from x, as device.Act.FromOutput says.
template <int ACT> __device__ __forceinline__ float d(float v, float a, float b) {
	switch (ACT) {
	case ReLU: return v > 0.f ? 1.f : 0.f;
	case GELU: {
		float e, p = norm_cdf(v, e);
		return p + v * e * 0.39894228040143268f;
	}
	case SiLU: {
		float s = sigmoid(v);
		return s * (1.f + v * (1.f - s));
	}
	case HardSwish: return v < -3.f ? 0.f : v <= 3.f ? v / 3.f + 0.5f : 1.f;
	case Tanh: return 1.f - v * v;
	case GELUTanh: {
		float e = exponential(-GELU_ARG * (v + 0.044715f * v * v * v)), s = inverse(1.f + e);
		if (s == 0.f || e == 0.f) return s; // v may be anything
		return s + v * s * (e * s) * (GELU_ARG * (1.f + 3.f * 0.044715f * v * v));
	}
	case Sigmoid: return v * (1.f - v);
	case HardSigmoid: return v > 0.f && v < 1.f ? a : 0.f;
	case LeakyReLU: return v > 0.f ? 1.f : a;
	case ELU: return v > 0.f ? 1.f : a * exponential(v);
	case Clip: return v > a && v < b ? 1.f : 0.f;
	case Affine: return a;
	}
	return 1.f;
}

template <int ACT> __device__ __forceinline__ void act_of(i64 count, const val *x, val *y, float a, float b) {
	walk(count, [&](i64 i, auto w) {
		float v[decltype(w)::n];
		read(x + i, v);
#pragma unroll
		for (int j = 0; j < decltype(w)::n; j++) v[j] = f<ACT>(v[j], a, b);
		write(y + i, v);
	});
}

template <int ACT> __device__ __forceinline__ void act_dx_of(i64 count, const val *from, const val *dy, val *dx, float a, float b) {
	walk(count, [&](i64 i, auto w) {
		float v[decltype(w)::n], g[decltype(w)::n];
		read(from + i, v);
		read(dy + i, g);
#pragma unroll
		for (int j = 0; j < decltype(w)::n; j++) g[j] *= d<ACT>(v[j], a, b);
		write(dx + i, g);
	});
}

// m = f(g)·u
template <int ACT> __device__ __forceinline__ void act_mul_of(i64 count, const val *g, const val *u, val *m) {
	walk(count, [&](i64 i, auto w) {
		float v[decltype(w)::n], x[decltype(w)::n];
		read(g + i, v);
		read(u + i, x);
#pragma unroll
		for (int j = 0; j < decltype(w)::n; j++) v[j] = f<ACT>(v[j], 0.f, 0.f) * x[j];
		write(m + i, v);
	});
}

// dg = dm·u·f′(g), du = dm·f(g)
template <int ACT> __device__ __forceinline__ void act_mul_dx_of(i64 count, const val *g, const val *u, const val *dm, val *dg, val *du) {
	walk(count, [&](i64 i, auto w) {
		float v[decltype(w)::n], x[decltype(w)::n], y[decltype(w)::n];
		read(g + i, v);
		read(u + i, x);
		read(dm + i, y);
#pragma unroll
		for (int j = 0; j < decltype(w)::n; j++) {
			x[j] *= y[j] * d<ACT>(v[j], 0.f, 0.f);
			y[j] *= f<ACT>(v[j], 0.f, 0.f);
		}
		write(dg + i, x);
		write(du + i, y);
	});
}

#define FOR_ACT(F, ...)                         \
	switch (act) {                              \
	case ReLU: return F<ReLU>(__VA_ARGS__);     \
	case GELU: return F<GELU>(__VA_ARGS__);     \
	case SiLU: return F<SiLU>(__VA_ARGS__);     \
	case HardSwish: return F<HardSwish>(__VA_ARGS__); \
	case Tanh: return F<Tanh>(__VA_ARGS__);     \
	case GELUTanh: return F<GELUTanh>(__VA_ARGS__); \
	case Sigmoid: return F<Sigmoid>(__VA_ARGS__); \
	case HardSigmoid: return F<HardSigmoid>(__VA_ARGS__); \
	case LeakyReLU: return F<LeakyReLU>(__VA_ARGS__); \
	case ELU: return F<ELU>(__VA_ARGS__);       \
	case Clip: return F<Clip>(__VA_ARGS__);     \
	case Affine: return F<Affine>(__VA_ARGS__); \
	}                                           \
	return F<NoAct>(__VA_ARGS__)

// y = f(x); y may be x.
extern "C" __global__ void act(i64 count, const val *x, val *y, int act, float a, float b) { FOR_ACT(act_of, count, x, y, a, b); }

// dx = dy·f′
extern "C" __global__ void act_dx(i64 count, const val *from, const val *dy, val *dx, int act, float a, float b) {
	FOR_ACT(act_dx_of, count, from, dy, dx, a, b);
}

// m = f(g)·u, of a gated network: f(g) is not kept.
extern "C" __global__ void act_mul(i64 count, const val *g, const val *u, val *m, int act) { FOR_ACT(act_mul_of, count, g, u, m); }

// dg = dm·u·f′(g), du = dm·f(g); dg and du may each be one of the inputs.
extern "C" __global__ void act_mul_dx(i64 count, const val *g, const val *u, const val *dm, val *dg, val *du, int act) {
	FOR_ACT(act_mul_dx_of, count, g, u, dm, dg, du);
}
