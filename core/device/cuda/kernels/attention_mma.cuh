// What attention_mma.cu and attention_tf32.cu share, whatever their values are: where a block and
// its warps stand, and what happens to results of products, of which thread 4·g + t has columns
// 2·t, 2·t + 1 of rows g (first two) and g + 8. A warp owns 16·MT rows. DIM, CAUSAL and PADS are
// theirs.

#define WARPS 4

#include "tensorcores.cuh"

// Where a block and its warp stand.
struct Place {
	int head, kv, first; // first row of the block, in the sequence
	i64 row;             // of the sequence's first token
	int lane, g, t, own; // own: the warp's first row, in the block
};

// rows is the number of rows of a block. Blocks of a head follow each other, so that its
// keys stay in the cache; those with the most work come first: of queries the last, of
// keys the first.
__device__ __forceinline__ Place place(int seq, int heads, int shared_by, int rows, bool queries) {
	int tiles = (seq + rows - 1) / rows, unit = blockIdx.x / tiles, i = blockIdx.x % tiles;
	Place p;
	p.head = unit % heads;
	p.kv = p.head / shared_by;
	p.row = (i64)(unit / heads) * seq;
	p.first = (CAUSAL && queries ? tiles - 1 - i : i) * rows;
	p.lane = threadIdx.x % 32;
	p.g = p.lane / 4;
	p.t = p.lane % 4;
	p.own = threadIdx.x / 32 * (rows / WARPS);
	return p;
}

// soften makes the scores s of some more keys 2^(c·s − c·top), top being the largest yet of the
// row, and brings what was summed by an older top down to it: sum, of this thread's columns, and o.
template <int MT, int N> __device__ __forceinline__ void soften(float (&s)[MT][N][4], float (&o)[MT][DIM / 8][4], float (&top)[MT][2], float (&sum)[MT][2], float c) {
#pragma unroll
	for (int m = 0; m < MT; m++)
#pragma unroll
		for (int r = 0; r < 2; r++) {
			float most = top[m][r];
#pragma unroll
			for (int n = 0; n < N; n++) most = fmaxf(most, fmaxf(s[m][n][2 * r], s[m][n][2 * r + 1]));
			most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, 1));
			most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, 2));
			float base = PADS && most == NONE ? 0.f : most * c; // no key yet: all are 2^−∞
			float f = exp_2(top[m][r] * c - base), all = 0.f;
			top[m][r] = most;
#pragma unroll
			for (int n = 0; n < N; n++)
#pragma unroll
				for (int e = 0; e < 2; e++) all += s[m][n][2 * r + e] = exp_2(s[m][n][2 * r + e] * c - base);
			sum[m][r] = sum[m][r] * f + all;
#pragma unroll
			for (int n = 0; n < DIM / 8; n++) o[m][n][2 * r] *= f, o[m][n][2 * r + 1] *= f;
		}
}

// summed: f, by which each row of o is to be multiplied, and where it is given lse of the
// queries mine, mine + 1, ….
template <int MT> __device__ __forceinline__ void summed(float (&f)[MT][2], float *lse, const float (&top)[MT][2], const float (&sum)[MT][2], float scale, int mine, int seq, int heads, const Place &at) {
#pragma unroll
	for (int m = 0; m < MT; m++)
#pragma unroll
		for (int r = 0; r < 2; r++) {
			float all = sum[m][r];
			all += __shfl_xor_sync(0xffffffffu, all, 1);
			all += __shfl_xor_sync(0xffffffffu, all, 2);
			f[m][r] = all > 0.f ? 1.f / all : 0.f;
			int row = mine + m * 16 + r * 8 + at.g;
			if (lse && at.t == 0 && row < seq) lse[(at.row + row) * heads + at.head] = all > 0.f ? top[m][r] * scale + logf(all) : 0.f;
		}
}

// unpadded: what rows of dk and dv are multiplied by, keys mine, mine + 1, …. Padding gets
// nothing, whatever was summed up for it.
template <int MT> __device__ __forceinline__ void unpadded(float (&fk)[MT][2], float (&fv)[MT][2], float scale, int mine, int seq, const float *ids, int ids_row, float pad, const Place &at) {
#pragma unroll
	for (int m = 0; m < MT; m++)
#pragma unroll
		for (int r = 0; r < 2; r++) {
			int key = mine + m * 16 + r * 8 + at.g;
			bool no = PADS && key < seq && ids[(i64)key * ids_row] == pad;
			fk[m][r] = no ? 0.f : scale, fv[m][r] = no ? 0.f : 1.f;
		}
}
