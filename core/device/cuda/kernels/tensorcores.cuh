// What kernels for the tensor cores share: copies that run beside, operands from shared
// memory, exponentials to the base 2.

#define NONE __int_as_float(0xff800000) // −∞
#define LOG2E 1.4426950408889634f

__device__ __forceinline__ u32 shared_at(const void *p) {
	u32 a;
	asm("{ .reg .u64 t; cvta.to.shared.u64 t, %1; cvt.u32.u64 %0, t; }" : "=r"(a) : "l"(p));
	return a;
}

// copy brings BYTES (4, 8 or 16) into shared memory in the background, zeros if !there.
template <int BYTES> __device__ __forceinline__ void copy(u32 to, const void *from, bool there) {
	int n = there ? BYTES : 0;
	if (BYTES == 16) asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(n) : "memory");
	else asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(to), "l"(from), "n"(BYTES), "r"(n) : "memory");
}
// copy_near is a copy of 16 bytes that stay in the first cache as well.
__device__ __forceinline__ void copy_near(u32 to, const void *from, bool there) {
	asm volatile("cp.async.ca.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(there ? 16 : 0) : "memory");
}
// arrived waits for all copies of this thread.
__device__ __forceinline__ void arrived() { asm volatile("cp.async.wait_all;" ::: "memory"); }
// bundle closes a bundle of copies, those since the last; but waits for all but the last N.
__device__ __forceinline__ void bundle() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int N> __device__ __forceinline__ void but() { asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory"); }

// Four 8×8 matrices; thread i has the address of a row of matrix i/8.
__device__ __forceinline__ void matrices(u32 (&r)[4], u32 at) {
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at));
}

// Transposed.
__device__ __forceinline__ void matrices_t(u32 (&r)[4], u32 at) {
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at));
}

// c += a·b of bf16, 16 terms.
__device__ __forceinline__ void mma(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
	asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
		: "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// c += a·b of TF32, 8 terms.
__device__ __forceinline__ void mma_tf32(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
	asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
		: "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// A float32 rounded to TF32, to nearest; the tensor cores alone would cut it off.
__device__ __forceinline__ u32 tf32(u32 x) {
	u32 r;
	asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(r) : "f"(__uint_as_float(x)));
	return r;
}

// A word of shared memory.
__device__ __forceinline__ u32 word(u32 at) {
	u32 x;
	asm volatile("ld.shared.u32 %0, [%1];" : "=r"(x) : "r"(at));
	return x;
}

__device__ __forceinline__ float exp_2(float x) {
	float y;
	asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
	return y;
}

// The two bf16 of a word.
__device__ __forceinline__ float low(u32 x) { return __uint_as_float(x << 16); }
__device__ __forceinline__ float high(u32 x) { return __uint_as_float(x & 0xffff0000u); }

// A key that gets nothing: past the sequence or padding.
__device__ __forceinline__ bool padding(int key, int seq, float id, float pad) { return key >= seq || id == pad; }
