// Products with a 2:4 weight on Hopper's tensor cores (sm_90a): y[t][o] = alpha·Σ x[t][i]·w[o][i],
// w packed by sparse24_pack. As the tensor cores see it yᵀ = w·xᵀ: the weight is their left
// operand, of which wgmma.mma_async.sp wants the kept values and where they lie.
//
// A block makes tiles of TM outputs × TN rows, TM = GROUPS·MI·64: each of GROUPS warpgroups has
// MI·64 outputs of all TN rows in its registers. One more warpgroup brings what they read,
// STAGES steps of 64 inputs ahead. CLUSTER blocks beside each other along the outputs share the
// rows of x, of which each brings a part for all.
//
// APATH: 0: values by shared memory to the tensor cores; 1: from memory to registers; 2: by shared memory to registers.

#include "tensorcores.cuh"

struct alignas(64) Map { u64 w[16]; };

#define TM (GROUPS * MI * 64)
#define BLOB 4608 // bytes of the pack for 64 outputs × 64 inputs: values 4096, places 512
#ifndef CN
#define CN 1 // blocks of a cluster along the rows, which share the weight
#endif
#define BLOCKS (CLUSTER * CN)
#ifndef NOLOAD
#define NOLOAD 0
#endif
#ifndef HX // hints to the second cache for x, w, y: 0 none, 1 leaves first, 2 stays longest
#define HX 0
#define HW 0
#define HY 0
#endif
#define PART ((TN / CLUSTER + 7) / 8 * 8) // rows of x that a block brings; parts may overlap
#define B_ROOM (TN * 128)
#define B_BYTES (CLUSTER * PART * 128)
#define A_BYTES (APATH == 1 ? 0 : GROUPS * MI * BLOB)
#define A_ROOM ((A_BYTES + 1023) / 1024 * 1024)
#define STAGE (B_ROOM + A_ROOM)
#define OUT_GROUP (MI * EN * 128) // bytes of a warpgroup's part of an output on its way
#ifndef INLINE
#define INLINE 0 // 1: the first thread brings, beside what it makes
#endif
#define THREADS (GROUPS * 128 + (INLINE ? 0 : 128))

template <int SEL> __device__ __forceinline__ void sparse(float (&d)[16][4], u64 a, u64 b, u32 e, int add) {
	asm volatile("{ .reg .pred p; setp.ne.b32 p, %67, 0; wgmma.mma_async.sp.sync.aligned.m64n128k32.f32.bf16.bf16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, %64, %65, %66, %68, p, 1, 1, 0, 0; }"
		: "+f"(d[0][0]), "+f"(d[0][1]), "+f"(d[0][2]), "+f"(d[0][3]), "+f"(d[1][0]), "+f"(d[1][1]), "+f"(d[1][2]), "+f"(d[1][3]), "+f"(d[2][0]), "+f"(d[2][1]), "+f"(d[2][2]), "+f"(d[2][3]), "+f"(d[3][0]), "+f"(d[3][1]), "+f"(d[3][2]), "+f"(d[3][3]), "+f"(d[4][0]), "+f"(d[4][1]), "+f"(d[4][2]), "+f"(d[4][3]), "+f"(d[5][0]), "+f"(d[5][1]), "+f"(d[5][2]), "+f"(d[5][3]), "+f"(d[6][0]), "+f"(d[6][1]), "+f"(d[6][2]), "+f"(d[6][3]), "+f"(d[7][0]), "+f"(d[7][1]), "+f"(d[7][2]), "+f"(d[7][3]), "+f"(d[8][0]), "+f"(d[8][1]), "+f"(d[8][2]), "+f"(d[8][3]), "+f"(d[9][0]), "+f"(d[9][1]), "+f"(d[9][2]), "+f"(d[9][3]), "+f"(d[10][0]), "+f"(d[10][1]), "+f"(d[10][2]), "+f"(d[10][3]), "+f"(d[11][0]), "+f"(d[11][1]), "+f"(d[11][2]), "+f"(d[11][3]), "+f"(d[12][0]), "+f"(d[12][1]), "+f"(d[12][2]), "+f"(d[12][3]), "+f"(d[13][0]), "+f"(d[13][1]), "+f"(d[13][2]), "+f"(d[13][3]), "+f"(d[14][0]), "+f"(d[14][1]), "+f"(d[14][2]), "+f"(d[14][3]), "+f"(d[15][0]), "+f"(d[15][1]), "+f"(d[15][2]), "+f"(d[15][3])
		: "l"(a), "l"(b), "r"(e), "r"(add), "n"(SEL));
}
template <int SEL> __device__ __forceinline__ void sparse(float (&d)[16][4], const uint4 &a, u64 b, u32 e, int add) {
	asm volatile("{ .reg .pred p; setp.ne.b32 p, %70, 0; wgmma.mma_async.sp.sync.aligned.m64n128k32.f32.bf16.bf16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, {%64, %65, %66, %67}, %68, %69, %71, p, 1, 1, 0; }"
		: "+f"(d[0][0]), "+f"(d[0][1]), "+f"(d[0][2]), "+f"(d[0][3]), "+f"(d[1][0]), "+f"(d[1][1]), "+f"(d[1][2]), "+f"(d[1][3]), "+f"(d[2][0]), "+f"(d[2][1]), "+f"(d[2][2]), "+f"(d[2][3]), "+f"(d[3][0]), "+f"(d[3][1]), "+f"(d[3][2]), "+f"(d[3][3]), "+f"(d[4][0]), "+f"(d[4][1]), "+f"(d[4][2]), "+f"(d[4][3]), "+f"(d[5][0]), "+f"(d[5][1]), "+f"(d[5][2]), "+f"(d[5][3]), "+f"(d[6][0]), "+f"(d[6][1]), "+f"(d[6][2]), "+f"(d[6][3]), "+f"(d[7][0]), "+f"(d[7][1]), "+f"(d[7][2]), "+f"(d[7][3]), "+f"(d[8][0]), "+f"(d[8][1]), "+f"(d[8][2]), "+f"(d[8][3]), "+f"(d[9][0]), "+f"(d[9][1]), "+f"(d[9][2]), "+f"(d[9][3]), "+f"(d[10][0]), "+f"(d[10][1]), "+f"(d[10][2]), "+f"(d[10][3]), "+f"(d[11][0]), "+f"(d[11][1]), "+f"(d[11][2]), "+f"(d[11][3]), "+f"(d[12][0]), "+f"(d[12][1]), "+f"(d[12][2]), "+f"(d[12][3]), "+f"(d[13][0]), "+f"(d[13][1]), "+f"(d[13][2]), "+f"(d[13][3]), "+f"(d[14][0]), "+f"(d[14][1]), "+f"(d[14][2]), "+f"(d[14][3]), "+f"(d[15][0]), "+f"(d[15][1]), "+f"(d[15][2]), "+f"(d[15][3])
		: "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "l"(b), "r"(e), "r"(add), "n"(SEL));
}
template <int SEL> __device__ __forceinline__ void sparse(float (&d)[23][4], u64 a, u64 b, u32 e, int add) {
	asm volatile("{ .reg .pred p; setp.ne.b32 p, %95, 0; wgmma.mma_async.sp.sync.aligned.m64n184k32.f32.bf16.bf16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91}, %92, %93, %94, %96, p, 1, 1, 0, 0; }"
		: "+f"(d[0][0]), "+f"(d[0][1]), "+f"(d[0][2]), "+f"(d[0][3]), "+f"(d[1][0]), "+f"(d[1][1]), "+f"(d[1][2]), "+f"(d[1][3]), "+f"(d[2][0]), "+f"(d[2][1]), "+f"(d[2][2]), "+f"(d[2][3]), "+f"(d[3][0]), "+f"(d[3][1]), "+f"(d[3][2]), "+f"(d[3][3]), "+f"(d[4][0]), "+f"(d[4][1]), "+f"(d[4][2]), "+f"(d[4][3]), "+f"(d[5][0]), "+f"(d[5][1]), "+f"(d[5][2]), "+f"(d[5][3]), "+f"(d[6][0]), "+f"(d[6][1]), "+f"(d[6][2]), "+f"(d[6][3]), "+f"(d[7][0]), "+f"(d[7][1]), "+f"(d[7][2]), "+f"(d[7][3]), "+f"(d[8][0]), "+f"(d[8][1]), "+f"(d[8][2]), "+f"(d[8][3]), "+f"(d[9][0]), "+f"(d[9][1]), "+f"(d[9][2]), "+f"(d[9][3]), "+f"(d[10][0]), "+f"(d[10][1]), "+f"(d[10][2]), "+f"(d[10][3]), "+f"(d[11][0]), "+f"(d[11][1]), "+f"(d[11][2]), "+f"(d[11][3]), "+f"(d[12][0]), "+f"(d[12][1]), "+f"(d[12][2]), "+f"(d[12][3]), "+f"(d[13][0]), "+f"(d[13][1]), "+f"(d[13][2]), "+f"(d[13][3]), "+f"(d[14][0]), "+f"(d[14][1]), "+f"(d[14][2]), "+f"(d[14][3]), "+f"(d[15][0]), "+f"(d[15][1]), "+f"(d[15][2]), "+f"(d[15][3]), "+f"(d[16][0]), "+f"(d[16][1]), "+f"(d[16][2]), "+f"(d[16][3]), "+f"(d[17][0]), "+f"(d[17][1]), "+f"(d[17][2]), "+f"(d[17][3]), "+f"(d[18][0]), "+f"(d[18][1]), "+f"(d[18][2]), "+f"(d[18][3]), "+f"(d[19][0]), "+f"(d[19][1]), "+f"(d[19][2]), "+f"(d[19][3]), "+f"(d[20][0]), "+f"(d[20][1]), "+f"(d[20][2]), "+f"(d[20][3]), "+f"(d[21][0]), "+f"(d[21][1]), "+f"(d[21][2]), "+f"(d[21][3]), "+f"(d[22][0]), "+f"(d[22][1]), "+f"(d[22][2]), "+f"(d[22][3])
		: "l"(a), "l"(b), "r"(e), "r"(add), "n"(SEL));
}
template <int SEL> __device__ __forceinline__ void sparse(float (&d)[23][4], const uint4 &a, u64 b, u32 e, int add) {
	asm volatile("{ .reg .pred p; setp.ne.b32 p, %98, 0; wgmma.mma_async.sp.sync.aligned.m64n184k32.f32.bf16.bf16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91}, {%92, %93, %94, %95}, %96, %97, %99, p, 1, 1, 0; }"
		: "+f"(d[0][0]), "+f"(d[0][1]), "+f"(d[0][2]), "+f"(d[0][3]), "+f"(d[1][0]), "+f"(d[1][1]), "+f"(d[1][2]), "+f"(d[1][3]), "+f"(d[2][0]), "+f"(d[2][1]), "+f"(d[2][2]), "+f"(d[2][3]), "+f"(d[3][0]), "+f"(d[3][1]), "+f"(d[3][2]), "+f"(d[3][3]), "+f"(d[4][0]), "+f"(d[4][1]), "+f"(d[4][2]), "+f"(d[4][3]), "+f"(d[5][0]), "+f"(d[5][1]), "+f"(d[5][2]), "+f"(d[5][3]), "+f"(d[6][0]), "+f"(d[6][1]), "+f"(d[6][2]), "+f"(d[6][3]), "+f"(d[7][0]), "+f"(d[7][1]), "+f"(d[7][2]), "+f"(d[7][3]), "+f"(d[8][0]), "+f"(d[8][1]), "+f"(d[8][2]), "+f"(d[8][3]), "+f"(d[9][0]), "+f"(d[9][1]), "+f"(d[9][2]), "+f"(d[9][3]), "+f"(d[10][0]), "+f"(d[10][1]), "+f"(d[10][2]), "+f"(d[10][3]), "+f"(d[11][0]), "+f"(d[11][1]), "+f"(d[11][2]), "+f"(d[11][3]), "+f"(d[12][0]), "+f"(d[12][1]), "+f"(d[12][2]), "+f"(d[12][3]), "+f"(d[13][0]), "+f"(d[13][1]), "+f"(d[13][2]), "+f"(d[13][3]), "+f"(d[14][0]), "+f"(d[14][1]), "+f"(d[14][2]), "+f"(d[14][3]), "+f"(d[15][0]), "+f"(d[15][1]), "+f"(d[15][2]), "+f"(d[15][3]), "+f"(d[16][0]), "+f"(d[16][1]), "+f"(d[16][2]), "+f"(d[16][3]), "+f"(d[17][0]), "+f"(d[17][1]), "+f"(d[17][2]), "+f"(d[17][3]), "+f"(d[18][0]), "+f"(d[18][1]), "+f"(d[18][2]), "+f"(d[18][3]), "+f"(d[19][0]), "+f"(d[19][1]), "+f"(d[19][2]), "+f"(d[19][3]), "+f"(d[20][0]), "+f"(d[20][1]), "+f"(d[20][2]), "+f"(d[20][3]), "+f"(d[21][0]), "+f"(d[21][1]), "+f"(d[21][2]), "+f"(d[21][3]), "+f"(d[22][0]), "+f"(d[22][1]), "+f"(d[22][2]), "+f"(d[22][3])
		: "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "l"(b), "r"(e), "r"(add), "n"(SEL));
}
template <int SEL> __device__ __forceinline__ void sparse(float (&d)[24][4], u64 a, u64 b, u32 e, int add) {
	asm volatile("{ .reg .pred p; setp.ne.b32 p, %99, 0; wgmma.mma_async.sp.sync.aligned.m64n192k32.f32.bf16.bf16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95}, %96, %97, %98, %100, p, 1, 1, 0, 0; }"
		: "+f"(d[0][0]), "+f"(d[0][1]), "+f"(d[0][2]), "+f"(d[0][3]), "+f"(d[1][0]), "+f"(d[1][1]), "+f"(d[1][2]), "+f"(d[1][3]), "+f"(d[2][0]), "+f"(d[2][1]), "+f"(d[2][2]), "+f"(d[2][3]), "+f"(d[3][0]), "+f"(d[3][1]), "+f"(d[3][2]), "+f"(d[3][3]), "+f"(d[4][0]), "+f"(d[4][1]), "+f"(d[4][2]), "+f"(d[4][3]), "+f"(d[5][0]), "+f"(d[5][1]), "+f"(d[5][2]), "+f"(d[5][3]), "+f"(d[6][0]), "+f"(d[6][1]), "+f"(d[6][2]), "+f"(d[6][3]), "+f"(d[7][0]), "+f"(d[7][1]), "+f"(d[7][2]), "+f"(d[7][3]), "+f"(d[8][0]), "+f"(d[8][1]), "+f"(d[8][2]), "+f"(d[8][3]), "+f"(d[9][0]), "+f"(d[9][1]), "+f"(d[9][2]), "+f"(d[9][3]), "+f"(d[10][0]), "+f"(d[10][1]), "+f"(d[10][2]), "+f"(d[10][3]), "+f"(d[11][0]), "+f"(d[11][1]), "+f"(d[11][2]), "+f"(d[11][3]), "+f"(d[12][0]), "+f"(d[12][1]), "+f"(d[12][2]), "+f"(d[12][3]), "+f"(d[13][0]), "+f"(d[13][1]), "+f"(d[13][2]), "+f"(d[13][3]), "+f"(d[14][0]), "+f"(d[14][1]), "+f"(d[14][2]), "+f"(d[14][3]), "+f"(d[15][0]), "+f"(d[15][1]), "+f"(d[15][2]), "+f"(d[15][3]), "+f"(d[16][0]), "+f"(d[16][1]), "+f"(d[16][2]), "+f"(d[16][3]), "+f"(d[17][0]), "+f"(d[17][1]), "+f"(d[17][2]), "+f"(d[17][3]), "+f"(d[18][0]), "+f"(d[18][1]), "+f"(d[18][2]), "+f"(d[18][3]), "+f"(d[19][0]), "+f"(d[19][1]), "+f"(d[19][2]), "+f"(d[19][3]), "+f"(d[20][0]), "+f"(d[20][1]), "+f"(d[20][2]), "+f"(d[20][3]), "+f"(d[21][0]), "+f"(d[21][1]), "+f"(d[21][2]), "+f"(d[21][3]), "+f"(d[22][0]), "+f"(d[22][1]), "+f"(d[22][2]), "+f"(d[22][3]), "+f"(d[23][0]), "+f"(d[23][1]), "+f"(d[23][2]), "+f"(d[23][3])
		: "l"(a), "l"(b), "r"(e), "r"(add), "n"(SEL));
}
template <int SEL> __device__ __forceinline__ void sparse(float (&d)[24][4], const uint4 &a, u64 b, u32 e, int add) {
	asm volatile("{ .reg .pred p; setp.ne.b32 p, %102, 0; wgmma.mma_async.sp.sync.aligned.m64n192k32.f32.bf16.bf16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95}, {%96, %97, %98, %99}, %100, %101, %103, p, 1, 1, 0; }"
		: "+f"(d[0][0]), "+f"(d[0][1]), "+f"(d[0][2]), "+f"(d[0][3]), "+f"(d[1][0]), "+f"(d[1][1]), "+f"(d[1][2]), "+f"(d[1][3]), "+f"(d[2][0]), "+f"(d[2][1]), "+f"(d[2][2]), "+f"(d[2][3]), "+f"(d[3][0]), "+f"(d[3][1]), "+f"(d[3][2]), "+f"(d[3][3]), "+f"(d[4][0]), "+f"(d[4][1]), "+f"(d[4][2]), "+f"(d[4][3]), "+f"(d[5][0]), "+f"(d[5][1]), "+f"(d[5][2]), "+f"(d[5][3]), "+f"(d[6][0]), "+f"(d[6][1]), "+f"(d[6][2]), "+f"(d[6][3]), "+f"(d[7][0]), "+f"(d[7][1]), "+f"(d[7][2]), "+f"(d[7][3]), "+f"(d[8][0]), "+f"(d[8][1]), "+f"(d[8][2]), "+f"(d[8][3]), "+f"(d[9][0]), "+f"(d[9][1]), "+f"(d[9][2]), "+f"(d[9][3]), "+f"(d[10][0]), "+f"(d[10][1]), "+f"(d[10][2]), "+f"(d[10][3]), "+f"(d[11][0]), "+f"(d[11][1]), "+f"(d[11][2]), "+f"(d[11][3]), "+f"(d[12][0]), "+f"(d[12][1]), "+f"(d[12][2]), "+f"(d[12][3]), "+f"(d[13][0]), "+f"(d[13][1]), "+f"(d[13][2]), "+f"(d[13][3]), "+f"(d[14][0]), "+f"(d[14][1]), "+f"(d[14][2]), "+f"(d[14][3]), "+f"(d[15][0]), "+f"(d[15][1]), "+f"(d[15][2]), "+f"(d[15][3]), "+f"(d[16][0]), "+f"(d[16][1]), "+f"(d[16][2]), "+f"(d[16][3]), "+f"(d[17][0]), "+f"(d[17][1]), "+f"(d[17][2]), "+f"(d[17][3]), "+f"(d[18][0]), "+f"(d[18][1]), "+f"(d[18][2]), "+f"(d[18][3]), "+f"(d[19][0]), "+f"(d[19][1]), "+f"(d[19][2]), "+f"(d[19][3]), "+f"(d[20][0]), "+f"(d[20][1]), "+f"(d[20][2]), "+f"(d[20][3]), "+f"(d[21][0]), "+f"(d[21][1]), "+f"(d[21][2]), "+f"(d[21][3]), "+f"(d[22][0]), "+f"(d[22][1]), "+f"(d[22][2]), "+f"(d[22][3]), "+f"(d[23][0]), "+f"(d[23][1]), "+f"(d[23][2]), "+f"(d[23][3])
		: "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "l"(b), "r"(e), "r"(add), "n"(SEL));
}
template <int SEL> __device__ __forceinline__ void sparse(float (&d)[32][4], u64 a, u64 b, u32 e, int add) {
	asm volatile("{ .reg .pred p; setp.ne.b32 p, %131, 0; wgmma.mma_async.sp.sync.aligned.m64n256k32.f32.bf16.bf16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, %96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, %112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127}, %128, %129, %130, %132, p, 1, 1, 0, 0; }"
		: "+f"(d[0][0]), "+f"(d[0][1]), "+f"(d[0][2]), "+f"(d[0][3]), "+f"(d[1][0]), "+f"(d[1][1]), "+f"(d[1][2]), "+f"(d[1][3]), "+f"(d[2][0]), "+f"(d[2][1]), "+f"(d[2][2]), "+f"(d[2][3]), "+f"(d[3][0]), "+f"(d[3][1]), "+f"(d[3][2]), "+f"(d[3][3]), "+f"(d[4][0]), "+f"(d[4][1]), "+f"(d[4][2]), "+f"(d[4][3]), "+f"(d[5][0]), "+f"(d[5][1]), "+f"(d[5][2]), "+f"(d[5][3]), "+f"(d[6][0]), "+f"(d[6][1]), "+f"(d[6][2]), "+f"(d[6][3]), "+f"(d[7][0]), "+f"(d[7][1]), "+f"(d[7][2]), "+f"(d[7][3]), "+f"(d[8][0]), "+f"(d[8][1]), "+f"(d[8][2]), "+f"(d[8][3]), "+f"(d[9][0]), "+f"(d[9][1]), "+f"(d[9][2]), "+f"(d[9][3]), "+f"(d[10][0]), "+f"(d[10][1]), "+f"(d[10][2]), "+f"(d[10][3]), "+f"(d[11][0]), "+f"(d[11][1]), "+f"(d[11][2]), "+f"(d[11][3]), "+f"(d[12][0]), "+f"(d[12][1]), "+f"(d[12][2]), "+f"(d[12][3]), "+f"(d[13][0]), "+f"(d[13][1]), "+f"(d[13][2]), "+f"(d[13][3]), "+f"(d[14][0]), "+f"(d[14][1]), "+f"(d[14][2]), "+f"(d[14][3]), "+f"(d[15][0]), "+f"(d[15][1]), "+f"(d[15][2]), "+f"(d[15][3]), "+f"(d[16][0]), "+f"(d[16][1]), "+f"(d[16][2]), "+f"(d[16][3]), "+f"(d[17][0]), "+f"(d[17][1]), "+f"(d[17][2]), "+f"(d[17][3]), "+f"(d[18][0]), "+f"(d[18][1]), "+f"(d[18][2]), "+f"(d[18][3]), "+f"(d[19][0]), "+f"(d[19][1]), "+f"(d[19][2]), "+f"(d[19][3]), "+f"(d[20][0]), "+f"(d[20][1]), "+f"(d[20][2]), "+f"(d[20][3]), "+f"(d[21][0]), "+f"(d[21][1]), "+f"(d[21][2]), "+f"(d[21][3]), "+f"(d[22][0]), "+f"(d[22][1]), "+f"(d[22][2]), "+f"(d[22][3]), "+f"(d[23][0]), "+f"(d[23][1]), "+f"(d[23][2]), "+f"(d[23][3]), "+f"(d[24][0]), "+f"(d[24][1]), "+f"(d[24][2]), "+f"(d[24][3]), "+f"(d[25][0]), "+f"(d[25][1]), "+f"(d[25][2]), "+f"(d[25][3]), "+f"(d[26][0]), "+f"(d[26][1]), "+f"(d[26][2]), "+f"(d[26][3]), "+f"(d[27][0]), "+f"(d[27][1]), "+f"(d[27][2]), "+f"(d[27][3]), "+f"(d[28][0]), "+f"(d[28][1]), "+f"(d[28][2]), "+f"(d[28][3]), "+f"(d[29][0]), "+f"(d[29][1]), "+f"(d[29][2]), "+f"(d[29][3]), "+f"(d[30][0]), "+f"(d[30][1]), "+f"(d[30][2]), "+f"(d[30][3]), "+f"(d[31][0]), "+f"(d[31][1]), "+f"(d[31][2]), "+f"(d[31][3])
		: "l"(a), "l"(b), "r"(e), "r"(add), "n"(SEL));
}
template <int SEL> __device__ __forceinline__ void sparse(float (&d)[32][4], const uint4 &a, u64 b, u32 e, int add) {
	asm volatile("{ .reg .pred p; setp.ne.b32 p, %134, 0; wgmma.mma_async.sp.sync.aligned.m64n256k32.f32.bf16.bf16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, %96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, %112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127}, {%128, %129, %130, %131}, %132, %133, %135, p, 1, 1, 0; }"
		: "+f"(d[0][0]), "+f"(d[0][1]), "+f"(d[0][2]), "+f"(d[0][3]), "+f"(d[1][0]), "+f"(d[1][1]), "+f"(d[1][2]), "+f"(d[1][3]), "+f"(d[2][0]), "+f"(d[2][1]), "+f"(d[2][2]), "+f"(d[2][3]), "+f"(d[3][0]), "+f"(d[3][1]), "+f"(d[3][2]), "+f"(d[3][3]), "+f"(d[4][0]), "+f"(d[4][1]), "+f"(d[4][2]), "+f"(d[4][3]), "+f"(d[5][0]), "+f"(d[5][1]), "+f"(d[5][2]), "+f"(d[5][3]), "+f"(d[6][0]), "+f"(d[6][1]), "+f"(d[6][2]), "+f"(d[6][3]), "+f"(d[7][0]), "+f"(d[7][1]), "+f"(d[7][2]), "+f"(d[7][3]), "+f"(d[8][0]), "+f"(d[8][1]), "+f"(d[8][2]), "+f"(d[8][3]), "+f"(d[9][0]), "+f"(d[9][1]), "+f"(d[9][2]), "+f"(d[9][3]), "+f"(d[10][0]), "+f"(d[10][1]), "+f"(d[10][2]), "+f"(d[10][3]), "+f"(d[11][0]), "+f"(d[11][1]), "+f"(d[11][2]), "+f"(d[11][3]), "+f"(d[12][0]), "+f"(d[12][1]), "+f"(d[12][2]), "+f"(d[12][3]), "+f"(d[13][0]), "+f"(d[13][1]), "+f"(d[13][2]), "+f"(d[13][3]), "+f"(d[14][0]), "+f"(d[14][1]), "+f"(d[14][2]), "+f"(d[14][3]), "+f"(d[15][0]), "+f"(d[15][1]), "+f"(d[15][2]), "+f"(d[15][3]), "+f"(d[16][0]), "+f"(d[16][1]), "+f"(d[16][2]), "+f"(d[16][3]), "+f"(d[17][0]), "+f"(d[17][1]), "+f"(d[17][2]), "+f"(d[17][3]), "+f"(d[18][0]), "+f"(d[18][1]), "+f"(d[18][2]), "+f"(d[18][3]), "+f"(d[19][0]), "+f"(d[19][1]), "+f"(d[19][2]), "+f"(d[19][3]), "+f"(d[20][0]), "+f"(d[20][1]), "+f"(d[20][2]), "+f"(d[20][3]), "+f"(d[21][0]), "+f"(d[21][1]), "+f"(d[21][2]), "+f"(d[21][3]), "+f"(d[22][0]), "+f"(d[22][1]), "+f"(d[22][2]), "+f"(d[22][3]), "+f"(d[23][0]), "+f"(d[23][1]), "+f"(d[23][2]), "+f"(d[23][3]), "+f"(d[24][0]), "+f"(d[24][1]), "+f"(d[24][2]), "+f"(d[24][3]), "+f"(d[25][0]), "+f"(d[25][1]), "+f"(d[25][2]), "+f"(d[25][3]), "+f"(d[26][0]), "+f"(d[26][1]), "+f"(d[26][2]), "+f"(d[26][3]), "+f"(d[27][0]), "+f"(d[27][1]), "+f"(d[27][2]), "+f"(d[27][3]), "+f"(d[28][0]), "+f"(d[28][1]), "+f"(d[28][2]), "+f"(d[28][3]), "+f"(d[29][0]), "+f"(d[29][1]), "+f"(d[29][2]), "+f"(d[29][3]), "+f"(d[30][0]), "+f"(d[30][1]), "+f"(d[30][2]), "+f"(d[30][3]), "+f"(d[31][0]), "+f"(d[31][1]), "+f"(d[31][2]), "+f"(d[31][3])
		: "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "l"(b), "r"(e), "r"(add), "n"(SEL));
}

__device__ __forceinline__ void begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int N> __device__ __forceinline__ void finish() { asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory"); }

__device__ __forceinline__ void init(u32 bar, int count) { asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(bar), "r"(count)); }
__device__ __forceinline__ void await(u32 bar, u32 parity) {
	asm volatile("{ .reg .pred p; again: mbarrier.try_wait.parity.shared::cta.b64 p, [%0], %1; @p bra done; bra again; done: }" ::"r"(bar), "r"(parity) : "memory");
}
__device__ __forceinline__ void expect(u32 bar, u32 bytes) { asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(bar), "r"(bytes) : "memory"); }
// arrive at a barrier of block `rank` of the cluster
__device__ __forceinline__ void arrive_at(u32 bar, u32 rank) {
#if BLOCKS > 1
	asm volatile("{ .reg .b32 r; mapa.shared::cluster.u32 r, %0, %1; mbarrier.arrive.shared::cluster.b64 _, [r]; }" ::"r"(bar), "r"(rank) : "memory");
#else
	asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(bar) : "memory");
#endif
}
#define HINT(h) (h == 1 ? 0x12F0000000000000ull : h == 2 ? 0x14F0000000000000ull : 0x1000000000000000ull)
__device__ __forceinline__ void bring(u32 to, const Map *map, int x, int y, u32 bar, u32 mask) {
#if CLUSTER > 1
	asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster.L2::cache_hint [%0], [%1, {%2, %3}], [%4], %5, %6;"
		::"r"(to), "l"(map), "r"(x), "r"(y), "r"(bar), "h"((u16)mask), "l"(HINT(HX)) : "memory");
#else
	asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.L2::cache_hint [%0], [%1, {%2, %3}], [%4], %5;"
		::"r"(to), "l"(map), "r"(x), "r"(y), "r"(bar), "l"(HINT(HX)) : "memory");
#endif
}
__device__ __forceinline__ void bring_bytes(u32 to, const void *from, u32 bytes, u32 bar, u32 mask) {
#if CN > 1
	asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster.L2::cache_hint [%0], [%1], %2, [%3], %4, %5;" ::"r"(to), "l"(from), "r"(bytes), "r"(bar), "h"((u16)mask), "l"(HINT(HW)) : "memory");
#else
	asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint [%0], [%1], %2, [%3], %4;" ::"r"(to), "l"(from), "r"(bytes), "r"(bar), "l"(HINT(HW)) : "memory");
#endif
}
__device__ __forceinline__ void send(const Map *map, int x, int y, u32 from) {
	asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.bulk_group.L2::cache_hint [%0, {%1, %2}], [%3], %4;" ::"l"(map), "r"(x), "r"(y), "r"(from), "l"(HINT(HY)) : "memory");
}
__device__ __forceinline__ void cluster_sync() {
#if BLOCKS > 1
	asm volatile("barrier.cluster.arrive.release.aligned; barrier.cluster.wait.acquire.aligned;" ::: "memory");
#else
	__syncthreads();
#endif
}
__device__ __forceinline__ u32 cluster_rank() {
	u32 r;
	asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(r));
	return r;
}
__device__ __forceinline__ uint4 load4(const void *p) {
	uint4 v;
	asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0,%1,%2,%3}, [%4];" : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(p));
	return v;
}
__device__ __forceinline__ u32 load1(const void *p) {
	u32 v;
	asm volatile("ld.global.nc.L1::no_allocate.u32 %0, [%1];" : "=r"(v) : "l"(p));
	return v;
}
__device__ __forceinline__ uint4 shared4(u32 p) {
	uint4 v;
	asm volatile("ld.shared.v4.u32 {%0,%1,%2,%3}, [%4];" : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "r"(p));
	return v;
}
__device__ __forceinline__ u32 two(float a, float b) {
	u32 r;
	asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(b), "f"(a));
	return r;
}

// Descriptors: of rows of 128 bytes, their 16-byte pieces swizzled, 8 of them 1024 bytes; of
// pieces of 16 bytes, 8 rows of them 128 bytes, the next 8 rows 128 further, the next pieces
// 1024. In a cluster an address has the block's rank above what they take.
__device__ __forceinline__ u64 operand(u32 at) { return (u64)((at & 0x3ffff) >> 4) | (u64)1 << 16 | (u64)(1024 >> 4) << 32 | (u64)1 << 62; }
__device__ __forceinline__ u64 left(u32 at) { return (u64)((at & 0x3ffff) >> 4) | (u64)(1024 >> 4) << 16 | (u64)(128 >> 4) << 32; }

// held keeps a register as it is until here: products in flight read it, which the compiler
// does not know.
__device__ __forceinline__ void held(u32 x) { asm volatile("" ::"r"(x) : "memory"); }
__device__ __forceinline__ void held(const uint4 &x) { held(x.x), held(x.y), held(x.z), held(x.w); }

// Where tile i lies: first block of outputs of the cluster, and of rows.
struct Tile { int m, n; };
__device__ __forceinline__ Tile tile_at(int i, int mc, int nt) {
	int wide = mc * BAND, g = i / wide, r = i - g * wide, w = min(BAND, nt - g * BAND);
	Tile t;
	t.n = g * BAND + r % w;
	t.m = r / w;
	return t;
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
#if BLOCKS > 1
__cluster_dims__(BLOCKS, 1, 1)
#endif
sparse24(const __grid_constant__ Map x, const __grid_constant__ Map y, const u8 *pack, int rows, int outs, int ins, float alpha) {
	extern __shared__ uint4 shared[];
	u32 base = (shared_at(shared) + 1023) & ~1023u;
	u32 out_at = base + STAGES * STAGE, bars = out_at + GROUPS * OUT_GROUP;
	// full of stage s at bars + 16·s, empty at 8 further
	int steps = (ins + 63) / 64, blocks = (outs + 63) / 64;
	int mt = (outs + TM - 1) / TM, mc = (mt + CLUSTER - 1) / CLUSTER, nt = ((rows + TN - 1) / TN + CN - 1) / CN, tiles = mc * nt; // of the cluster
	u32 rank_all = BLOCKS > 1 ? cluster_rank() : 0, rank = rank_all % CLUSTER, rank_n = rank_all / CLUSTER;
	int first = blockIdx.x / BLOCKS, stride = gridDim.x / BLOCKS;
	if (threadIdx.x == 0) {
		for (int s = 0; s < STAGES; s++) {
			init(bars + 16 * s, 1);
			init(bars + 16 * s + 8, GROUPS * (CLUSTER + CN - 1));
		}
		asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
		asm volatile("fence.proxy.async;" ::: "memory");
	}
	cluster_sync();
	int group = __shfl_sync(0xffffffffu, threadIdx.x / 128, 0);
	// What brings: tile p_tile, step p_k of it into stage p_stage.
	int p_tile = first, p_k = 0, p_row = 0;
	u32 p_stage = 0, p_phase = 1;
	const u8 *p_from[APATH == 1 ? 1 : GROUPS * MI / CN];
	auto aim_bring = [&] {
		Tile t = tile_at(p_tile, mc, nt);
		p_row = (t.n * CN + rank_n) * TN + rank * ((TN - PART) / (CLUSTER > 1 ? CLUSTER - 1 : 1));
#if APATH != 1
#pragma unroll
		for (int b = 0; b < GROUPS * MI / CN; b++) p_from[b] = pack + (i64)min((int)((t.m * CLUSTER + rank) * (TM / 64) + rank_n * (GROUPS * MI / CN)) + b, blocks - 1) * steps * BLOB;
#endif
	};
	auto fill = [&] {
		u32 full = bars + 16 * p_stage, at = base + p_stage * STAGE;
		await(full + 8, p_phase);
		if (NOLOAD && (p_k >= STAGES || p_tile != first)) asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(full) : "memory");
		else {
			expect(full, B_BYTES + A_BYTES);
			bring(at + rank * ((TN - PART) / (CLUSTER > 1 ? CLUSTER - 1 : 1)) * 128, &x, p_k * 64, p_row, full, ((1 << CLUSTER) - 1) << rank_n * CLUSTER);
#if APATH != 1
#pragma unroll
			for (int b = 0; b < GROUPS * MI / CN; b++) bring_bytes(at + B_ROOM + (rank_n * (GROUPS * MI / CN) + b) * BLOB, p_from[b] + (i64)p_k * BLOB, BLOB, full, CN == 1 ? 0 : (1 | 1 << CLUSTER) << rank);
#endif
		}
		if (++p_stage == STAGES) p_stage = 0, p_phase ^= 1;
		if (++p_k == steps) {
			p_k = 0, p_tile += stride;
			if (p_tile < tiles) aim_bring();
		}
	};
	if (!INLINE && group == GROUPS) { // brings
		asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
		if (threadIdx.x == GROUPS * 128) {
			if (first < tiles) aim_bring();
			while (p_tile < tiles) fill();
		}
	} else {
#if INLINE
		bool brings = threadIdx.x == 0;
		if (brings && first < tiles) {
			aim_bring();
			for (int s = 0; s < STAGES - 1 && p_tile < tiles; s++) fill();
		}
		__syncwarp();
#else
		asm volatile("setmaxnreg.inc.sync.aligned.u32 232;");
#endif
		int thread = threadIdx.x % 128, lane = thread % 32, warp = thread / 32;
		u32 stage = 0, phase = 0, last = 0; // last: the stage before
		u32 own = out_at + group * OUT_GROUP;
		float acc[MI][TN / 8][4];
		auto release = [&](u32 s) {
			if (thread < CLUSTER) arrive_at(bars + 16 * s + 8, rank_n * CLUSTER + thread);
			else if (CN > 1 && thread == CLUSTER) arrive_at(bars + 16 * s + 8, (rank_n ^ 1) * CLUSTER + rank); // CN is 2
#if INLINE
			if (brings && p_tile < tiles) fill(); // of the stage before that one: all are done with it, or soon
			__syncwarp();
#endif
		};
#if APATH == 1
		uint4 a[DEPTH][MI][2] = {};
		u32 e[DEPTH][MI] = {};
		const u8 *from[MI];
		auto aim = [&](int i) {
			Tile t = tile_at(i, mc, nt);
#pragma unroll
			for (int m = 0; m < MI; m++) from[m] = pack + (i64)min((t.m * CLUSTER + (int)rank) * (TM / 64) + group * MI + m, blocks - 1) * steps * BLOB;
		};
		auto fetch = [&](uint4 (&va)[MI][2], u32 (&ve)[MI], int k) {
#pragma unroll
			for (int m = 0; m < MI; m++) {
				const u8 *p = from[m] + (i64)k * BLOB;
				va[m][0] = load4(p + thread * 16);
				va[m][1] = load4(p + 2048 + thread * 16);
				ve[m] = load1(p + 4096 + thread * 4);
			}
		};
		if (first < tiles) {
			aim(first);
#pragma unroll
			for (int d = 0; d < DEPTH - 1; d++)
				if (d < steps) fetch(a[d], e[d], d);
		}
#endif
		for (int i = first; i < tiles; i += stride) {
			Tile t = tile_at(i, mc, nt);
#if APATH == 1
			for (int k0 = 0; k0 < steps; k0 += DEPTH)
#pragma unroll
				for (int d = 0; d < DEPTH; d++) {
					int k = k0 + d;
					if (k >= steps) break;
					await(bars + 16 * stage, phase);
					u64 b = operand(base + stage * STAGE);
					begin();
#pragma unroll
					for (int m = 0; m < MI; m++) sparse<0>(acc[m], a[d][m][0], b, e[d][m], k > 0);
#pragma unroll
					for (int m = 0; m < MI; m++) sparse<1>(acc[m], a[d][m][1], b + 4, e[d][m], 1);
					commit();
					finish<1>();
#pragma unroll
					for (int m = 0; m < MI; m++) held(a[(d + DEPTH - 1) % DEPTH][m][0]), held(a[(d + DEPTH - 1) % DEPTH][m][1]), held(e[(d + DEPTH - 1) % DEPTH][m]);
					if (k > 0) release(last);
					if (k + DEPTH - 1 < steps) fetch(a[(d + DEPTH - 1) % DEPTH], e[(d + DEPTH - 1) % DEPTH], k + DEPTH - 1);
					last = stage;
					if (++stage == STAGES) stage = 0, phase ^= 1;
				}
			finish<0>();
			release(last);
			if (i + stride < tiles) {
				aim(i + stride);
#pragma unroll
				for (int d = 0; d < DEPTH - 1; d++)
					if (d < steps) fetch(a[d], e[d], d);
			}
#else
			u32 e[2][MI] = {};
#if APATH == 2
			uint4 a[2][MI][2] = {};
#endif
			for (int k0 = 0; k0 < steps; k0 += 2)
#pragma unroll
				for (int d = 0; d < 2; d++) {
					int k = k0 + d;
					if (k >= steps) break;
					u32 at = base + stage * STAGE, as = at + B_ROOM + group * MI * BLOB;
					await(bars + 16 * stage, phase);
					u64 b = operand(at);
#pragma unroll
					for (int m = 0; m < MI; m++) e[d][m] = word(as + m * BLOB + 4096 + thread * 4);
#if APATH == 0
					u64 a = left(as);
					begin();
#pragma unroll
					for (int m = 0; m < MI; m++) sparse<0>(acc[m], a + m * (BLOB >> 4), b, e[d][m], k > 0);
#pragma unroll
					for (int m = 0; m < MI; m++) sparse<1>(acc[m], a + m * (BLOB >> 4) + (2048 >> 4), b + 4, e[d][m], 1);
#else
#pragma unroll
					for (int m = 0; m < MI; m++) a[d][m][0] = shared4(as + m * BLOB + thread * 16), a[d][m][1] = shared4(as + m * BLOB + 2048 + thread * 16);
					begin();
#pragma unroll
					for (int m = 0; m < MI; m++) sparse<0>(acc[m], a[d][m][0], b, e[d][m], k > 0);
#pragma unroll
					for (int m = 0; m < MI; m++) sparse<1>(acc[m], a[d][m][1], b + 4, e[d][m], 1);
#endif
					commit();
					finish<1>();
#pragma unroll
					for (int m = 0; m < MI; m++) {
						held(e[d ^ 1][m]);
#if APATH == 2
						held(a[d ^ 1][m][0]), held(a[d ^ 1][m][1]);
#endif
					}
					if (k > 0) release(last);
					last = stage;
					if (++stage == STAGES) stage = 0, phase ^= 1;
				}
			finish<0>();
#pragma unroll
			for (int d = 0; d < 2; d++)
#pragma unroll
				for (int m = 0; m < MI; m++) {
					held(e[d][m]);
#if APATH == 2
					held(a[d][m][0]), held(a[d][m][1]);
#endif
				}
			release(last);
#endif
			int row = (t.n * CN + rank_n) * TN, out = (t.m * CLUSTER + (int)rank) * TM + group * MI * 64;
#pragma unroll
			for (int c = 0; c < (TN + EN - 1) / EN; c++) {
				const int at = c * EN + EN > TN ? TN - EN : c * EN; // parts may overlap
				if (thread == 0) asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory");
				asm volatile("bar.sync %0, 128;" ::"r"(group + 1) : "memory");
#pragma unroll
				for (int m = 0; m < MI; m++)
#pragma unroll
					for (int j = 0; j < EN / 8; j += 2) {
						const float *p = acc[m][at / 8 + j], *q = acc[m][at / 8 + j + 1];
						u32 r0 = two(alpha * p[0], alpha * p[1]), r1 = two(alpha * p[2], alpha * p[3]), r2 = two(alpha * q[0], alpha * q[1]), r3 = two(alpha * q[2], alpha * q[3]);
						u32 to = own + m * (EN * 128) + (8 * (j + lane / 16) + lane % 8) * 128 + (((2 * warp + lane / 8 % 2) ^ (lane % 8)) * 16);
						asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(to), "r"(r0), "r"(r1), "r"(r2), "r"(r3) : "memory");
					}
				asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
				asm volatile("bar.sync %0, 128;" ::"r"(group + 1) : "memory");
				if (thread == 0) {
#pragma unroll
					for (int m = 0; m < MI; m++)
						if (out + m * 64 < outs && row + at < rows) send(&y, out + m * 64, row + at, own + m * (EN * 128));
					asm volatile("cp.async.bulk.commit_group;" ::: "memory");
				}
			}
		}
		if (thread == 0) asm volatile("cp.async.bulk.wait_group 0;" ::: "memory");
	}
	cluster_sync();
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
		uint4 v;
		if (APATH != 0) v = make_uint4(values[low][h * 8 + q], values[low + 8][h * 8 + q], values[low][h * 8 + 4 + q], values[low + 8][h * 8 + 4 + q]);
		else {
			const u32 *p = &values[t % 64][h * 8 + t / 64 * 4];
			v = make_uint4(p[0], p[1], p[2], p[3]);
		}
		*(uint4 *)(to + h * 2048 + t * 16) = v;
	}
	// Threads 0 and 1 of four: inputs 0–31, for selector 0; threads 2 and 3: 32–63, for selector 1.
	*(u32 *)(to + 4096 + t * 4) = places[low][q] | (u32)places[low + 8][q] << 16;
}
