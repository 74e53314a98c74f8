// Channels scaled, put side by side and taken apart. Values are [rows·H·W][C].

#define EACH(i, count) for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (i64)gridDim.x * blockDim.x)

// y = x·s, one factor for each channel of a row of HW pixels: s [rows][C].
extern "C" __global__ void gate(i64 count, const val* x, const val* s, val* y, int C, int HW) {
	EACH(i, count) y[i] = to_val(to_float(x[i]) * to_float(s[i / ((i64)C * HW) * C + i % C]));
}

// ds [rows][C] = Σ dy·x over the pixels.
extern "C" __global__ void gate_d(i64 count, const val* dy, const val* x, val* ds, int C, int HW) {
	EACH(i, count) {
		i64 from = i / C * HW * C + i % C;
		float s = 0;
		for (int p = 0; p < HW; p++) s += to_float(dy[from + (i64)p * C]) * to_float(x[from + (i64)p * C]);
		ds[i] = to_val(s);
	}
}

// The channels of y [..][to] from channel `from` on are x [..][C].
extern "C" __global__ void put(i64 count, const val* x, val* y, int C, int to, int from) {
	EACH(i, count) y[i / C * to + from + i % C] = x[i];
}

// y [..][to] is the channels of x [..][C] from channel `from` on.
extern "C" __global__ void slice(i64 count, const val* x, val* y, int C, int to, int from) {
	EACH(i, count) y[i] = x[i / to * C + from + i % to];
}

// dx [..][to] is dy [..][C] from channel `from` on, zero elsewhere.
extern "C" __global__ void slice_dx(i64 count, const val* dy, val* dx, int C, int to, int from) {
	EACH(i, count) {
		int c = i % to - from;
		dx[i] = c >= 0 && c < C ? dy[i / to * C + c] : to_val(0.f);
	}
}
