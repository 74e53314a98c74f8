package cu

// The driver's functions, by index. Names are those that cuda.h's macros give them.
const (
	fnInit = iota
	fnDriverVersion
	fnDeviceCount
	fnDeviceGet
	fnDeviceName
	fnDeviceUUID
	fnDeviceMemory
	fnDeviceAttribute
	fnRetain
	fnReleaseContext
	fnSetCurrent
	fnMemInfo
	fnAlloc
	fnFree
	fnHostAlloc
	fnHostFree
	fnUpload
	fnDownload
	fnCopy
	fnFill
	fnStreamCreate
	fnStreamDestroy
	fnStreamQuery
	fnEventCreate
	fnEventDestroy
	fnEventRecord
	fnEventSync
	fnEventElapsed
	fnModuleLoad
	fnModuleUnload
	fnModuleFunction
	fnFuncGet
	fnFuncSet
	fnLaunch
	fnBeginCapture
	fnEndCapture
	fnInstantiate
	fnGraphDestroy
	fnGraphExecDestroy
	fnGraphLaunch
	fnErrorName
	fnErrorText
	fnMap
)

var driverLibrary = &description{
	name:    "cuda",
	linux:   []string{"libcuda.so.1"},
	windows: []string{"nvcuda.dll"},
	places:  driverPlaces,
	where:   "on the loader's path or in /usr/local/nvidia",
	costs:   "no GPU: everything runs on the CPU",
	funcs: []string{
		fnInit: "cuInit", fnDriverVersion: "cuDriverGetVersion", fnDeviceCount: "cuDeviceGetCount", fnDeviceGet: "cuDeviceGet",
		fnDeviceName: "cuDeviceGetName", fnDeviceUUID: "cuDeviceGetUuid_v2|cuDeviceGetUuid", fnDeviceMemory: "cuDeviceTotalMem_v2",
		fnDeviceAttribute: "cuDeviceGetAttribute",
		fnRetain:          "cuDevicePrimaryCtxRetain", fnReleaseContext: "cuDevicePrimaryCtxRelease_v2|cuDevicePrimaryCtxRelease", fnSetCurrent: "cuCtxSetCurrent",
		fnMemInfo: "cuMemGetInfo_v2", fnAlloc: "cuMemAlloc_v2", fnFree: "cuMemFree_v2", fnHostAlloc: "cuMemHostAlloc", fnHostFree: "cuMemFreeHost",
		fnUpload: "cuMemcpyHtoDAsync_v2", fnDownload: "cuMemcpyDtoHAsync_v2", fnCopy: "cuMemcpyDtoDAsync_v2", fnFill: "cuMemsetD8Async",
		fnStreamCreate: "cuStreamCreate", fnStreamDestroy: "cuStreamDestroy_v2", fnStreamQuery: "cuStreamQuery",
		fnEventCreate: "cuEventCreate", fnEventDestroy: "cuEventDestroy_v2", fnEventRecord: "cuEventRecord", fnEventSync: "cuEventSynchronize",
		fnEventElapsed: "cuEventElapsedTime_v2|cuEventElapsedTime",
		fnModuleLoad:   "cuModuleLoadDataEx", fnModuleUnload: "cuModuleUnload", fnModuleFunction: "cuModuleGetFunction",
		fnFuncGet: "cuFuncGetAttribute", fnFuncSet: "cuFuncSetAttribute", fnLaunch: "cuLaunchKernel",
		fnBeginCapture: "cuStreamBeginCapture_v2", fnEndCapture: "cuStreamEndCapture", fnInstantiate: "cuGraphInstantiateWithFlags",
		fnGraphDestroy: "cuGraphDestroy", fnGraphExecDestroy: "cuGraphExecDestroy", fnGraphLaunch: "cuGraphLaunch",
		fnErrorName: "cuGetErrorName?", fnErrorText: "cuGetErrorString?", fnMap: "cuTensorMapEncodeTiled?",
	},
}

// Values of enumerations in cuda.h.
const (
	attrSMs              = 16 // CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT
	attrL2               = 38 // CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE
	attrMajor            = 75 // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
	attrMinor            = 76
	attrShared           = 97  // CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN
	streamNonBlocking    = 1   // CU_STREAM_NON_BLOCKING
	captureRelaxed       = 2   // CU_STREAM_CAPTURE_MODE_RELAXED: it may end on another thread
	eventBlocking        = 1   // CU_EVENT_BLOCKING_SYNC
	eventNoTime          = 2   // CU_EVENT_DISABLE_TIMING
	notReady             = 600 // CUDA_ERROR_NOT_READY
	hostPortable         = 1   // CU_MEMHOSTALLOC_PORTABLE
	funcStaticShared     = 1   // CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES
	funcMaxDynamicShared = 8   // CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
	jitErrorLog          = 5   // CU_JIT_ERROR_LOG_BUFFER
	jitErrorLogSize      = 6   // CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES
)
