// Channels: gates, and values that are cut or put together along them. Values are
// [pixels][C], the pixels of all rows one after another.

// y[rows][HW][C] = x·s, s [rows][C]
extern "C" __global__ void gate(i64 count, const val *x, const val *s, val *y, int C, int HW) {
	packs(count, C, C % 8 == 0, [&](i64 p, int c, int n, bool wide) {
		float v[8], g[8];
		i64 row = p >> 32 ? p / HW : (u32)p / (u32)HW;
		load8(x + p * C + c, n, wide, v);
		load8(s + row * C + c, n, wide, g);
#pragma unroll
		for (int j = 0; j < 8; j++) v[j] *= g[j];
		store8(y + p * C + c, n, wide, v);
	});
}

// y[p][to + c] = x[p][from + c] for c < C; x has X channels, y has Y. count is pixels·C.
extern "C" __global__ void move_channels(i64 count, const val *x, val *y, int C, int X, int from, int Y, int to) {
	packs(count, C, ((C | X | from | Y | to) & 7) == 0, [&](i64 p, int c, int n, bool wide) {
		float v[8];
		load8(x + p * X + from + c, n, wide, v);
		store8(y + p * Y + to + c, n, wide, v);
	});
}

// dx[p][c] = dy[p][c − from], zero outside; dy has C channels, dx has X.
extern "C" __global__ void slice_dx(i64 count, const val *dy, val *dx, int C, int X, int from) {
	packs(count, X, ((C | X | from) & 7) == 0, [&](i64 p, int c, int n, bool wide) {
		float v[8] = {0.f, 0.f, 0.f, 0.f, 0.f, 0.f, 0.f, 0.f};
		if (c >= from && c < from + C) load8(dy + p * C + c - from, n, wide, v);
		store8(dx + p * X + c, n, wide, v);
	});
}

// y [·][wide] = x [rows][C] filled up with zeros, its rows behind x's last one as well; 8
// bytes of y a thread. wide is a multiple of these, y is aligned.
extern "C" __global__ void widen_channels(i64 count, const val *x, val *y, int rows, int C, int wide) {
	const int n = 8 / sizeof(val);
	FOR_EACH(i, count) {
		u32 pieces = wide / n, row = (u32)i / pieces, c = ((u32)i - row * pieces) * n;
		union {
			u64 all;
			val one[n];
		} piece;
		piece.all = 0;
#pragma unroll
		for (int j = 0; j < n; j++)
			if (row < rows && c + j < C) piece.one[j] = x[(i64)row * C + c + j];
		*(u64 *)(y + i * n) = piece.all;
	}
}
