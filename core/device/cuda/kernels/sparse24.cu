// Products with a 2:4 weight on Hopper's tensor cores (sm_90a), bf16 with sums in float32:
// y[row][out] = act(alpha·Σ x[row][in]·w[out][in] + beta·c[row][out] + bias[out]), w packed by
// sparse24_pack. The tensor cores make yᵀ = w·xᵀ, for it is the left operand that may be 2:4:
// wgmma.mma_async.sp takes the two values of each four that are kept and, in registers, their
// places.
//
// A block of three warpgroups makes tiles of TM outputs × TN rows: each of the first two has
// MI·64 outputs of all TN rows in its registers; a thread of the third brings what they read,
// STAGES steps of 64 inputs ahead. CLUSTER blocks beside each other along the outputs share the
// rows of x, of which each brings a part to all. Blocks stay and take one tile after another; the
// last tiles have FEW rows, so that all blocks end at about the same time.
//
// Shared memory is what bounds it: for each 128 cycles of the tensor cores x takes 128 cycles of
// reading, and w 16 more; so tiles are as large as the registers allow.
//
// The pack has for 64 outputs × 64 inputs BLOB bytes, those of one 64 outputs following each
// other: for inputs 0–31, then 32–63, the kept values in pieces of 8, [2 pieces][64 outputs];
// then for each of 128 threads the word of places that it hands to wgmma.

#include "wgmma.cuh"

#define GROUPS 2
#define TM (GROUPS * MI * 64)
#define BLOB 4608
#define VALUES 4096
#define X_BYTES (TN * 128)
#define W_BYTES (GROUPS * MI * BLOB)
#define STAGE (X_BYTES + (W_BYTES + 1023) / 1024 * 1024)
#define Y_BYTES (MI * EN * 128) // a warpgroup's part of y on its way: EN rows, YS such parts
#define THREADS (GROUPS * 128 + 128)

// What the copy engine knows of a matrix (CUtensorMap): it comes and goes by boxes of 64 columns,
// which lie in shared memory in rows of 128 bytes as the tensor cores want them: 16-byte piece c of
// row r at c ^ (r mod 8).
struct alignas(64) Map { u64 w[16]; };

// PTX
// d = a·b, + d with add: 64 × 8·(rows of d) outputs over 32 inputs. Threads 0 and 1 of each four
// give the places with SELECT 0, threads 2 and 3 with 1.
template <int SELECT> __device__ __forceinline__ void sparse(float (&d)[16][4], u64 a, u64 b, u32 places, int add) {
	asm volatile("{ .reg .pred p; setp.ne.b32 p, %67, 0; wgmma.mma_async.sp.sync.aligned.m64n128k32.f32.bf16.bf16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, %64, %65, %66, %68, p, 1, 1, 0, 0; }"
		: "+f"(d[0][0]), "+f"(d[0][1]), "+f"(d[0][2]), "+f"(d[0][3]), "+f"(d[1][0]), "+f"(d[1][1]), "+f"(d[1][2]), "+f"(d[1][3]), "+f"(d[2][0]), "+f"(d[2][1]), "+f"(d[2][2]), "+f"(d[2][3]), "+f"(d[3][0]), "+f"(d[3][1]), "+f"(d[3][2]), "+f"(d[3][3]), "+f"(d[4][0]), "+f"(d[4][1]), "+f"(d[4][2]), "+f"(d[4][3]), "+f"(d[5][0]), "+f"(d[5][1]), "+f"(d[5][2]), "+f"(d[5][3]), "+f"(d[6][0]), "+f"(d[6][1]), "+f"(d[6][2]), "+f"(d[6][3]), "+f"(d[7][0]), "+f"(d[7][1]), "+f"(d[7][2]), "+f"(d[7][3]), "+f"(d[8][0]), "+f"(d[8][1]), "+f"(d[8][2]), "+f"(d[8][3]), "+f"(d[9][0]), "+f"(d[9][1]), "+f"(d[9][2]), "+f"(d[9][3]), "+f"(d[10][0]), "+f"(d[10][1]), "+f"(d[10][2]), "+f"(d[10][3]), "+f"(d[11][0]), "+f"(d[11][1]), "+f"(d[11][2]), "+f"(d[11][3]), "+f"(d[12][0]), "+f"(d[12][1]), "+f"(d[12][2]), "+f"(d[12][3]), "+f"(d[13][0]), "+f"(d[13][1]), "+f"(d[13][2]), "+f"(d[13][3]), "+f"(d[14][0]), "+f"(d[14][1]), "+f"(d[14][2]), "+f"(d[14][3]), "+f"(d[15][0]), "+f"(d[15][1]), "+f"(d[15][2]), "+f"(d[15][3])
		: "l"(a), "l"(b), "r"(places), "r"(add), "n"(SELECT));
}
template <int SELECT> __device__ __forceinline__ void sparse(float (&d)[26][4], u64 a, u64 b, u32 places, int add) {
	asm volatile("{ .reg .pred p; setp.ne.b32 p, %107, 0; wgmma.mma_async.sp.sync.aligned.m64n208k32.f32.bf16.bf16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, %96, %97, %98, %99, %100, %101, %102, %103}, %104, %105, %106, %108, p, 1, 1, 0, 0; }"
		: "+f"(d[0][0]), "+f"(d[0][1]), "+f"(d[0][2]), "+f"(d[0][3]), "+f"(d[1][0]), "+f"(d[1][1]), "+f"(d[1][2]), "+f"(d[1][3]), "+f"(d[2][0]), "+f"(d[2][1]), "+f"(d[2][2]), "+f"(d[2][3]), "+f"(d[3][0]), "+f"(d[3][1]), "+f"(d[3][2]), "+f"(d[3][3]), "+f"(d[4][0]), "+f"(d[4][1]), "+f"(d[4][2]), "+f"(d[4][3]), "+f"(d[5][0]), "+f"(d[5][1]), "+f"(d[5][2]), "+f"(d[5][3]), "+f"(d[6][0]), "+f"(d[6][1]), "+f"(d[6][2]), "+f"(d[6][3]), "+f"(d[7][0]), "+f"(d[7][1]), "+f"(d[7][2]), "+f"(d[7][3]), "+f"(d[8][0]), "+f"(d[8][1]), "+f"(d[8][2]), "+f"(d[8][3]), "+f"(d[9][0]), "+f"(d[9][1]), "+f"(d[9][2]), "+f"(d[9][3]), "+f"(d[10][0]), "+f"(d[10][1]), "+f"(d[10][2]), "+f"(d[10][3]), "+f"(d[11][0]), "+f"(d[11][1]), "+f"(d[11][2]), "+f"(d[11][3]), "+f"(d[12][0]), "+f"(d[12][1]), "+f"(d[12][2]), "+f"(d[12][3]), "+f"(d[13][0]), "+f"(d[13][1]), "+f"(d[13][2]), "+f"(d[13][3]), "+f"(d[14][0]), "+f"(d[14][1]), "+f"(d[14][2]), "+f"(d[14][3]), "+f"(d[15][0]), "+f"(d[15][1]), "+f"(d[15][2]), "+f"(d[15][3]), "+f"(d[16][0]), "+f"(d[16][1]), "+f"(d[16][2]), "+f"(d[16][3]), "+f"(d[17][0]), "+f"(d[17][1]), "+f"(d[17][2]), "+f"(d[17][3]), "+f"(d[18][0]), "+f"(d[18][1]), "+f"(d[18][2]), "+f"(d[18][3]), "+f"(d[19][0]), "+f"(d[19][1]), "+f"(d[19][2]), "+f"(d[19][3]), "+f"(d[20][0]), "+f"(d[20][1]), "+f"(d[20][2]), "+f"(d[20][3]), "+f"(d[21][0]), "+f"(d[21][1]), "+f"(d[21][2]), "+f"(d[21][3]), "+f"(d[22][0]), "+f"(d[22][1]), "+f"(d[22][2]), "+f"(d[22][3]), "+f"(d[23][0]), "+f"(d[23][1]), "+f"(d[23][2]), "+f"(d[23][3]), "+f"(d[24][0]), "+f"(d[24][1]), "+f"(d[24][2]), "+f"(d[24][3]), "+f"(d[25][0]), "+f"(d[25][1]), "+f"(d[25][2]), "+f"(d[25][3])
		: "l"(a), "l"(b), "r"(places), "r"(add), "n"(SELECT));
}
template <int SELECT> __device__ __forceinline__ void sparse(float (&d)[32][4], u64 a, u64 b, u32 places, int add) {
	asm volatile("{ .reg .pred p; setp.ne.b32 p, %131, 0; wgmma.mma_async.sp.sync.aligned.m64n256k32.f32.bf16.bf16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, %96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, %112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127}, %128, %129, %130, %132, p, 1, 1, 0, 0; }"
		: "+f"(d[0][0]), "+f"(d[0][1]), "+f"(d[0][2]), "+f"(d[0][3]), "+f"(d[1][0]), "+f"(d[1][1]), "+f"(d[1][2]), "+f"(d[1][3]), "+f"(d[2][0]), "+f"(d[2][1]), "+f"(d[2][2]), "+f"(d[2][3]), "+f"(d[3][0]), "+f"(d[3][1]), "+f"(d[3][2]), "+f"(d[3][3]), "+f"(d[4][0]), "+f"(d[4][1]), "+f"(d[4][2]), "+f"(d[4][3]), "+f"(d[5][0]), "+f"(d[5][1]), "+f"(d[5][2]), "+f"(d[5][3]), "+f"(d[6][0]), "+f"(d[6][1]), "+f"(d[6][2]), "+f"(d[6][3]), "+f"(d[7][0]), "+f"(d[7][1]), "+f"(d[7][2]), "+f"(d[7][3]), "+f"(d[8][0]), "+f"(d[8][1]), "+f"(d[8][2]), "+f"(d[8][3]), "+f"(d[9][0]), "+f"(d[9][1]), "+f"(d[9][2]), "+f"(d[9][3]), "+f"(d[10][0]), "+f"(d[10][1]), "+f"(d[10][2]), "+f"(d[10][3]), "+f"(d[11][0]), "+f"(d[11][1]), "+f"(d[11][2]), "+f"(d[11][3]), "+f"(d[12][0]), "+f"(d[12][1]), "+f"(d[12][2]), "+f"(d[12][3]), "+f"(d[13][0]), "+f"(d[13][1]), "+f"(d[13][2]), "+f"(d[13][3]), "+f"(d[14][0]), "+f"(d[14][1]), "+f"(d[14][2]), "+f"(d[14][3]), "+f"(d[15][0]), "+f"(d[15][1]), "+f"(d[15][2]), "+f"(d[15][3]), "+f"(d[16][0]), "+f"(d[16][1]), "+f"(d[16][2]), "+f"(d[16][3]), "+f"(d[17][0]), "+f"(d[17][1]), "+f"(d[17][2]), "+f"(d[17][3]), "+f"(d[18][0]), "+f"(d[18][1]), "+f"(d[18][2]), "+f"(d[18][3]), "+f"(d[19][0]), "+f"(d[19][1]), "+f"(d[19][2]), "+f"(d[19][3]), "+f"(d[20][0]), "+f"(d[20][1]), "+f"(d[20][2]), "+f"(d[20][3]), "+f"(d[21][0]), "+f"(d[21][1]), "+f"(d[21][2]), "+f"(d[21][3]), "+f"(d[22][0]), "+f"(d[22][1]), "+f"(d[22][2]), "+f"(d[22][3]), "+f"(d[23][0]), "+f"(d[23][1]), "+f"(d[23][2]), "+f"(d[23][3]), "+f"(d[24][0]), "+f"(d[24][1]), "+f"(d[24][2]), "+f"(d[24][3]), "+f"(d[25][0]), "+f"(d[25][1]), "+f"(d[25][2]), "+f"(d[25][3]), "+f"(d[26][0]), "+f"(d[26][1]), "+f"(d[26][2]), "+f"(d[26][3]), "+f"(d[27][0]), "+f"(d[27][1]), "+f"(d[27][2]), "+f"(d[27][3]), "+f"(d[28][0]), "+f"(d[28][1]), "+f"(d[28][2]), "+f"(d[28][3]), "+f"(d[29][0]), "+f"(d[29][1]), "+f"(d[29][2]), "+f"(d[29][3]), "+f"(d[30][0]), "+f"(d[30][1]), "+f"(d[30][2]), "+f"(d[30][3]), "+f"(d[31][0]), "+f"(d[31][1]), "+f"(d[31][2]), "+f"(d[31][3])
		: "l"(a), "l"(b), "r"(places), "r"(add), "n"(SELECT));
}

// held keeps a register as it is until here: products in flight read it, which the compiler
// (CUDA 13.0) does not know.
__device__ __forceinline__ void held(u32 x) { asm volatile("" ::"r"(x) : "memory"); }

// Barriers in shared memory. Arriving without more than that orders this block's accesses; with
// .release.cluster it would wait for all of the thread's accesses anywhere, a microsecond.
__device__ __forceinline__ void init(u32 bar, int count) { asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(bar), "r"(count)); }
__device__ __forceinline__ void await(u32 bar, u32 parity) {
	asm volatile("{ .reg .pred p; again: mbarrier.try_wait.parity.shared::cta.b64 p, [%0], %1; @p bra done; bra again; done: }" ::"r"(bar), "r"(parity) : "memory");
}
__device__ __forceinline__ void expect(u32 bar, u32 bytes) { asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(bar), "r"(bytes) : "memory"); }
// arrive at the barrier of block `rank` of the cluster.
__device__ __forceinline__ void arrive(u32 bar, u32 rank) {
	asm volatile("{ .reg .b32 r; mapa.shared::cluster.u32 r, %0, %1; mbarrier.arrive.shared::cluster.b64 _, [r]; }" ::"r"(bar), "r"(rank) : "memory");
}
__device__ __forceinline__ void together() { asm volatile("barrier.cluster.arrive.release.aligned; barrier.cluster.wait.acquire.aligned;" ::: "memory"); }
__device__ __forceinline__ u32 cluster_rank() {
	u32 r;
	asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(r));
	return r;
}
__device__ __forceinline__ void sync_group(int group) { asm volatile("bar.sync %0, 128;" ::"r"(group + 1) : "memory"); }

// A box of a matrix at column x, row y, to all blocks of the cluster; to this one; and bytes.
__device__ __forceinline__ void bring_all(u32 to, const Map *map, int x, int y, u32 bar) {
	asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, {%2, %3}], [%4], %5;"
		::"r"(to), "l"(map), "r"(x), "r"(y), "r"(bar), "h"((u16)((1 << CLUSTER) - 1)) : "memory");
}
__device__ __forceinline__ void bring(u32 to, const Map *map, int x, int y, u32 bar) {
	asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];"
		::"r"(to), "l"(map), "r"(x), "r"(y), "r"(bar) : "memory");
}
__device__ __forceinline__ void bring(u32 to, const u8 *from, u32 bytes, u32 bar) {
	asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(to), "l"(from), "r"(bytes), "r"(bar) : "memory");
}
// The other way, without what lies outside of the matrix; sent<N> waits until what comes before the
// last N ends is read, sent_all until all is written.
__device__ __forceinline__ void send(const Map *map, int x, int y, u32 from) {
	asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%0, {%1, %2}], [%3];" ::"l"(map), "r"(x), "r"(y), "r"(from) : "memory");
}
__device__ __forceinline__ void send_end() { asm volatile("cp.async.bulk.commit_group;" ::: "memory"); }
template <int N> __device__ __forceinline__ void sent() { asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(N) : "memory"); }
__device__ __forceinline__ void sent_all() { asm volatile("cp.async.bulk.wait_group 0;" ::: "memory"); }

// Four 8×8 matrices, transposed: the other way of matrices_t.
__device__ __forceinline__ void store_matrices_t(u32 at, const u32 (&r)[4]) {
	asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(at), "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3]) : "memory");
}
// end of PTX

// Descriptors of operands. x: rows of 128 bytes, 8 of them 1024. w: pieces of 16 bytes, 8 rows of
// them 128 bytes, the next 8 rows 128 further, the next pieces 1024. In a cluster a block's rank is
// in the address, above what a descriptor takes.
__device__ __forceinline__ u64 right(u32 at) { return (u64)((at & 0x3ffff) >> 4) | (u64)1 << 16 | (u64)(1024 >> 4) << 32 | (u64)1 << 62; }
__device__ __forceinline__ u64 left(u32 at) { return (u64)((at & 0x3ffff) >> 4) | (u64)(1024 >> 4) << 16 | (u64)(128 >> 4) << 32; }

// Where tile i of `outs` × `rows` lies, in tiles: bands of BAND tiles of rows go through all
// outputs, so that blocks at work read few rows of x and of w.
struct Tile { int out, row; };
__device__ __forceinline__ Tile tile_at(int i, int outs, int rows) {
	int band = i / (outs * BAND), r = i - band * outs * BAND, wide = min(BAND, rows - band * BAND);
	return {r / wide, band * BAND + r % wide};
}

// Tiles of a cluster: those of `whole` times TN rows, then those of FEW, of which the first row is
// the next.
struct Tiles {
	int outs, whole, all, few;
	__device__ __forceinline__ Tiles(int rows, int n, int w) {
		outs = ((n + TM - 1) / TM + CLUSTER - 1) / CLUSTER, whole = w, few = max(rows - w * TN + FEW - 1, 0) / FEW;
		all = outs * (whole + few);
	}
	__device__ __forceinline__ bool is_few(int i) const { return i >= outs * whole; }
	// The first output of the cluster's, and the first row.
	__device__ __forceinline__ Tile at(int i) const {
		Tile t = is_few(i) ? tile_at(i - outs * whole, outs, few) : tile_at(i, outs, whole);
		return {t.out * CLUSTER * TM, is_few(i) ? whole * TN + t.row * FEW : t.row * TN};
	}
};

// The barriers of stage s: it is full; all blocks of the cluster are done with it.
#define FULL(s) (bars + 16 * (s))
#define EMPTY(s) (bars + 16 * (s) + 8)

// What a thread of the first two warpgroups goes through its tiles with.
struct Maker {
	u32 base, bars, parts, c_full; // in shared memory: stages, barriers, its warpgroup's parts of y, the barrier of c
	u32 stage, phase, c_phase;
	int thread, group, rank, steps;

	__device__ __forceinline__ void release(u32 s) const {
		if (thread < CLUSTER) arrive(EMPTY(s), thread);
	}

	// make makes a tile of N rows, whose first row and whose first output (of the warpgroup) are
	// given.
	template <int N> __device__ __forceinline__ void make(const Map &y, const Map &c, const bf16 *bias, int row, int out, int rows, int outs, float alpha, float beta, int relu) {
		u32 last = 0, places[2][MI] = {};
		float d[MI][N / 8][4];
		for (int k0 = 0; k0 < steps; k0 += 2)
#pragma unroll
			for (int h = 0; h < 2; h++) {
				int k = k0 + h;
				if (k >= steps) break;
				u32 at = base + stage * STAGE, w_at = at + X_BYTES + group * MI * BLOB;
				await(FULL(stage), phase);
				u64 a = left(w_at), b = right(at);
#pragma unroll
				for (int m = 0; m < MI; m++) places[h][m] = word(w_at + m * BLOB + VALUES + thread * 4);
				begin();
#pragma unroll
				for (int m = 0; m < MI; m++) sparse<0>(d[m], a + m * (BLOB >> 4), b, places[h][m], k > 0);
#pragma unroll
				for (int m = 0; m < MI; m++) sparse<1>(d[m], a + m * (BLOB >> 4) + (VALUES / 2 >> 4), b + (64 >> 4), places[h][m], 1);
				commit();
				finish<1>(); // the step before
#pragma unroll
				for (int m = 0; m < MI; m++) held(places[h ^ 1][m]);
				if (k > 0) release(last);
				last = stage;
				if (++stage == STAGES) stage = 0, phase ^= 1;
			}
		finish<0>();
#pragma unroll
		for (int m = 0; m < MI; m++) held(places[0][m]), held(places[1][m]);
		release(last);

		if (beta != 0.f) send_tile<true>(d, y, c, bias, row, out, rows, outs, alpha, beta, relu);
		else send_tile<false>(d, y, c, bias, row, out, rows, outs, alpha, beta, relu);
	}

	// send_tile sends y by way of shared memory, up to EN rows at a time in boxes of BOX; c comes
	// there before it if ADDS.
	template <bool ADDS, int N8> __device__ __forceinline__ void send_tile(const float (&d)[MI][N8][4], const Map &y, const Map &c, const bf16 *bias, int row, int out, int rows, int outs, float alpha, float beta, int relu) {
		const int N = 8 * N8;
		int lane = thread % 32, warp = thread / 32;
		float shift[MI][2] = {};
		if (bias)
#pragma unroll
			for (int m = 0; m < MI; m++)
#pragma unroll
				for (int r = 0; r < 2; r++) {
					int o = out + m * 64 + warp * 16 + r * 8 + lane / 4;
					if (o < outs) shift[m][r] = to_float(bias[o]);
				}
#pragma unroll
		for (int part = 0; part < N; part += EN) {
			const int n = N - part < EN ? N - part : EN;
			u32 own = parts + part / EN % YS * Y_BYTES;
			if (thread == 0) {
				if (part == 0) sent<0>();
				else sent<YS - 1>();
				if (ADDS) {
					expect(c_full, MI * n * 128);
#pragma unroll
					for (int m = 0; m < MI; m++)
#pragma unroll
						for (int r = 0; r < n; r += BOX) bring(own + (m * EN + r) * 128, &c, out + m * 64, row + part + r, c_full);
				}
			}
			sync_group(group);
			if (ADDS) {
				await(c_full, c_phase);
				c_phase ^= 1;
			}
#pragma unroll
			for (int m = 0; m < MI; m++)
#pragma unroll
				for (int j = 0; j < n / 8; j += 2) { // 16 outputs of 16 rows
					u32 to = own + m * (EN * 128) + (8 * (j + lane / 16) + lane % 8) * 128 + (((2 * warp + lane / 8 % 2) ^ (lane % 8)) * 16), v[4] = {};
					if (ADDS) matrices_t(v, to);
#pragma unroll
					for (int q = 0; q < 4; q++) {
						const float *s = &d[m][part / 8 + j + q / 2][q % 2 * 2];
						float a = alpha * s[0] + shift[m][q % 2], b = alpha * s[1] + shift[m][q % 2];
						if (ADDS) a += beta * low(v[q]), b += beta * high(v[q]);
						if (relu) a = fmaxf(a, 0.f), b = fmaxf(b, 0.f);
						v[q] = bf16x2(a, b);
					}
					store_matrices_t(to, v);
				}
			publish();
			sync_group(group);
			if (thread == 0) {
#pragma unroll
				for (int m = 0; m < MI; m++)
#pragma unroll
					for (int r = 0; r < n; r += BOX)
						if (out + m * 64 < outs && row + part + r < rows) send(&y, out + m * 64, row + part + r, own + (m * EN + r) * 128);
				send_end();
			}
		}
	}
};

extern "C" __global__ void __launch_bounds__(THREADS, 1) __cluster_dims__(CLUSTER, 1, 1)
		sparse24(const __grid_constant__ Map x, const __grid_constant__ Map y, const __grid_constant__ Map c, const u8 *pack, const bf16 *bias,
		int rows, int outs, int ins, int whole, float alpha, float beta, int relu) {
	extern __shared__ uint4 shared[];
	u32 base = (shared_at(shared) + 1023) & ~1023u, y_at = base + STAGES * STAGE, bars = y_at + GROUPS * YS * Y_BYTES;
	int steps = (ins + 63) / 64, blocks = (outs + 63) / 64; // of the pack
	int rank = cluster_rank(), first = blockIdx.x / CLUSTER, stride = gridDim.x / CLUSTER;
	Tiles tiles(rows, outs, whole);
	if (threadIdx.x == 0) {
		for (int s = 0; s < STAGES; s++) {
			init(FULL(s), 1);
			init(EMPTY(s), GROUPS * CLUSTER);
		}
		for (int g = 0; g < GROUPS; g++) init(FULL(STAGES) + 8 * g, 1); // c's
		asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
	}
	together();
	int group = __shfl_sync(0xffffffffu, threadIdx.x / 128, 0);
	if (group == GROUPS) {
		asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(MI * TN > 384 ? 24 : 40));
		u32 stage = 0, phase = 0;
		if (threadIdx.x == GROUPS * 128)
			for (int i = first, turn = 0; i < tiles.all; i += stride, turn ^= TO_AND_FRO) {
				Tile t = tiles.at(i);
				int part = rank * (TN / CLUSTER);
				const u8 *from[GROUPS * MI];
#pragma unroll
				for (int b = 0; b < GROUPS * MI; b++) from[b] = pack + (i64)min(t.out / 64 + rank * (TM / 64) + b, blocks - 1) * steps * BLOB;
				for (int j = 0; j < steps; j++) {
					int k = turn ? steps - 1 - j : j; // to and fro: the cache still has what came last
					u32 at = base + stage * STAGE;
					await(EMPTY(stage), phase ^ 1);
					expect(FULL(stage), X_BYTES + W_BYTES);
					bring_all(at + part * 128, &x, k * 64, t.row + part, FULL(stage));
#pragma unroll
					for (int b = 0; b < GROUPS * MI; b++) bring(at + X_BYTES + b * BLOB, from[b] + (i64)k * BLOB, BLOB, FULL(stage));
					if (++stage == STAGES) stage = 0, phase ^= 1;
				}
			}
	} else {
		asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(MI * TN > 384 ? 240 : 232));
		Maker m = {base, bars, y_at + group * YS * Y_BYTES, FULL(STAGES) + 8 * group, 0, 0, 0, (int)threadIdx.x % 128, group, rank, steps};
		int i = first;
		for (; !tiles.is_few(i); i += stride) {
			Tile t = tiles.at(i);
			m.make<TN>(y, c, bias, t.row, t.out + rank * TM + group * MI * 64, rows, outs, alpha, beta, relu);
		}
		for (; i < tiles.all; i += stride) {
			Tile t = tiles.at(i);
			m.make<FEW>(y, c, bias, t.row, t.out + rank * TM + group * MI * 64, rows, outs, alpha, beta, relu);
		}
		if (m.thread == 0) sent_all();
	}
	together(); // no block ends while others arrive at its barriers
}

// keep finds the first two of four values that are not zero, and, with fewer, others beside
// them: the values, and their places as wgmma takes them, the first in the low two bits.
__device__ __forceinline__ u32 keep(const u32 (&v)[4], u32 &places) {
	bool a = v[0] & 0x7fff, b = v[1] & 0x7fff, c = v[2] & 0x7fff;
	int first = a ? 0 : b ? 1 : 2, second = a && b ? 1 : (a || b) && c ? 2 : 3;
	places = first | second << 2;
	return (first == 0 ? v[0] : first == 1 ? v[1] : v[2]) | (second == 1 ? v[1] : second == 2 ? v[2] : v[3]) << 16;
}

// sparse24_pack packs w[outs][ins], or with `down` w[ins][outs]: a block of 128 threads
// makes the part for 64 outputs × 64 inputs.
extern "C" __global__ void __launch_bounds__(128) sparse24_pack(u8 *pack, const bf16 *w, int outs, int ins, int down) {
	__shared__ u32 values[64][17]; // two of each four inputs
	__shared__ u16 places[64][4];  // of 16 inputs each
	__shared__ u16 turned[64][66];
	int steps = (ins + 63) / 64, row0 = blockIdx.x / steps * 64, in0 = blockIdx.x % steps * 64;
	u8 *to = pack + (i64)blockIdx.x * BLOB;
	int t = threadIdx.x;
	if (down) {
#pragma unroll
		for (int i = 0; i < 8; i++) { // four outputs of one input
			int k = (t + 128 * i) / 16, c = t % 16 * 4;
			uint2 q = make_uint2(0, 0);
			if (in0 + k < ins && row0 + c < outs) q = *(const uint2 *)(w + (i64)(in0 + k) * outs + row0 + c);
			*(u32 *)&turned[k][c] = q.x;
			*(u32 *)&turned[k][c + 2] = q.y;
		}
		__syncthreads();
	}
#pragma unroll
	for (int i = 0; i < 8; i++) { // a thread takes 8 fours, of rows 8 apart
		int r = (t + 128 * i) / 16, g = t % 16;
		u32 v[4] = {};
		if (down) {
#pragma unroll
			for (int c = 0; c < 4; c++) v[c] = turned[g * 4 + c][r];
		} else if (row0 + r < outs && in0 + g * 4 < ins) {
			uint2 q = *(const uint2 *)(w + (i64)(row0 + r) * ins + in0 + g * 4);
			v[0] = q.x & 0xffff, v[1] = q.x >> 16, v[2] = q.y & 0xffff, v[3] = q.y >> 16;
		}
		u32 bits;
		values[r][g] = keep(v, bits);
		bits <<= g % 4 * 4;
		bits |= __shfl_xor_sync(0xffffffffu, bits, 1);
		bits |= __shfl_xor_sync(0xffffffffu, bits, 2);
		if (g % 4 == 0) places[r][g / 4] = bits;
	}
	__syncthreads();
	int lane = t % 32, low = t / 32 * 16 + lane / 4, q = lane % 4;
#pragma unroll
	for (int h = 0; h < 2; h++) {
		const u32 *p = &values[t % 64][h * 8 + t / 64 * 4];
		*(uint4 *)(to + h * (VALUES / 2) + t * 16) = make_uint4(p[0], p[1], p[2], p[3]);
	}
	// Threads 0 and 1 of four: inputs 0–31, for selector 0; threads 2 and 3: 32–63, for selector 1.
	*(u32 *)(to + VALUES + t * 4) = places[low][q] | (u32)places[low + 8][q] << 16;
}
