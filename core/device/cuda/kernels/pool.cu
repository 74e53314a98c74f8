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

// Channels c to c + N − 1 of every pixel p of count/C, eight at a time where rows of them are
// aligned: f(p, c, Width<N>()).
template <class F> __device__ __forceinline__ void pixels(i64 count, int C, F f) {
	if (C % 8 == 0) packs(count, C, true, [&](i64 p, int c, int, bool) { f(p, c, Width<8>()); });
	else packs(count, C, false, [&](i64 p, int c, int, bool) { f(p, c, Width<1>()); });
}

// Pixel p of images of H×W: the image, and where it is there.
struct Place {
	i64 row;
	int y, x;
};

__device__ __forceinline__ Place place(i64 p, int H, int W) {
	if (p >> 32) return {p / W / H, (int)(p / W % H), (int)(p % W)};
	u32 line = (u32)p / (u32)W, row = line / (u32)H;
	return {row, (int)(line - row * H), (int)((u32)p - line * W)};
}

// The pixel of the first maximum in a window, and the maximum, of N channels; a NaN wins,
// so that it stays visible. x is the image's, at the first channel.
template <int N> __device__ __forceinline__ void arg_max(const Window& g, const val* x, int oy, int ox, int (&best)[N], float (&top)[N]) {
	Inside w = inside(g, oy, ox);
#pragma unroll
	for (int j = 0; j < N; j++) best[j] = -1, top[j] = 0;
	for (int y = w.y0; y < w.y1; y++)
		for (int c = w.x0; c < w.x1; c++) {
			float v[N];
			read(x + (i64)(y * g.W + c) * g.C, v);
#pragma unroll
			for (int j = 0; j < N; j++)
				if (best[j] < 0 || v[j] > top[j] || v[j] != v[j]) best[j] = y * g.W + c, top[j] = v[j];
		}
}

__device__ __forceinline__ float divisor(const Window& g, int oy, int ox) {
	Inside w = inside(g, oy, ox);
	return g.count_pad ? g.KH * g.KW : (w.y1 - w.y0) * (w.x1 - w.x0);
}

extern "C" __global__ void maxpool(i64 count, const val* x, val* y, Window g) {
	pixels(count, g.C, [&](i64 p, int c, auto width) {
		Place at = place(p, g.OH, g.OW);
		int best[width.n];
		float top[width.n];
		arg_max(g, x + at.row * g.H * g.W * g.C + c, at.y, at.x, best, top);
		write(y + p * g.C + c, top);
	});
}

extern "C" __global__ void avgpool(i64 count, const val* x, val* y, Window g) {
	pixels(count, g.C, [&](i64 p, int c, auto width) {
		const int n = width.n;
		Place at = place(p, g.OH, g.OW);
		const val* s = x + at.row * g.H * g.W * g.C + c;
		Inside w = inside(g, at.y, at.x);
		float sum[n], e[n]; // e: what rounding has lost (Kahan 1965); a window may be a whole image
#pragma unroll
		for (int j = 0; j < n; j++) sum[j] = e[j] = 0;
		for (int a = w.y0; a < w.y1; a++)
			for (int b = w.x0; b < w.x1; b++) {
				float v[n];
				read(s + (i64)(a * g.W + b) * g.C, v);
#pragma unroll
				for (int j = 0; j < n; j++) {
					float less = v[j] - e[j], u = sum[j] + less;
					e[j] = (u - sum[j]) - less;
					sum[j] = u;
				}
			}
		float by = divisor(g, at.y, at.x);
#pragma unroll
		for (int j = 0; j < n; j++) sum[j] /= by;
		write(y + p * g.C + c, sum);
	});
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
	pixels(count, g.C, [&](i64 p, int c, auto width) {
		const int n = width.n;
		Place at = place(p, g.H, g.W);
		const val *s = x + at.row * g.H * g.W * g.C + c, *d = dy + at.row * g.OH * g.OW * g.C + c;
		float sum[n];
#pragma unroll
		for (int j = 0; j < n; j++) sum[j] = 0;
		windows(g, at.y, at.x, [&](int oy, int ox) {
			int best[n];
			float v[n];
			arg_max(g, s, oy, ox, best, v);
			read(d + (i64)(oy * g.OW + ox) * g.C, v);
#pragma unroll
			for (int j = 0; j < n; j++)
				if (best[j] == at.y * g.W + at.x) sum[j] += v[j];
		});
		write(dx + p * g.C + c, sum);
	});
}

extern "C" __global__ void avgpool_dx(i64 count, const val* dy, val* dx, Window g) {
	pixels(count, g.C, [&](i64 p, int c, auto width) {
		const int n = width.n;
		Place at = place(p, g.H, g.W);
		const val* d = dy + at.row * g.OH * g.OW * g.C + c;
		float sum[n];
#pragma unroll
		for (int j = 0; j < n; j++) sum[j] = 0;
		windows(g, at.y, at.x, [&](int oy, int ox) {
			float v[n], by = divisor(g, oy, ox);
			read(d + (i64)(oy * g.OW + ox) * g.C, v);
#pragma unroll
			for (int j = 0; j < n; j++) sum[j] += v[j] / by;
		});
		write(dx + p * g.C + c, sum);
	});
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
