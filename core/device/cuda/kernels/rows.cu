// Element by element over the rows of a batch.
// Values are [rows][H][W][C] of val; count is rows·H·W·C.

#define EACH _Pragma("unroll") for (int j = 0; j < decltype(w)::n; j++)

// y[rows][HW][C] = x[rows][C][HW], float32 from outside.
template <class T> __device__ __forceinline__ void load_rows(i64 count, const float *x, T *y, int C, int HW) {
	if (C == 1 || HW == 1) {
		walk(count, [&](i64 i, auto w) {
			float v[decltype(w)::n];
			read(x + i, v);
			write(y + i, v);
		});
		return;
	}
	i64 size = (i64)C * HW;
	FOR_EACH(i, count) {
		int e = (int)(i % size);
		y[i] = Make<T>::of(x[i - e + (i64)(e % C) * HW + e / C]);
	}
}

extern "C" __global__ void load(i64 count, const float *x, val *y, int C, int HW) { load_rows(count, x, y, C, HW); }

// load of ids, which are float32 whatever val is.
extern "C" __global__ void load_f32(i64 count, const float *x, float *y, int C, int HW) { load_rows(count, x, y, C, HW); }

// y[rows][C][HW] = x[rows][HW][C], float32 for outside. Rows of x are ld apart.
extern "C" __global__ void store(i64 count, const val *x, float *y, int C, int HW, int ld) {
	i64 size = (i64)C * HW;
	if ((C == 1 || HW == 1) && ld == size) {
		walk(count, [&](i64 i, auto w) {
			float v[decltype(w)::n];
			read(x + i, v);
			write(y + i, v);
		});
		return;
	}
	FOR_EACH(i, count) {
		i64 row = i / size;
		int e = (int)(i - row * size);
		y[i] = to_float(x[row * ld + (i64)(e % HW) * C + e / HW]);
	}
}

// y = a + b
extern "C" __global__ void add(i64 count, const val *a, const val *b, val *y) {
	walk(count, [&](i64 i, auto w) {
		float u[decltype(w)::n], v[decltype(w)::n];
		read(a + i, u);
		read(b + i, v);
		EACH u[j] += v[j];
		write(y + i, u);
	});
}

// y[r][c] += b[c]: a bias that no product adds on its way out. Rows follow each other, C
// long; count is rows·C.
extern "C" __global__ void bias_rows(i64 count, val *y, const val *b, int C) {
	FOR_EACH(i, count) { y[i] = to_val(to_float(y[i]) + to_float(b[i % C])); }
}

// y = a·b
extern "C" __global__ void mul(i64 count, const val *a, const val *b, val *y) {
	walk(count, [&](i64 i, auto w) {
		float u[decltype(w)::n], v[decltype(w)::n];
		read(a + i, u);
		read(b + i, v);
		EACH u[j] *= v[j];
		write(y + i, u);
	});
}

// y = s·x
extern "C" __global__ void scale(i64 count, const val *x, val *y, float s) {
	walk(count, [&](i64 i, auto w) {
		float v[decltype(w)::n];
		read(x + i, v);
		EACH v[j] *= s;
		write(y + i, v);
	});
}

// y = x
extern "C" __global__ void copy(i64 count, const val *x, val *y) {
	walk(count, [&](i64 i, auto w) {
		float v[decltype(w)::n];
		read(x + i, v);
		write(y + i, v);
	});
}

// Dropout: y = x·keep/(1−p), scale = 1/(1−p), with the bits of core/device/rng.go: those
// below limit are dropped. size is the number of elements of a row, per
// the rows of a sample.
__device__ __forceinline__ u64 mix64(u64 z) {
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

extern "C" __global__ void dropout(i64 count, const val *x, val *y, const Step *step, u64 seed, u64 key, i64 size, i64 limit, float scale, int per) {
	const u64 gamma = 0x9e3779b97f4a7c15ull;
	u64 stream = mix64((mix64((mix64(seed + gamma) ^ key) + gamma) ^ (u64)step->index) + gamma);
	u64 first = (u64)step->first * per;
	walk(count, [&](i64 i, auto w) {
		float v[decltype(w)::n];
		read(x + i, v);
		u64 row = count >> 32 ? i / size : (u32)i / (u32)size;
		u32 e = (u32)(i - row * size);
		row += first;
		EACH {
			u32 bits = (u32)(mix64(stream + gamma * (row << 32 | e)) >> 32);
			v[j] = bits >= (u32)limit ? v[j] * scale : 0.f;
			if (++e == (u32)size) e = 0, row++;
		}
		write(y + i, v);
	});
}

// w = w₀ + M⊙w, of what a product left in w (an adapter's part), and its bf16 copy. mask and
// half may be 0.
extern "C" __global__ void adapt(i64 count, float *v, bf16 *half, const float *base, const u8 *mask) {
	walk(count, [&](i64 i, auto w) {
		float x[decltype(w)::n], b[decltype(w)::n];
		read(v + i, x);
		read(base + i, b);
		EACH x[j] = b[j] + (mask == 0 || mask[i + j] ? x[j] : 0.f);
		write(v + i, x);
		if (half) write(half + i, x);
	});
}

// Softmax over the C values of each row: a warp for each.
extern "C" __global__ void softmax(const val *x, val *y, int rows, int C) {
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
