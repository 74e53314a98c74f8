// EmbedD: dw[id] = Σ dy over the tokens with that id. Tokens are sorted by id, those of
// one id in their order (a radix sort by bytes, Knuth 5.2.5), so that equal ids lie side
// by side; then each warp adds up the rows of CHUNK sorted tokens, and the sums of ids
// that lie in several chunks are merged in the order of these.
#define CHUNK 32
#define TILE 1024 // tokens of a block while sorting

// A pass of the sort works on a byte of the keys, shift bits up. The first pass takes its
// keys from ids (ids[i·stride] is that of token i), later ones from keys and at.
__device__ __forceinline__ int key_of(const float *ids, int stride, const int *keys, int i) { return ids ? (int)ids[(i64)i * stride] : keys[i]; }

// counts[byte][blocks] = how many keys of a block have each byte.
extern "C" __global__ void __launch_bounds__(TILE) sort_count(const float *ids, int stride, const int *keys, int *counts, int n, int shift) {
	__shared__ int count[256];
	if (threadIdx.x < 256) count[threadIdx.x] = 0;
	__syncthreads();
	int i = blockIdx.x * TILE + threadIdx.x;
	if (i < n) atomicAdd(&count[key_of(ids, stride, keys, i) >> shift & 255], 1);
	__syncthreads();
	if (threadIdx.x < 256) counts[threadIdx.x * gridDim.x + blockIdx.x] = count[threadIdx.x];
}

// counts[i] = the sum of those before i; one block of 1024 threads, each takes a stretch.
extern "C" __global__ void __launch_bounds__(1024) sort_scan(int *counts, int n) {
	__shared__ int warps[32];
	int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, each = (n + 1023) / 1024;
	int from = min((int)threadIdx.x * each, n), to = min(from + each, n), sum = 0;
	for (int i = from; i < to; i++) sum += counts[i];
	int up = sum; // inclusive, first within the warp
	for (int d = 1; d < 32; d *= 2) {
		int below = __shfl_up_sync(0xffffffffu, up, d);
		if (lane >= d) up += below;
	}
	if (lane == 31) warps[warp] = up;
	__syncthreads();
	int before = up - sum;
	for (int w = 0; w < warp; w++) before += warps[w];
	for (int i = from; i < to; i++) {
		int c = counts[i];
		counts[i] = before;
		before += c;
	}
}

// Keys and the tokens they are of to where the counts say, equal bytes in their order.
extern "C" __global__ void __launch_bounds__(TILE) sort_move(const float *ids, int stride, const int *keys, const int *at, const int *counts, int *keys_to, int *at_to, int n, int shift) {
	__shared__ int count[32][256]; // of each warp; then where its first goes
	int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, i = blockIdx.x * TILE + threadIdx.x;
	for (int k = threadIdx.x; k < 32 * 256; k += TILE) count[k >> 8][k & 255] = 0;
	__syncthreads();
	int key = i < n ? key_of(ids, stride, keys, i) : 0, byte = i < n ? key >> shift & 255 : 256;
	u32 same = 0xffffffffu; // lanes with the same byte
	for (int b = 0; b < 9; b++) {
		u32 has = __ballot_sync(0xffffffffu, byte >> b & 1);
		same &= byte >> b & 1 ? has : ~has;
	}
	int rank = __popc(same & ((1u << lane) - 1));
	if (i < n && rank == 0) count[warp][byte] = __popc(same);
	__syncthreads();
	if (threadIdx.x < 256) {
		int to = counts[threadIdx.x * gridDim.x + blockIdx.x];
		for (int w = 0; w < 32; w++) {
			int c = count[w][threadIdx.x];
			count[w][threadIdx.x] = to;
			to += c;
		}
	}
	__syncthreads();
	if (i >= n) return;
	int to = count[warp][byte] + rank;
	keys_to[to] = key;
	at_to[to] = ids ? i : at[i];
}

// part[chunk][2][C]: sums of the id that comes from the chunk before, and of the one that
// goes on in the next; ids that lie in this chunk alone are done: dw[id] = their sum, added
// if accum is set. Grid: 8 chunks (a warp each), 256 channels. The id pad has no gradient.
extern "C" __global__ void __launch_bounds__(256) embed_chunks(const int *keys, const int *at, const val *dy, float *dw, float *part, int n, int C, int pad, int accum) {
	int chunk = blockIdx.x * 8 + (threadIdx.x >> 5), lane = threadIdx.x & 31, first = chunk * CHUNK;
	if (first >= n) return;
	int count = min(CHUNK, n - first), c = blockIdx.y * 256 + lane * 8, m = min(8, C - c);
	bool wide = C % 8 == 0;
	int key = lane < count ? keys[first + lane] : -1, from = lane < count ? at[first + lane] : 0;
	int before = first > 0 ? keys[first - 1] : -1, after = first + CHUNK < n ? keys[first + CHUNK] : -1;
	bool begins = true; // the run at hand begins the chunk
	float sum[8] = {0.f, 0.f, 0.f, 0.f, 0.f, 0.f, 0.f, 0.f};
	for (int j0 = 0; j0 < count; j0 += 4) {
		float v[4][8];
#pragma unroll
		for (int j = 0; j < 4; j++) { // beyond count: row 0, not used
			i64 row = __shfl_sync(0xffffffffu, from, j0 + j);
			if (m > 0) load8(dy + row * C + c, m, wide, v[j]);
		}
#pragma unroll
		for (int j = 0; j < 4; j++) {
			int id = __shfl_sync(0xffffffffu, key, j0 + j), next = __shfl_sync(0xffffffffu, key, min(j0 + j + 1, 31));
			if (j0 + j >= count) break;
			bool last = j0 + j == count - 1;
#pragma unroll
			for (int k = 0; k < 8; k++) sum[k] += v[j][k];
			if (!last && next == id) continue;
			if (m > 0) {
				if (begins && id == before) store8(part + ((i64)chunk * 2) * C + c, m, wide, sum);
				else if (last && id == after) store8(part + ((i64)chunk * 2 + 1) * C + c, m, wide, sum);
				else if (id != pad) {
					float *to = dw + (i64)id * C + c;
					if (accum) {
						float old[8];
						load8(to, m, wide, old);
#pragma unroll
						for (int k = 0; k < 8; k++) sum[k] += old[k];
					}
					store8(to, m, wide, sum);
				}
			}
			begins = false;
#pragma unroll
			for (int k = 0; k < 8; k++) sum[k] = 0.f;
		}
	}
}

// dw[id] of ids that lie in several chunks: the warp of the chunk where one begins adds up
// its parts. Grid as embed_chunks.
extern "C" __global__ void __launch_bounds__(256) embed_merge(const int *keys, float *dw, const float *part, int n, int C, int pad, int accum) {
	int chunk = blockIdx.x * 8 + (threadIdx.x >> 5), lane = threadIdx.x & 31, first = chunk * CHUNK, next = first + CHUNK;
	if (next >= n) return;
	int id = keys[next - 1], c = blockIdx.y * 256 + lane * 8, m = min(8, C - c);
	if (keys[next] != id || first > 0 && keys[first - 1] == id || id == pad || m <= 0) return;
	int low = next, high = n; // the last token of id is at low
	while (high - low > 1) {
		int mid = (low + high) / 2;
		if (keys[mid] == id) low = mid;
		else high = mid;
	}
	bool wide = C % 8 == 0;
	float sum[8], *to = dw + (i64)id * C + c;
	load8(part + ((i64)chunk * 2 + 1) * C + c, m, wide, sum);
#pragma unroll 8
	for (int k = chunk + 1; k <= low / CHUNK; k++) {
		float v[8];
		load8(part + (i64)k * 2 * C + c, m, wide, v);
#pragma unroll
		for (int j = 0; j < 8; j++) sum[j] += v[j];
	}
	if (accum) {
		float old[8];
		load8(to, m, wide, old);
#pragma unroll
		for (int j = 0; j < 8; j++) sum[j] += old[j];
	}
	store8(to, m, wide, sum);
}
