// Pools and flattening. Values are [rows][H][W][C]. The threads of an input's gradient
// walk the windows it lies in, so that nothing is added by two at once.

#include "window.cuh"

// The window behind output pixel (oy, ox), as far as it lies inside x.
struct Inside {
	int y0, y1, x0, x1;
};

__device__ __forceinline__ Inside inside(const Window& g, int oy, int ox) {
	int y = oy * g.SH - g.PT, x = ox * g.SW - g.PL;
	return {max(y, 0), min(y + g.KH, g.H), max(x, 0), min(x + g.KW, g.W)};
}

// The pixel of the first maximum in a window; a NaN wins, so that it stays visible. x is
// the sample's, at the channel.
__device__ __forceinline__ int arg_max(const Window& g, const val* x, int oy, int ox) {
	Inside w = inside(g, oy, ox);
	int best = -1;
	float top = 0;
	for (int y = w.y0; y < w.y1; y++)
		for (int c = w.x0; c < w.x1; c++) {
			float v = to_float(x[(i64)(y * g.W + c) * g.C]);
			if (best < 0 || v > top || v != v) best = y * g.W + c, top = v;
		}
	return best;
}

__device__ __forceinline__ float divisor(const Window& g, int oy, int ox) {
	Inside w = inside(g, oy, ox);
	return g.count_pad ? g.KH * g.KW : (w.y1 - w.y0) * (w.x1 - w.x0);
}

extern "C" __global__ void maxpool(i64 count, const val* x, val* y, Window g) {
	FOR_EACH(i, count) {
		int c = i % g.C, ox = i / g.C % g.OW, oy = i / g.C / g.OW % g.OH;
		const val* s = x + i / g.C / g.OW / g.OH * g.H * g.W * g.C + c;
		y[i] = s[(i64)arg_max(g, s, oy, ox) * g.C];
	}
}

extern "C" __global__ void avgpool(i64 count, const val* x, val* y, Window g) {
	FOR_EACH(i, count) {
		int c = i % g.C, ox = i / g.C % g.OW, oy = i / g.C / g.OW % g.OH;
		const val* s = x + i / g.C / g.OW / g.OH * g.H * g.W * g.C + c;
		Inside w = inside(g, oy, ox);
		float sum = 0, e = 0; // e: what rounding has lost (Kahan 1965); a window may be a whole image
		for (int a = w.y0; a < w.y1; a++)
			for (int b = w.x0; b < w.x1; b++) {
				float v = to_float(s[(i64)(a * g.W + b) * g.C]) - e, u = sum + v;
				e = (u - sum) - v;
				sum = u;
			}
		y[i] = to_val(sum / divisor(g, oy, ox));
	}
}

// windows calls f(oy, ox) for the windows that pixel (y, x) lies in.
template <class F> __device__ __forceinline__ void windows(const Window& g, int y, int x, F f) {
	int oy0 = max((y + g.PT - g.KH + g.SH) / g.SH, 0), ox0 = max((x + g.PL - g.KW + g.SW) / g.SW, 0);
	if (y + g.PT - g.KH + 1 <= 0) oy0 = 0;
	if (x + g.PL - g.KW + 1 <= 0) ox0 = 0;
	int oy1 = min((y + g.PT) / g.SH, g.OH - 1), ox1 = min((x + g.PL) / g.SW, g.OW - 1);
	for (int oy = oy0; oy <= oy1; oy++)
		for (int ox = ox0; ox <= ox1; ox++) f(oy, ox);
}

extern "C" __global__ void maxpool_dx(i64 count, const val* x, const val* dy, val* dx, Window g) {
	FOR_EACH(i, count) {
		int c = i % g.C, px = i / g.C % g.W, py = i / g.C / g.W % g.H;
		i64 n = i / g.C / g.W / g.H;
		const val *s = x + n * g.H * g.W * g.C + c, *d = dy + n * g.OH * g.OW * g.C + c;
		float sum = 0;
		windows(g, py, px, [&](int oy, int ox) {
			if (arg_max(g, s, oy, ox) == py * g.W + px) sum += to_float(d[(i64)(oy * g.OW + ox) * g.C]);
		});
		dx[i] = to_val(sum);
	}
}

extern "C" __global__ void avgpool_dx(i64 count, const val* dy, val* dx, Window g) {
	FOR_EACH(i, count) {
		int c = i % g.C, px = i / g.C % g.W, py = i / g.C / g.W % g.H;
		const val* d = dy + i / g.C / g.W / g.H * g.OH * g.OW * g.C + c;
		float sum = 0;
		windows(g, py, px, [&](int oy, int ox) { sum += to_float(d[(i64)(oy * g.OW + ox) * g.C]) / divisor(g, oy, ox); });
		dx[i] = to_val(sum);
	}
}

// y [C][HW] of each row from x [HW][C]: what leads from pixels to the order of files, and
// with C and HW exchanged the way back.
extern "C" __global__ void flatten(i64 count, const val* x, val* y, int C, int HW) {
	FOR_EACH(i, count) {
		i64 row = i / ((i64)C * HW);
		int r = i % ((i64)C * HW), c = r / HW, p = r % HW;
		y[i] = x[row * C * HW + (i64)p * C + c];
	}
}
