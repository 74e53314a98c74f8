// Tables of embeddings and places, and what leads from tokens to samples and back.

#define EACH(i, count) for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (i64)gridDim.x * blockDim.x)

// y [rows][C] = w[id]; ids [rows][channels], the first channel.
extern "C" __global__ void embed(i64 count, const float* ids, int channels, const float* w, val* y, int C) {
	EACH(i, count) y[i] = to_val(w[(i64)ids[i / C * channels] * C + i % C]);
}

const int WIDE = 16 / sizeof(val);
struct __align__(16) pack { val v[WIDE]; };

// dw[id] = Σ dy over the tokens with that id, those of one id in their order: order
// [rows] has the tokens sorted by id, firsts [distinct + 1] where each id's begin.
// Rows of dw without a token are not touched. The tokens of the id `pad` teach nothing
// (−1: none is). A block takes 32·WIDE channels of an id at a time, 8 tokens at once.
extern "C" __global__ void __launch_bounds__(256) embed_d(const float* ids, int channels, const val* dy, float* dw, const int* order, const int* firsts, const Step* step, int C, int pad, float beta) {
	__shared__ float sums[8][32][WIDE + 1];
	int lane = threadIdx.x & 31, y = threadIdx.x >> 5, c = (blockIdx.y * 32 + lane) * WIDE, distinct = step->distinct;
	bool aligned = C % WIDE == 0 && c + WIDE <= C;
	for (int j = blockIdx.x; j < distinct; j += gridDim.x) {
		int from = firsts[j], till = firsts[j + 1];
		i64 id = (i64)ids[(i64)order[from] * channels];
		float s[WIDE];
		for (int k = 0; k < WIDE; k++) s[k] = 0;
		for (int t = from + y; t < till; t += 8) {
			const val* p = dy + (i64)order[t] * C + c;
			if (aligned) {
				pack a = *(const pack*)p;
				for (int k = 0; k < WIDE; k++) s[k] += to_float(a.v[k]);
			} else {
				for (int k = 0; k < WIDE; k++)
					if (c + k < C) s[k] += to_float(p[k]);
			}
		}
		__syncthreads(); // sums may still be read
		for (int k = 0; k < WIDE; k++) sums[y][lane][k] = s[k];
		__syncthreads();
		if (y > 0 || id == pad) continue;
		for (int k = 0; k < WIDE && c + k < C; k++) {
			float sum = beta != 0 ? dw[id * C + c + k] : 0.f;
			for (int u = 0; u < 8; u++) sum += sums[u][lane][k];
			dw[id * C + c + k] = sum;
		}
	}
}

// y = x + w[t], t the token's place in its sequence.
extern "C" __global__ void positions(i64 count, const val* x, const float* w, val* y, int C, int seq) {
	EACH(i, count) y[i] = to_val(to_float(x[i]) + w[i % ((i64)seq * C)]);
}

// dw[t] = Σ dy over n sequences, in order; places behind seq get zero.
extern "C" __global__ void positions_d(i64 count, const val* dy, float* dw, int C, int seq, int n, float beta) {
	EACH(i, count) {
		float s = beta != 0 ? dw[i] : 0.f, e = 0; // e: what rounding has lost (Kahan 1965)
		if (i < (i64)seq * C)
			for (int k = 0; k < n; k++) {
				float v = to_float(dy[(i64)k * seq * C + i]) - e, u = s + v;
				e = (u - s) - v;
				s = u;
			}
		dw[i] = s;
	}
}

// y = x + w[s]; segments [rows][2], the second channel; none: s is 0.
extern "C" __global__ void segment(i64 count, const val* x, const float* segments, const float* w, val* y, int C) {
	EACH(i, count) {
		i64 s = segments ? (i64)segments[i / C * 2 + 1] : 0;
		y[i] = to_val(to_float(x[i]) + w[s * C + i % C]);
	}
}

// part [parts][S][C]: Σ dy over the part's rows of segment blockIdx.z.
extern "C" __global__ void segment_parts(const val* dy, const float* segments, float* part, int rows, int C) {
	int c = blockIdx.x * blockDim.x + threadIdx.x;
	if (c >= C) return;
	int from = part_from(rows, gridDim.y, blockIdx.y), till = part_from(rows, gridDim.y, blockIdx.y + 1);
	float s = 0;
	for (int r = from; r < till; r++)
		if ((segments ? (int)segments[2 * (i64)r + 1] : 0) == (int)blockIdx.z) s += to_float(dy[(i64)r * C + c]);
	part[((i64)blockIdx.y * gridDim.z + blockIdx.z) * C + c] = s;
}

// dw [count] = Σ parts.
extern "C" __global__ void segment_merge(i64 count, const float* part, float* dw, int parts, float beta) {
	EACH(i, count) {
		double s = beta != 0 ? dw[i] : 0.;
		for (int t = 0; t < parts; t++) s += part[t * count + i];
		dw[i] = s;
	}
}

// Channels i and i + D/2 of each head are turned by the angle whose cosine and sine are
// at turn [seq][D/2][2]; sign −1 turns back.
extern "C" __global__ void rope(i64 count, const val* x, val* y, const float* turn, int D, int seq, int C, float sign) {
	int half = D / 2;
	EACH(j, count) { // half of the values
		i64 row = j / (C / 2);
		int r = j % (C / 2), h = r / half, k = r % half;
		const float* t = turn + ((row % seq) * half + k) * 2;
		float cos = t[0], sin = sign * t[1];
		i64 a = row * C + h * D + k, b = a + half;
		float u = to_float(x[a]), v = to_float(x[b]);
		y[a] = to_val(u * cos - v * sin), y[b] = to_val(v * cos + u * sin);
	}
}

// y [n][C] = token `at` of each sequence.
extern "C" __global__ void token(i64 count, const val* x, val* y, int C, int seq, int at) {
	EACH(i, count) y[i] = x[(i / C * seq + at) * C + i % C];
}

// dx [n][seq][C] is dy at that token, zero elsewhere.
extern "C" __global__ void token_dx(i64 count, const val* dy, val* dx, int C, int seq, int at) {
	EACH(i, count) {
		i64 row = i / C;
		dx[i] = row % seq == at ? dy[row / seq * C + i % C] : to_val(0.f);
	}
}

// y [n][C] = mean of x over the tokens.
extern "C" __global__ void mean_tokens(i64 count, const val* x, val* y, int C, int seq) {
	EACH(i, count) {
		const val* p = x + i / C * seq * C + i % C;
		float s = 0;
		for (int t = 0; t < seq; t++) s += to_float(p[(i64)t * C]);
		y[i] = to_val(s / seq);
	}
}

extern "C" __global__ void mean_tokens_dx(i64 count, const val* dy, val* dx, int C, int seq) {
	EACH(i, count) dx[i] = to_val(to_float(dy[i / C / seq * C + i % C]) / seq);
}

// y [n][seq][C]: the pixels x [n][seq − front][C], behind w [C] where front is 1.
extern "C" __global__ void tokens(i64 count, const val* x, const float* w, val* y, int C, int seq, int front) {
	EACH(i, count) {
		i64 row = i / C, n = row / seq;
		int t = row % seq - front, c = i % C;
		y[i] = t < 0 ? to_val(w[c]) : x[(n * (seq - front) + t) * C + c];
	}
}

extern "C" __global__ void tokens_dx(i64 count, const val* dy, val* dx, int C, int seq, int front) {
	EACH(i, count) {
		i64 pixel = i / C, n = pixel / (seq - front), t = pixel % (seq - front);
		dx[i] = dy[(n * seq + t + front) * C + i % C];
	}
}
