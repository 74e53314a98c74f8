// Softmax cross-entropy, alone or with a teacher.

#define INF __int_as_float(0x7f800000)

// A running maximum with the sum of exponentials beneath it, and where the first maximum
// is (Milakov & Gimelshein 2018: online softmax).
struct Soft {
	float top, sum;
	int at;
};

__device__ __forceinline__ Soft merge(Soft a, Soft b) {
	float top = fmaxf(a.top, b.top);
	Soft s = {top, 0, a.top > b.top || (a.top == b.top && a.at < b.at) ? a.at : b.at};
	if (top > -INF) s.sum = a.sum * expf(a.top - top) + b.sum * expf(b.top - top);
	if (a.sum != a.sum || b.sum != b.sum) s.sum = a.sum + b.sum; // NaN stays
	return s;
}

// take adds values c, c + 1, …, of which there seldom is a new maximum. A NaN is none, but
// stays in the sum.
template <int N> __device__ __forceinline__ void take(Soft& s, const float (&x)[N], int c) {
	float top = x[0];
#pragma unroll
	for (int k = 1; k < N; k++) top = fmaxf(top, x[k]);
	if (top > s.top) {
		s.sum *= exponential(s.top - top);
		s.top = top;
#pragma unroll
		for (int k = N - 1; k >= 0; k--)
			if (x[k] == top) s.at = c + k;
	}
	float from = s.top > -INF ? s.top : 0.f;
#pragma unroll
	for (int k = 0; k < N; k++) s.sum += exponential(x[k] - from);
}

// all merges what the threads of a block hold, for all of them.
__device__ Soft all(Soft s) {
	__shared__ Soft part[32];
	for (int d = 16; d > 0; d >>= 1) s = merge(s, {__shfl_xor_sync(0xffffffffu, s.top, d), __shfl_xor_sync(0xffffffffu, s.sum, d), __shfl_xor_sync(0xffffffffu, s.at, d)});
	int warps = blockDim.x >> 5, lane = threadIdx.x & 31;
	__syncthreads();
	if (lane == 0) part[threadIdx.x >> 5] = s;
	__syncthreads();
	Soft none = {-INF, 0, 0x7fffffff};
	s = lane < warps ? part[lane] : none;
	for (int d = 16; d > 0; d >>= 1) s = merge(s, {__shfl_xor_sync(0xffffffffu, s.top, d), __shfl_xor_sync(0xffffffffu, s.sum, d), __shfl_xor_sync(0xffffffffu, s.at, d)});
	return s;
}

const int WIDE = 16 / sizeof(val); // values that a thread takes at once

// softmax_of is a row's maximum, sum and first maximum, of x·s.
// The row is kept where keep is given: each thread finds what it has read there.
__device__ __forceinline__ Soft softmax_of(const val* x, int C, int ld, float s, val* keep) {
	Soft m = {-INF, 0, 0x7fffffff};
	int whole = ld % WIDE == 0 ? C / WIDE * WIDE : 0;
#pragma unroll 4
	for (int c = threadIdx.x * WIDE; c < whole; c += blockDim.x * WIDE) {
		float v[WIDE];
		read(x + c, v);
		if (keep) write(keep + c, v);
#pragma unroll
		for (int k = 0; k < WIDE; k++) v[k] *= s;
		take(m, v, c);
	}
	for (int c = whole + threadIdx.x; c < C; c += blockDim.x) {
		float v[1] = {to_float(x[c]) * s};
		take(m, v, c);
	}
	return all(m);
}

// A block for each row, which stays in shared memory where kept says that it fits:
// losses [rows] = log Σ exp x − x[label], pred [rows] the first maximum, and dlogits
// [rows][dld] = (softmax − onehot)/labelled where it is given, zeros behind C. label −1:
// loss 0, no gradient. Rows of x are ld apart, those of q qld: a sum's logits lie close
// together while its gradient, which products alone read, has aligned rows.
// With a teacher's logits q: loss (1−α)·CE + α·T²·KL, dlogits = ((1−α)·(softmax x −
// onehot) + α·T·(softmax(x/T) − softmax(q/T)))/labelled.
extern "C" __global__ void crossentropy(const val* x, const val* q, const int* labels, val* dx, float* losses, int* pred, int C, int ld, int qld, int dld, const Step* step, float alpha, float temp, int kept) {
	extern __shared__ __align__(16) val row_of[];
	i64 row = blockIdx.x;
	x += row * ld;
	int label = labels[row];
	Soft s = softmax_of(x, C, ld, 1.f, kept ? row_of : nullptr);
	float log_sum = s.top + logf(s.sum), loss = label >= 0 ? log_sum - to_float(x[label]) : 0.f;
	if (s.at == 0x7fffffff) s.at = 0; // nothing but NaN
	if (!q) {
		if (threadIdx.x == 0) losses[row] = loss, pred[row] = s.at;
		if (!dx) return;
		dx += row * dld;
		float inv = 1.f / step->labelled, scale = label >= 0 ? inv / s.sum : 0.f;
		int whole = ld % WIDE == 0 && dld % WIDE == 0 ? C / WIDE * WIDE : 0;
#pragma unroll 4
		for (int c = threadIdx.x * WIDE; c < whole; c += blockDim.x * WIDE) {
			float v[WIDE];
			read((kept ? row_of : x) + c, v);
#pragma unroll
			for (int k = 0; k < WIDE; k++) {
				v[k] = label >= 0 ? exponential(v[k] - s.top) * scale : 0.f;
				if (c + k == label) v[k] -= inv;
			}
			write(dx + c, v);
		}
		for (int c = whole + threadIdx.x; c < dld; c += blockDim.x) {
			float d = c < C && label >= 0 ? expf(to_float(x[c]) - s.top) * scale : 0.f;
			dx[c] = to_val(c == label ? d - inv : d);
		}
		return;
	}
	q += row * qld, dx += row * dld;
	float inv = 1.f / step->labelled, cool = 1.f / temp;
	Soft sx = softmax_of(x, C, ld, cool, nullptr), sq = softmax_of(q, C, qld, cool, nullptr);
	// The teacher's part is T² times a difference of logarithms near each other: sums in double.
	double px = 0, pq = 0;
	for (int c = threadIdx.x; c < C; c += blockDim.x) px += exp((double)to_float(x[c]) / temp - sx.top), pq += exp((double)to_float(q[c]) / temp - sq.top);
	px = block_sum(px), pq = block_sum(pq);
	double kl = 0;
	for (int c = threadIdx.x; c < dld; c += blockDim.x) {
		double d = 0;
		if (c < C && label >= 0) {
			double u = to_float(x[c]), v = to_float(q[c]), pt = exp(v / temp - sq.top) / pq;
			kl += pt * (v - u) / temp;
			d = ((1 - alpha) * (expf(u - s.top) / s.sum - (c == label)) + alpha * temp * (exp(u / temp - sx.top) / px - pt)) * inv;
		}
		dx[c] = to_val(d);
	}
	kl = block_sum(kl) + (sx.top + log(px)) - (sq.top + log(pq));
	if (threadIdx.x == 0) {
		losses[row] = label >= 0 ? (1 - alpha) * loss + alpha * temp * temp * kl : 0.f;
		pred[row] = s.at;
	}
}

struct Result {
	double loss;
	i64 correct;
};

// The mean loss over the labelled rows, and how many are predicted right: one block.
extern "C" __global__ void __launch_bounds__(1024) loss_merge(const float* losses, const int* pred, const int* labels, Result* result, int rows, const Step* step) {
	__shared__ double sums[1024];
	__shared__ int rights[1024];
	double sum = 0;
	int right = 0;
	for (int r = threadIdx.x; r < rows; r += 1024) sum += losses[r], right += labels[r] >= 0 && pred[r] == labels[r];
	sums[threadIdx.x] = sum, rights[threadIdx.x] = right;
	__syncthreads();
	for (int d = 512; d > 0; d >>= 1) {
		if (threadIdx.x < d) sums[threadIdx.x] += sums[threadIdx.x + d], rights[threadIdx.x] += rights[threadIdx.x + d];
		__syncthreads();
	}
	if (threadIdx.x == 0) result->loss = sums[0] / step->labelled, result->correct = rights[0];
}
