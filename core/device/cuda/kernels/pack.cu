// Packing a 2:4 weight as cuSPARSELt packs it, by a table that is learned from cuSPARSELt
// (packtable.go). A piece is 16 bits of the pack: a value, or part of what says where the
// values come from, or filling. Its entry in the table is an index of the weight or, with
// the upper bit, the piece itself.

// The code of index i in pass 0 and 1: 14 bits of it as a normal bf16 that is not 0. The
// codes of one pass are none of the other's, so what both passes leave equal is no value.
__device__ __forceinline__ u16 pack_code(i64 i, int pass) {
	u32 digit = (u32)(i >> (14 * pass)) & 0x3fffu;
	return (u16)((digit & 0x1fffu) + (pass ? 0x4000u : 0x2000u) + (digit >> 13 << 15));
}

__device__ __forceinline__ bool pack_coded(u32 bits, int pass) { return ((bits & 0x7fffu) - (pass ? 0x4000u : 0x2000u)) < 0x2000u; }
__device__ __forceinline__ u32 pack_digit(u32 bits) { return (bits & 0x1fffu) | bits >> 15 << 13; }

// w = codes where it is kept, else 0. mask has `masked` elements; behind them all is 0.
extern "C" __global__ void pack_codes(i64 count, u16 *w, const u8 *mask, i64 masked, int pass) {
	FOR_EACH(i, count) w[i] = i < masked && mask[i] ? pack_code(i, pass) : (u16)0;
}

// What the pack of the codes says about the table. Between the passes it holds the first.
extern "C" __global__ void pack_learn(i64 count, u32 *table, const u16 *pack, int pass) {
	FOR_EACH(i, count) {
		u32 first = table[i], second = pack[i];
		if (pass == 0) table[i] = second;
		else if (pack_coded(first, 0) && pack_coded(second, 1)) table[i] = pack_digit(first) | pack_digit(second) << 14;
		else table[i] = 0x80000000u | second;
	}
}

// to = w where it is kept, with something in place of zeros and of what may count as zero,
// else 0: weights that show whether the table is right.
extern "C" __global__ void pack_sample(i64 count, u16 *to, const u16 *w, const u8 *mask, i64 masked) {
	FOR_EACH(i, count) {
		u16 v = 0;
		if (i < masked && mask[i]) {
			v = w[i];
			if ((v & 0x7f80) == 0) v = (u16)(0x3f00u | ((u32)i * 2654435761u >> 24));
		}
		to[i] = v;
	}
}

__device__ __forceinline__ u32 pack_piece(u32 entry, const u16 *w) { return entry >> 31 ? entry & 0xffffu : (u32)w[entry]; }
__device__ __forceinline__ u32 pack_pieces(u32 low, u32 high, const u16 *w) { return pack_piece(low, w) | pack_piece(high, w) << 16; }

// The pack of w, all of it, eight pieces at a time.
extern "C" __global__ void __launch_bounds__(256) pack_gather(i64 count, u16 *pack, const u32 *table, const u16 *w) {
	i64 thread = (i64)blockIdx.x * blockDim.x + threadIdx.x, threads = (i64)gridDim.x * blockDim.x;
	for (i64 i = 8 * thread; i + 8 <= count; i += 8 * threads) {
		uint4 a = ((const uint4 *)(table + i))[0], b = ((const uint4 *)(table + i))[1];
		*(uint4 *)(pack + i) = make_uint4(pack_pieces(a.x, a.y, w), pack_pieces(a.z, a.w, w), pack_pieces(b.x, b.y, w), pack_pieces(b.z, b.w, w));
	}
	i64 i = count / 8 * 8 + thread;
	if (thread < 8 && i < count) pack[i] = (u16)pack_piece(table[i], w);
}

// *differs = 1 if a and b do.
extern "C" __global__ void pack_differs(i64 count, const u16 *a, const u16 *b, int *differs) {
	FOR_EACH(i, count)
		if (a[i] != b[i]) *differs = 1;
}
