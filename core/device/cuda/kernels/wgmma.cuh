// What kernels with products of a whole warpgroup share (wgmma, sm_90a).

#include "tensorcores.cuh"

// PTX
// What threads or their copies wrote into shared memory is for the tensor cores and the copy
// engine to read.
__device__ __forceinline__ void publish() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// Products: begin, any number of them, commit; finish<N> waits for all but the last N commits.
__device__ __forceinline__ void begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int N> __device__ __forceinline__ void finish() { asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory"); }
// end of PTX
